"""A solve at one strength after another, each from the nearest state before."""

from typing import Any

import torch
from torch import Tensor

from ..problem import Facts
from ..state import State, blend, choose, distance

__all__ = ["Walk"]

_LONGEST = 60  # iterations at the last level, if so many do not converge
_STEP, _ANSWER = 8, 30  # at a further strength
_LEFT, _STILL = 0.08, 0.02  # the last change over all of them, and over the tolerance, that end a step


class Walk:
    """States of a solve of data ``y`` along strengths 2^t, t of each sample (B,); the first is t = 0.

    At t = 0 iterations end where those of a solve do. At further strengths they end where the last one has changed less
    than 0.08 of what all of them have: differences between two walks alike need no more.

    Args:
        solver: a method with a fixed point.
        state: before the first iteration.
        most: iterations at t = 0, (B,).
        ended: whether further strengths, too, are iterated until the solver's tolerance is met (30 times at most),
            where answers themselves are compared.
    """

    def __init__(
        self, solver: Any, y: Tensor, facts: Facts, state: State, *, most: Tensor | None = None, ended: bool = False
    ) -> None:
        self.solver, self.y, self.facts = solver, y, facts
        self.calls, self.ended = 0, ended
        one, settled, begin = torch.zeros_like(facts.gain), solver.settled, state.step
        problem = self._problem(one)
        for _ in range(max(settled - 1, 0)):
            state = self._next(problem, state)
        first = last = state
        going, ends = torch.ones_like(one, dtype=torch.bool), torch.zeros_like(one)
        if most is None:
            most = torch.full_like(one, min(settled + _LONGEST, solver.stop.max_iter))
        for _ in range(max(int(most.max()) - (state.step - begin), 1)):
            new = self._next(problem, state)
            last, ends = _either(going, state, last)._replace(step=state.step), torch.where(going, state.step, ends)
            state = _either(going, new, state)._replace(step=new.step)
            ended_now = (new.residual <= solver.stop.tolerance) & (new.step >= settled)
            going = going & ~ended_now & (new.step - begin < most)
            if not bool(going.any()):
                break
        self.tried: list[tuple[Tensor, State]] = [(one, state)]
        self.spent = ends + 1 - begin  # calls of the denoiser by each sample, (B,)
        # where a solve at t = 0 makes its last iteration; of a batch in which one sample ends at once, where all begin
        unknown = torch.full_like(last.residual, float("inf"))
        last = last._replace(residual=torch.where(ends <= settled, unknown, last.residual))
        self.begun = first if bool((ends == first.step).any()) else last

    @property
    def x(self) -> Tensor:
        """Image at the strength that was tried last."""
        return self.tried[-1][1].x

    def at(self, t: Tensor, most: Tensor | None = None, half: Tensor | None = None) -> Tensor:
        """Image at strengths 2^t after at most ``most`` iterations (B,); that half way between those at one and at 2^2t
        of samples where ``half``, without an iteration."""
        problem, state = self._problem(t), self._fresh(self.nearest(t))
        longest = torch.full_like(t, _ANSWER if self.ended else _STEP)
        longest = longest if most is None else torch.minimum(longest, most)
        if half is not None and bool(half.any()):
            state = _either(half, self._between(t, 2 * t), state)
            longest = torch.where(half, 0, longest)
        begun, tolerance, going = self._point(problem, state), self.solver.stop.tolerance, longest > 0
        for k in range(1, int(longest.max()) + 1):
            new = self._next(problem, state)
            state = _either(going, new, state)._replace(step=new.step)
            self.spent = self.spent + going
            enough = torch.full_like(t, tolerance)
            if not self.ended:
                moved = distance(begun, self._point(problem, state), problem.unit)
                enough = torch.maximum(_LEFT * moved, _STILL * enough)
            going = going & ~(new.residual <= enough) & (k < longest)
            if not bool(going.any()):
                break
        self.tried.append((t, state))
        return self.x

    def nearest(self, t: Tensor) -> State:
        """The state of the strength tried nearest to 2^t, of each sample."""
        return self._nearest(t)[1]

    def _nearest(self, t: Tensor) -> tuple[Tensor, State]:
        at, state = self.tried[0]
        for other, found in self.tried[1:]:
            closer = (other - t).abs() < (at - t).abs()
            at = torch.where(closer, other, at)
            state = _either(closer, found, state)
        return at, state

    def onward(self, t: Tensor) -> State:
        """Where a solve at 2^t continues: for t = 0 as if nothing else had been tried."""
        return _either(t != 0, self._between(t, t), self.begun)

    def _between(self, t: Tensor, far: Tensor) -> State:
        """Of the way from one to the strength tried nearest to 2^far as much as leads to 2^t."""
        at, near = self._nearest(far)
        share = torch.where(at != 0, t / torch.where(at != 0, at, 1), 1).clamp(max=1)
        return self._fresh(near._replace(values=blend(share, self.tried[0][1].values, near.values)))

    @staticmethod
    def _fresh(state: State) -> State:
        """Without what a state knows of a residual that a new strength changes."""
        never = torch.full_like(state.residual, float("inf"))
        ones = torch.ones_like(state.pace)
        return state._replace(residual=never, pace=ones, lowest=never, waited=0 * ones)

    def _problem(self, t: Tensor) -> Any:
        return self.solver.problem(self.y, self.facts._replace(strength=torch.exp2(t)))

    def _point(self, problem: Any, state: State) -> tuple[Tensor, ...]:
        return self.solver.point(problem, state.values, problem.levels(state.step))

    def _next(self, problem: Any, state: State) -> State:
        self.calls += 1
        return self.solver.advance(problem, state, problem.levels(state.step))


def _either(condition: Tensor, a: State, b: State) -> State:
    """Samples of ``a`` where the condition (B,) holds, else those of ``b``, of the same data."""
    names = ("values", "residual", "pace", "lowest", "waited")
    ours, theirs = (tuple(getattr(state, name) for name in names) for state in (a, b))
    kept = choose(condition, ours, theirs)
    return b._replace(**dict(zip(names, kept, strict=True)))
