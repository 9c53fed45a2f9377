"""A solve at one strength after another, each a few iterations from the nearest state before."""

from typing import Any

import torch
from torch import Tensor

from ..problem import Facts
from ..state import State, choose

__all__ = ["Walk"]

_SETTLE = 3  # iterations at the last level before the first image counts
_EACH = 4  # iterations at each further strength
_LONGEST = 60  # iterations at the last level of answers that have to be there


class Walk:
    """States of a solve of data ``y`` along strengths 2^t, t of each sample (B,); the first is t = 0.

    Args:
        solver: a method with a fixed point.
        state: before the first iteration.
        ended: whether each strength is iterated until the solver's tolerance is met (60 and 30 times at most), since a
            comparison needs answers; some iterations do where differences of two walks alike are compared.
    """

    def __init__(self, solver: Any, y: Tensor, facts: Facts, state: State, *, ended: bool = False) -> None:
        self.solver, self.y, self.facts = solver, y, facts
        self.calls, self.ended = 0, ended
        zero = torch.zeros_like(facts.gain)
        self.tried: list[tuple[Tensor, State]] = []
        self._advance(zero, state, max(solver.settled - 1, 0))
        self.begun = self.tried.pop()[1]  # where a solve at strength one would be, and cannot have ended
        self._advance(zero, self.begun, _LONGEST if ended else _SETTLE)

    @property
    def x(self) -> Tensor:
        """Image at the strength that was tried last."""
        return self.tried[-1][1].x

    def at(self, t: Tensor) -> Tensor:
        """Image at strengths 2^t, (B, C, ...)."""
        self._advance(t, self._fresh(self.nearest(t)), _LONGEST // 2 if self.ended else _EACH)
        return self.x

    def nearest(self, t: Tensor) -> State:
        """The state of the strength tried nearest to 2^t, of each sample."""
        at, state = self.tried[0]
        for other, found in self.tried[1:]:
            closer = (other - t).abs() < (at - t).abs()
            at = torch.where(closer, other, at)
            state = _either(closer, found, state)
        return state

    def onward(self, t: Tensor) -> State:
        """Where a solve at 2^t continues: for t = 0 as if nothing else had been tried."""
        state, begun = self.nearest(t), self.begun
        fresh = self._fresh(state)
        return _either(t != 0, fresh, begun)

    @staticmethod
    def _fresh(state: State) -> State:
        """Without what a state knows of a residual that a new strength changes."""
        never = torch.full_like(state.residual, float("inf"))
        ones = torch.ones_like(state.pace)
        return state._replace(residual=never, pace=ones, lowest=never, waited=0 * ones)

    def _advance(self, t: Tensor, state: State, count: int) -> None:
        facts = self.facts._replace(strength=torch.exp2(t))
        problem = self.solver.problem(self.y, facts)
        going = torch.ones_like(t, dtype=torch.bool)
        for _ in range(count):
            new = self.solver.advance(problem, state, problem.levels(state.step))
            state = _either(going, new, state)._replace(step=new.step)
            self.calls += 1
            if self.ended and new.step >= self.solver.settled:
                going = going & ~(new.residual <= self.solver.stop.tolerance)
                if not bool(going.any()):
                    break
        self.tried.append((t, state))


def _either(condition: Tensor, a: State, b: State) -> State:
    """Samples of ``a`` where the condition (B,) holds, else those of ``b``, of the same data."""
    names = ("values", "residual", "pace", "lowest", "waited")
    ours, theirs = (tuple(getattr(state, name) for name in names) for state in (a, b))
    kept = choose(condition, ours, theirs)
    return b._replace(**dict(zip(names, kept, strict=True)))
