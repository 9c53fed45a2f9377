"""Data that are left out of a reconstruction, and how well it predicts them."""

import math
from typing import Any

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.compose import Compose, Weighted
from operators.nonlinear import Operator

from ..likelihood import Gaussian, Likelihood
from ..problem import rough_estimate
from ..state import State
from .criteria import Criterion, measured_of
from .walk import Walk

__all__ = ["Holdout", "held_out", "held_out_twice", "without"]

_SHARE = 0.05
_BLOCK = 16  # neighbours along data without rows
_GROUPS = 16
_TRIES = 16  # to find data that are not left out already
_ENOUGH = 600  # data: of these a share is hardly ever less than the groups, wherever it is drawn
_FURTHER = 0.75  # of a solve: the third one is that of all data


def held_out(op: Operator, y: Tensor, seed: int = 0) -> Tensor:
    """Which data to leave out, booleans (1, *out_shape), about 5 % of what is measured and the same for all channels:
    whole views of tomography, blocks of neighbours of visibilities and other data in rows, single pixels or k-space
    samples else.

    Raises:
        ValueError: the data are too few.
    """
    shape = tuple(op.out_shape)
    generator = torch.Generator().manual_seed(seed + 77)
    if op.field == "ct" and len(shape) >= 2:
        views = shape[-2]
        count = max(1, round(_SHARE * views))
        first = float(torch.rand((), generator=generator, device="cpu"))
        chosen = torch.zeros(views, 1, dtype=torch.bool, device="cpu")
        chosen[[int((i + first) * views / count) for i in range(count)]] = True
    elif len(shape) <= 2:
        count = math.prod(shape[-1:])
        order = torch.rand(-(-count // _BLOCK), generator=generator, device="cpu").argsort()
        blocks = torch.zeros(len(order), dtype=torch.bool, device="cpu")
        blocks[order[: max(1, round(_SHARE * len(order)))]] = True  # as many for any seed, of few data, too
        chosen = blocks.repeat_interleave(_BLOCK)[:count]
    else:
        chosen = torch.rand(shape[1:], generator=generator, device="cpu") < _SHARE
    out = chosen.to(y.device).expand(1, *shape)
    measured = measured_of(op, y[:1])
    left = int((measured & out).sum())
    if left < _GROUPS:
        raise ValueError(
            f"y: too few data to leave some out, {tuple(shape)}; give the strength as a number: of "
            f"{int(measured.sum())} that are measured {left} would be left out, expected at least {_GROUPS}; {_ENOUGH} "
            "are always enough"
        )
    return out


def held_out_twice(op: Operator, y: Tensor, known: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Two choices of :func:`held_out` among the ``known`` data, of which neither is all of the other; few views of CT
    are drawn again until they differ.

    Raises:
        ValueError: the data are too few.
    """
    try:
        first = held_out(op, y, seed).to(y.device)
        for k in range(1, _TRIES):
            second = held_out(op, y, seed + k).to(y.device)
            if all(bool((known * part).any()) for part in (first & ~second, ~(first | second))):
                return first, second
    except ValueError as error:
        words = str(error).replace("; give the strength as a number", "")
        raise ValueError(f"{words}; adapting leaves as many out twice") from error
    raise ValueError(f"y: too few data to leave some out twice, {tuple(y.shape)}: CT takes at least four views")


class _Masked(Operator):
    """Data of any operator, zero where they are left out."""

    keep: Tensor

    def __init__(self, keep: Tensor, op: Operator) -> None:
        super().__init__()
        self.register_buffer("keep", keep, persistent=False)
        self.inner: Operator = op
        self.in_shape, self.out_shape = op.in_shape, op.out_shape
        self.in_dtype, self.out_dtype, self.field = op.in_dtype, op.out_dtype, op.field

    def A(self, x: Tensor) -> Tensor:
        return self.keep * self.inner.A(x)

    def linearised(self, x: Tensor) -> LinearOperator:
        return masked(self.keep, self.inner.linearised(x))

    def first_image(self, y: Tensor) -> Tensor:
        return self.inner.first_image(y)


def masked(keep: Tensor, op: Any) -> Any:
    """``op`` whose data are zero where ``keep`` is; weights in front of it are joined: fast normal operators stay."""
    if not isinstance(op, LinearOperator):
        return _Masked(keep, op)
    if isinstance(op, Compose) and isinstance(op.outer, Weighted):
        keep, op = keep * op.outer.weights, op.inner
    return Weighted(keep, shape=tuple(op.out_shape), dtype=op.out_dtype) @ op


def without(likelihood: Likelihood, y: Tensor, out: Tensor) -> tuple[Likelihood, Tensor]:
    """The likelihood and data without those of ``out``."""
    inner = likelihood.measured if isinstance(likelihood, Gaussian) else likelihood.op
    rest = likelihood.with_op(masked((~out).to(y.real.dtype), inner))
    return rest, torch.where(out, likelihood.blank(y), y)


class Holdout(Criterion):
    r"""How unlikely data are that a reconstruction has not seen: the misfit :math:`f(A \hat x, y)` of those left out,
    and how it scatters between sixteen groups of them. For every likelihood, and also under model errors.

    Args:
        out: which data are left out, booleans (1, *out_shape).
        thrifty: whether all further strengths together take less than one solve.
    """

    def __init__(self, solver: Any, y: Tensor, state: State, *, out: Tensor, thrifty: bool = False) -> None:
        likelihood, self.origin = solver.likelihood.with_noise(state.facts.noise_std), state
        self.likelihood, self.y = likelihood, likelihood.given(y)
        rest, data = without(solver.likelihood, y, out)
        other = solver.with_op(rest)
        like = other.problem(data, state.facts)
        facts = state.facts._replace(back=like.fit.adjoint_image())
        op = rest.op
        start = rough_estimate(op, facts.back, facts.gain) if isinstance(op, LinearOperator) else state.x
        begun = other.init(other.problem(data, facts, start=start))
        self.walk = Walk(other, data, facts, state._replace(values=begun, facts=facts), ended=True)
        if thrifty:
            self.left = (_FURTHER * self.walk.spent).floor()
            self.each = (self.left / 2).floor()
        seen = measured_of(likelihood.op, self.y) & out
        number = (seen[:1].flatten().cumsum(0) - 1).clamp_min(0).reshape(seen[:1].shape)
        total = int(seen[:1].sum())
        self.groups = [seen & (number * _GROUPS // total == g) for g in range(_GROUPS)]
        self.start = likelihood.op.A(self.walk.x)

    @property
    def calls(self) -> int:
        """Of the denoiser, for each sample."""
        return self.walk.calls

    def state(self, t: Tensor) -> State:
        """Where a solve of all data begins: at its beginning."""
        return self.origin

    def misfit_from(self, start: Tensor) -> Tensor:
        """Of the groups, less that of data ``start``, (B, groups)."""
        v, value = self.likelihood.op.A(self.walk.x), self.likelihood.value
        return torch.stack([value(torch.where(g, v, start), self.y) - value(start, self.y) for g in self.groups], 1)

    def __call__(self, t: Tensor, half: Tensor | None = None) -> tuple[Tensor, Tensor]:
        self._tried(self.walk, t, half)
        each = self.misfit_from(self.start)
        return each.sum(1), each.std(1) * _GROUPS**0.5
