"""Bookkeeping of one solve: which samples continue, which iterate was the best, how each one ended."""

from typing import Any

import torch
from torch import Tensor

from .levels import Level
from .result import Record
from .state import State, choose, sizes
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

    def advance(self, new: State, at: Level, gamma: Tensor, settled: bool) -> Record:
        """Take over ``new`` where samples still run, and decide which of them end."""
        old = self.state
        running = torch.tensor([not r for r in self.reasons], device=new.x.device)
        residual = new.residual
        size = sizes(new.x, self.unit)
        finite = torch.isfinite(residual) & torch.isfinite(size)
        moving = ("values", "residual", "pace", "lowest", "waited")
        kept = choose(running & finite, *(tuple(getattr(s, name) for name in moving) for s in (new, old)))
        self.state = new._replace(**dict(zip(moving, kept, strict=True)))
        better = running & finite & (residual < self.best_residual)
        self.best = choose(better, (new.x, new.x_data), self.best)
        self.best_residual = torch.where(better, residual, self.best_residual)
        for b in torch.nonzero(running).flatten().tolist():
            if not finite[b]:
                self.reasons[b] = "not_finite"
            elif size[b] > self.bound[b]:
                self.reasons[b] = "diverged"
            elif settled and residual[b] <= self.stop.tolerance:
                self.reasons[b] = "converged"
        if self.count % _BLOCK == 0:
            self._rows.append(residual.new_empty(_BLOCK, 3, len(residual)))
        self._rows[-1][self.count % _BLOCK] = torch.stack((residual.detach(), at.sigma.detach(), gamma.detach()))
        self.count += 1
        return self.record(-1)

    def answer(self) -> tuple[Tensor, Tensor]:
        """The last iterates; for samples that failed, the best ones; zeros for samples of zeros."""
        failed = torch.tensor([r in ("diverged", "not_finite") for r in self.reasons], device=self.state.x.device)
        x, x_data = choose(failed, self.best, (self.state.x, self.state.x_data))
        alive = self.state.facts.alive
        return choose(alive, x, torch.zeros_like(x)), choose(alive, x_data, torch.zeros_like(x_data))
