"""Bookkeeping of one solve: which samples continue, which iterate was the best, how each one ended."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .fit import Fit
from .levels import Level
from .result import Record
from .state import State, blend, choose, sizes
from .stopping import Stop

__all__ = ["Run"]

_BLOCK = 256  # iterations


class Run:
    """Bookkeeping of one solve: which samples continue, which iterate was the best, what happened."""

    def __init__(self, state: State, stop: Stop) -> None:
        self.state, self.stop = state, stop
        self.unit = state.facts.calibration.scale
        self.count = 0
        self._rows: list[Tensor] = []  # blocks of (iterations, 3, B): small tensors of their own would scatter memory
        self.reasons = ["" if alive else "converged" for alive in state.facts.alive.tolist()]
        usual = sizes(state.facts.back, self.unit) / state.facts.gain  # a start may be zero
        self.bound = stop.growth * torch.maximum(sizes(state.x, self.unit), usual)
        self.best = (state.x, state.x_data)
        self.best_residual = torch.full_like(self.bound, float("inf"))
        self._running = state.facts.alive
        # whether samples make less than whole steps; on the CPU it costs nothing to look
        self._damped = None if self.bound.device.type == "cpu" else bool((state.pace < 1).any())

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on where an earlier run was kept: its records, best iterates and reasons, but for those that only say that
        it was cut short."""
        rows = kept["rows"]
        self.count = len(rows)
        for k in range(0, self.count, _BLOCK):
            block = rows.new_empty(_BLOCK, *rows.shape[1:])
            block[: len(rows[k : k + _BLOCK])] = rows[k : k + _BLOCK]
            self._rows.append(block)
        self.reasons = ["" if r in ("max_iter", "stopped") else r for r in kept["reasons"]]
        self.bound, self.best_residual = kept["bound"], kept["best_residual"]
        self.best = (kept["best"][0], kept["best"][1])
        self._running = torch.tensor([not r for r in self.reasons], device=self.bound.device)

    def at(self, state: State) -> "Run":
        """This run with a ``state`` that was checked."""
        self.state = state
        return self

    @property
    def history(self) -> list[Record]:
        """A record of each iteration."""
        return [self.record(k) for k in range(self.count)]

    def record(self, k: int) -> Record:
        """Of the iteration k of this run, from 0; -1 is the last."""
        k = k % self.count
        values = self._rows[k // _BLOCK][k % _BLOCK]
        return Record(self.state.step - self.count + k + 1, *values)

    @property
    def finished(self) -> bool:
        return all(self.reasons)

    def finish(self, reason: str) -> None:
        self.reasons = [r or reason for r in self.reasons]

    def advance(self, step: Callable[..., State], at: Level, fit: Fit, settled: int) -> None:
        """Make the iteration ``step`` at a level, take it over where samples still run, and decide which of them end.

        All that has to be known of it is read at once, so that a device is waited for once an iteration.
        """
        old, count = self.state, len(self.reasons)
        while True:
            new = step(old, at, self._damped)
            residual, size = new.residual.detach(), sizes(new.x, self.unit)
            finite = torch.isfinite(residual) & torch.isfinite(size)
            close = residual <= (self.stop.tolerance if new.step >= settled else -1.0)
            facts = torch.stack((finite, size > self.bound, close, residual < self.best_residual, new.pace < 1))
            said = fit.said()
            read = torch.cat((facts.flatten().to(said.dtype), said)).tolist()
            rows = [[bool(v) for v in read[k * count : (k + 1) * count]] for k in range(5)]
            if fit.hear(read[5 * count :], plan=3 if new.step > settled else 1):
                break  # else once more, with longer inner solves
        if self._damped is False and any(rows[4]):
            new, self._damped = new._replace(values=blend(new.pace, old.values, new.values, rows[4])), True
        running = [not reason for reason in self.reasons]
        good = [a and b for a, b in zip(running, rows[0])]
        moving = ("values", "residual", "pace", "lowest", "waited")
        fine = self._running & finite
        kept = choose(fine, *(tuple(getattr(s, name) for name in moving) for s in (new, old)), good)
        self.state = new._replace(**dict(zip(moving, kept, strict=True)))
        better = fine & facts[3]
        self.best = choose(better, (new.x, new.x_data), self.best, [a and b for a, b in zip(good, rows[3])])
        self.best_residual = torch.where(better, residual, self.best_residual)
        for b in range(count):
            if running[b]:
                self.reasons[b] = _reason(*(row[b] for row in rows[:3]))
        if any(self.reasons):
            self._running = fine & ~facts[1] & ~facts[2]
        if self.count % _BLOCK == 0:
            self._rows.append(residual.new_empty(_BLOCK, 3, len(residual)))
        gamma = fit.gamma(at.tau).detach()
        self._rows[-1][self.count % _BLOCK] = torch.stack((residual, at.sigma.detach(), gamma))
        self.count += 1

    def answer(self) -> tuple[Tensor, Tensor]:
        """The last iterates; for samples that failed, the best ones; zeros for samples of zeros."""
        failed = torch.tensor([r in ("diverged", "not_finite") for r in self.reasons], device=self.state.x.device)
        x, x_data = choose(failed, self.best, (self.state.x, self.state.x_data))
        alive, zero = self.state.facts.alive, torch.zeros_like(x[:0]).sum(0, keepdim=True)
        return choose(alive, x, zero.expand_as(x)), choose(alive, x_data, zero.expand_as(x))


def _reason(finite: bool, large: bool, close: bool) -> str:
    return "not_finite" if not finite else "diverged" if large else "converged" if close else ""
