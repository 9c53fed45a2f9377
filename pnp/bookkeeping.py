"""Bookkeeping of one solve: which samples go on, which iterate was the best, how each one ended."""

from typing import Any

import torch
from torch import Tensor

from .result import Record
from .state import movement, sizes
from .stopping import Stop

__all__ = ["Run"]

_FIELDS = ("x", "x_data", "dual", "rho", "residual", "pace")


class Run:
    """Bookkeeping of one solve: which samples go on, which iterate was the best, what happened."""

    def __init__(self, state: Any, stop: Stop) -> None:
        self.state, self.stop = state, stop
        self.history: list[Record] = []
        self.reasons = ["" if alive else "converged" for alive in state.problem.alive.tolist()]
        self.bound = stop.growth * sizes(state.x, state.problem)
        self.best = (state.x, state.x_data)
        self.best_residual = torch.full_like(self.bound, float("inf"))

    @property
    def finished(self) -> bool:
        return all(self.reasons)

    def finish(self, reason: str) -> None:
        self.reasons = [r or reason for r in self.reasons]

    def advance(self, new: Any, sigma: Tensor, gamma: Tensor, settled: bool) -> Record:
        """Take over ``new`` where samples still run, and decide which of them end."""
        old = self.state
        running = torch.tensor([not r for r in self.reasons], device=new.x.device)
        residual = movement(old, new, dual=settled) / new.pace  # of the whole iteration
        size = sizes(new.x, new.problem)
        finite = torch.isfinite(residual) & torch.isfinite(size)
        keep = {f: _choose(running & finite, getattr(new, f), getattr(old, f)) for f in _FIELDS}
        self.state = new._replace(**keep)
        better = running & finite & (residual < self.best_residual)
        self.best = (_choose(better, new.x, self.best[0]), _choose(better, new.x_data, self.best[1]))
        self.best_residual = torch.where(better, residual, self.best_residual)
        for b in torch.nonzero(running).flatten().tolist():
            if not finite[b]:
                self.reasons[b] = "not_finite"
            elif size[b] > self.bound[b]:
                self.reasons[b] = "diverged"
            elif settled and residual[b] <= self.stop.tolerance:
                self.reasons[b] = "converged"
        self.history.append(Record(new.step, residual, sigma.detach(), gamma.detach()))
        return self.history[-1]

    def answer(self) -> tuple[Tensor, Tensor]:
        """The last iterates; for samples that failed, the best ones; zeros for samples of zeros."""
        failed = torch.tensor([r in ("diverged", "not_finite") for r in self.reasons], device=self.state.x.device)
        alive = self.state.problem.alive
        pair = zip(self.best, (self.state.x, self.state.x_data), strict=True)
        x, x_data = (_choose(failed, best, last) for best, last in pair)
        return _choose(alive, x, torch.zeros_like(x)), _choose(alive, x_data, torch.zeros_like(x_data))


def _choose(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)
