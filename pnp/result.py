"""The answer of a solve, with its reasons."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .replay import described, save
from .report.findings import Health
from .report.summary import summary, to_json
from .stopping import MESSAGES

__all__ = ["Record", "Result"]

_WORST_LAST = ("converged", "stopped", "max_iter", "diverged", "not_finite")


class Record(NamedTuple):
    """One iteration, values of each sample (B,): fixed-point residual, denoiser strength, data weight gamma."""

    step: int
    residual: Tensor
    sigma: Tensor
    gamma: Tensor


class Source(NamedTuple):
    """What a result came from, to be saved with it: solver, data, start, bookkeeping."""

    solver: Any
    y: Tensor
    x0: Tensor | None
    run: Any


class Result(NamedTuple):
    """What a solve found.

    Attributes:
        x: reconstruction (B, C, H, W): the denoiser's output of the last iteration (of the best one after a failure).
        x_data: the data-consistent image that went with it.
        reasons: why each sample ended; see :data:`pnp.stopping.MESSAGES`.
        history: a :class:`Record` of each iteration.
        report: noise level and where it came from, strength, calibration, range of sigma, misfit of the answer, ...
        state: to continue with ``solve(y, state=...)``.
        health: :class:`Health`, findings in words and what was measured.
        source: solver and data, for :meth:`save`.

    ``print(result)`` shows the findings in a dozen lines, :meth:`plot` a page, :meth:`to_json` everything but images.
    """

    x: Tensor
    x_data: Tensor
    reasons: list[str]
    history: list[Record]
    report: dict[str, Any]
    state: Any
    health: Health | None = None
    source: Source | None = None

    @property
    def reason(self) -> str:
        """The one reason of all samples; where they differ, the worst."""
        return max(self.reasons, key=_WORST_LAST.index)

    @property
    def message(self) -> str:
        """The reason in words, with what to try."""
        return MESSAGES[self.reason]

    def __str__(self) -> str:
        return summary(self)

    def summary(self) -> str:
        """What ``print(result)`` shows: a line for each finding, with its level, what is seen, and what to do."""
        return summary(self)

    def details(self) -> str:
        """Everything in the report, a line for each entry."""
        lines = [f"{self.reason} after {len(self.history)} iterations: {self.message}"]
        for name, value in self.report.items():
            if isinstance(value, Tensor):
                value = ", ".join(f"{v:.4g}" for v in value.flatten().tolist())
            lines.append(f"  {name}: {value}")
        return "\n".join(lines)

    def to_json(self, path: str | Path | None = None) -> str:
        """Findings, numbers, report and history as JSON text without NaN; written to ``path``, if given."""
        return to_json(self, path)

    def save(self, path: str | Path) -> None:
        """Write answer, report, state, history, settings and fingerprints of operator, denoiser and data to a
        safetensors file; :func:`pnp.replay` continues or repeats the solve, :func:`pnp.compare` compares two,
        :func:`pnp.view.write_page` makes a page of it. Save before solver or data change: they are read now.

        Raises:
            ValueError: the result is not of a solve. FileExistsError: another kind of file is there.
        """
        if self.source is None:
            raise ValueError("result: is not of Solver.solve, so that there is nothing to save")
        solver, y, x0, run = self.source
        answer = {"x": self.x, "x_data": self.x_data}
        if self.health is not None:
            answer["residual"] = self.health.measured.residual
        save(path, run, described(solver, y, x0), x0, answer=answer, told=json.loads(self.to_json()))

    def plot(self, reference: Tensor | None = None, path: str | None = None) -> Any:
        """A page: image, residual and its spectrum, convergence, findings; needs matplotlib (extra ``examples``)."""
        from .plot import plot_result

        return plot_result(self, reference=reference, path=path)

    def view(self, path: str | Path, **maps: Any) -> Path:
        """A page for the browser, in one file; ``maps`` are ``reference`` and ``uncertainty``, see
        :func:`pnp.view.write_page`."""
        from .view import write_page

        return write_page(self, path, **maps)

    def residuals(self) -> Tensor:
        """Fixed-point residuals, (iterations, B)."""
        return torch.stack([record.residual for record in self.history])
