"""The answer of a solve, with its reasons."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from .stopping import MESSAGES

__all__ = ["Record", "Result"]

_WORST_LAST = ("converged", "stopped", "max_iter", "diverged", "not_finite")


class Record(NamedTuple):
    """One iteration, values of each sample (B,): fixed-point residual, denoiser strength, data weight gamma."""

    step: int
    residual: Tensor
    sigma: Tensor
    gamma: Tensor


class Result(NamedTuple):
    """What a solve found.

    Attributes:
        x: reconstruction (B, C, H, W): the denoiser's output of the last iteration (of the best one after a failure).
        x_data: the data-consistent image that went with it.
        reasons: why each sample ended; see :data:`pnp.stopping.MESSAGES`.
        history: a :class:`Record` of each iteration.
        report: noise level and where it came from, strength, calibration, range of sigma, misfit of the answer, ...
        state: to continue with ``solve(y, state=...)``.
    """

    x: Tensor
    x_data: Tensor
    reasons: list[str]
    history: list[Record]
    report: dict[str, Any]
    state: Any

    @property
    def reason(self) -> str:
        """The one reason of all samples; where they differ, the worst."""
        return max(self.reasons, key=_WORST_LAST.index)

    @property
    def message(self) -> str:
        """The reason in words, with what to try."""
        return MESSAGES[self.reason]

    def __str__(self) -> str:
        lines = [f"{self.reason} after {len(self.history)} iterations: {self.message}"]
        for name, value in self.report.items():
            if isinstance(value, Tensor):
                value = ", ".join(f"{v:.4g}" for v in value.flatten().tolist())
            lines.append(f"  {name}: {value}")
        return "\n".join(lines)

    def plot(self, reference: Tensor | None = None, path: str | None = None) -> Any:
        """Picture of the first sample and of the residual's history; needs matplotlib (extra ``examples``)."""
        from .plot import plot_result

        return plot_result(self, reference=reference, path=path)

    def residuals(self) -> Tensor:
        """Fixed-point residuals, (iterations, B)."""
        return torch.stack([record.residual for record in self.history])
