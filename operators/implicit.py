"""Linear maps and linear solves as nodes of a graph, whose derivatives are told instead of recorded."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .modes import in_dual_level, uncompiled

__all__ = ["implicit_solve", "linear_map"]

Map = Callable[[Tensor], Tensor]
Solve = Callable[[Tensor, Tensor | None], Tensor]  # right-hand side, start

_NO_CONSTANTS = "this linear map has no derivative by the operator's constants, only by its argument"


class _LinearMap(torch.autograd.Function):
    """A linear function and its adjoint, each the derivative of the other, to any order."""

    @staticmethod
    def forward(x: Tensor, function: Map, adjoint: Map, *constants: Tensor) -> Tensor:
        return function(x.detach())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.pair = inputs[1:3]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        if any(ctx.needs_input_grad[3:]):
            raise RuntimeError(_NO_CONSTANTS)
        function, adjoint = ctx.pair
        return linear_map(gradients[0], adjoint, function), *(None for _ in ctx.needs_input_grad[1:])

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *others: Any) -> Tensor:
        if any(other is not None for other in others):
            raise RuntimeError(_NO_CONSTANTS)
        return linear_map(tangent, *ctx.pair)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, *rest: Any) -> tuple[Tensor, int]:
        if any(axis is not None for axis in in_dims[3:]):
            raise RuntimeError("torch.func.vmap goes over the argument of this linear map, not over its constants")
        return torch.stack([_LinearMap.apply(one, *rest) for one in x.movedim(in_dims[0], 0)]), 0


def linear_map(x: Tensor, function: Map, adjoint: Map, *constants: Tensor) -> Tensor:
    """``function(x)`` for a linear function whose derivative is told, its ``adjoint`` for the real inner product; a
    derivative by the ``constants`` that it depends on is an error.

    >>> x = torch.ones(2, requires_grad=True)
    >>> linear_map(x, lambda v: 3 * v, lambda g: 3 * g).sum().backward()
    >>> x.grad.tolist()
    [3.0, 3.0]
    """
    return uncompiled(_LinearMap.apply, x, function, adjoint, *constants)


class _SecondDerivative(torch.autograd.Function):
    """Identity on a gradient; raises when it is differentiated again, instead of giving a wrong number."""

    generate_vmap_rule = True

    @staticmethod
    def forward(gradient: Tensor, *sources: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(
            "second derivative through solve_normal / prox_l2: its gradient is implicit and of first order only; "
            "unroll the iterations (operators.linalg.cg is differentiable) where you need it"
        )

    jvp = backward


class _Correction(torch.autograd.Function):
    """Value 0; derivative that of ``solve(residual)`` for a self-adjoint ``solve``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(residual: Tensor, solve: Solve) -> Tensor:
        return torch.zeros_like(residual)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        residual, ctx.solve = inputs
        ctx.save_for_backward(residual)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (residual,) = ctx.saved_tensors
        with torch.no_grad():
            gradient = ctx.solve(gradients[0], None)
        if torch.is_grad_enabled():
            gradient = _SecondDerivative.apply(gradient, residual, gradients[0])
        return gradient, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        with torch.no_grad():
            return ctx.solve(tangent, None)


def implicit_solve(matrix: Map, b: Tensor, solve: Solve, *, x0: Tensor | None = None) -> Tensor:
    r"""``solve(b, x0)`` for the self-adjoint ``matrix`` M, with the first derivatives of :math:`M^{-1} b`.

    .. math:: dx = M^{-1} (db - dM\,x)

    with respect to ``b`` and everything that M depends on, at the price of one more solve and no stored iterations,
    in reverse and in forward mode. A second derivative raises RuntimeError.
    """
    with torch.no_grad():
        x = solve(b, x0).detach()
    if not (torch.is_grad_enabled() or in_dual_level()):
        return x
    residual = b - matrix(x)
    return x + _Correction.apply(residual, solve) if residual.requires_grad or in_dual_level() else x
