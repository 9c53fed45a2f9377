"""Linear algebra of batches: real inner products, conjugate gradients without units, implicit derivatives."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .modes import anywhere, in_dual_level, uncompiled

__all__ = ["CGInfo", "cg", "cg_reports", "column", "default_rtol", "dot", "implicit_solve", "linear_map", "power_norm"]

Map = Callable[[Tensor], Tensor]
Solve = Callable[[Tensor, Tensor | None], Tensor]  # right-hand side, start

_AT_ONCE = 2**18  # values of a product: volumes go in parts


class CGInfo(NamedTuple):
    """How a CG run ended, per sample: iterations (B,) and relative residual (B,)."""

    iterations: Tensor
    residual: Tensor


_listening: list[list["CGInfo"]] = []


@contextlib.contextmanager
def cg_reports() -> Iterator[list["CGInfo"]]:
    """What every run of :func:`cg` within says of itself, in a list that grows with them.

    >>> with cg_reports() as reports:
    ...     _ = cg(lambda v: 2 * v, torch.ones(1, 3))
    >>> len(reports)
    1
    """
    found: list[CGInfo] = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening.remove(found)


def dot(a: Tensor, b: Tensor) -> Tensor:
    r"""Real inner product of each sample, :math:`\mathrm{Re} \sum a \bar b` over all axes but the first -> (B,).

    >>> dot(torch.tensor([[1j, 2.0]]), torch.tensor([[1j, 1.0]])).tolist()
    [3.0]
    """
    a, b = a.flatten(1), b.flatten(1)
    if a.shape[1] > _AT_ONCE:
        return torch.stack([dot(*some) for some in zip(a.split(_AT_ONCE, 1), b.split(_AT_ONCE, 1))]).sum(0)
    if a.is_complex() or b.is_complex():
        return (a * b.conj()).real.sum(1)
    return (a * b).sum(1)


def column(value: float | Tensor, like: Tensor) -> Tensor:
    """A number or one value per sample, (B,), shaped to broadcast against the batch ``like``.

    >>> column(2.0, torch.zeros(3, 1, 4, 4)).shape
    torch.Size([3, 1, 1, 1])
    """
    v = torch.as_tensor(value, dtype=like.real.dtype, device=like.device).reshape(-1)
    if v.numel() not in (1, like.shape[0]):
        raise ValueError(f"expected one value or {like.shape[0]} (one per sample), got {v.numel()}")
    return v.expand(like.shape[0]).reshape(-1, *[1] * (like.ndim - 1))


def default_rtol(dtype: torch.dtype) -> float:
    """Relative residual that CG works to where none is given: 1e-6 in single, 1e-10 in double precision."""
    return 1e-10 if dtype in (torch.float64, torch.complex128) else 1e-6


def cg(
    apply: Map,
    b: Tensor,
    *,
    x0: Tensor | None = None,
    rtol: float | None = None,
    max_iter: int = 500,
    precond: Map | None = None,
) -> tuple[Tensor, CGInfo]:
    r"""Conjugate gradients for :math:`M x = b`, M self-adjoint and positive semi-definite, per sample.

    A sample stops once :math:`\|b - Mx\| \le \mathrm{rtol}\,\|b\|` and is not touched any more, so a batch gives what
    its samples give one by one; where ``rtol`` is out of reach it has the iterate of the least residual. There is no
    absolute tolerance: c b gives c x for every scale c; b = 0 gives x = 0.

    Args:
        apply: M, on batches.
        b: right-hand side (B, ...), real or complex.
        x0: start, such as the solution of a similar system; zero by default.
        rtol: relative residual; default :func:`default_rtol`.
        max_iter: bound of the number of iterations.
        precond: approximate inverse of M, self-adjoint and positive.

    Hestenes, Stiefel 1952, doi:10.6028/jres.049.044.

    >>> x, info = cg(lambda v: 2 * v, torch.ones(1, 3))
    >>> x.tolist(), info.iterations.tolist()
    ([[0.5, 0.5, 0.5]], [1])
    """
    rtol = default_rtol(b.dtype) if rtol is None else rtol
    size = b.detach().flatten(1).abs().amax(1)
    nonzero = size > 0
    scale = column(torch.where(nonzero, size, torch.ones_like(size)), b)  # keeps squares within range
    b = b / scale
    if x0 is None:
        x, r = torch.zeros_like(b), b
    else:
        x = torch.where(column(nonzero.to(b.real.dtype), b) > 0, x0 / scale, torch.zeros_like(b))
        r = b - apply(x)
    goal = rtol * dot(b, b).sqrt()
    z = r if precond is None else precond(r)
    p, rz = z, dot(r, z)
    iterations = torch.zeros_like(size, dtype=torch.long)
    best, least = x, dot(r, r).detach()
    for _ in range(max_iter):
        active = (dot(r, r).sqrt() > goal) & nonzero
        if not anywhere(active):
            break
        mp = apply(p)
        curvature = dot(p, mp)
        active = active & (curvature > 0)
        if not anywhere(active):
            break
        alpha = torch.where(active, rz / torch.where(active, curvature, torch.ones_like(curvature)), 0.0)
        x = x + column(alpha, x) * p
        r = r - column(alpha, r) * mp
        z = r if precond is None else precond(r)
        rz_new = dot(r, z)
        beta = torch.where(active, rz_new / torch.where(rz > 0, rz, torch.ones_like(rz)), 0.0)
        p, rz = z + column(beta, p) * p, rz_new
        iterations = iterations + active
        square = dot(r, r).detach()
        better = square < least  # below what rounding allows it wanders off again
        best = torch.where(column(better, x) > 0, x, best)
        least = torch.where(better, square, least)
    norm = dot(b, b).sqrt()
    residual = least.sqrt() / torch.where(nonzero, norm, torch.ones_like(norm))
    info = CGInfo(iterations, residual.detach())
    for reports in _listening:
        reports.append(info)
    return best * scale, info


def power_norm(normal: Map, x: Tensor, *, max_iter: int = 100, rtol: float = 1e-6) -> float:
    r"""Largest singular value :math:`\|A\|_2` by Lanczos steps on :math:`A^* A` from the start ``x``, not zero.

    Infinite where its square leaves the range of the precision.
    The largest of the batch, should A hold constants with a batch axis. It approaches from below: as accurate as the
    power iteration that its name remembers, in a fraction of the steps. Lanczos 1950, doi:10.6028/jres.045.026.

    >>> round(power_norm(lambda v: 9 * v, torch.ones(1, 2)), 4)
    3.0
    """
    v, old, beta, top = x / column(dot(x, x).sqrt(), x), torch.zeros_like(x), torch.zeros(1), 0.0
    diagonal: list[Tensor] = []
    off: list[Tensor] = []
    for _ in range(max_iter):
        w = normal(v)
        alpha = dot(v, w)
        w = w - column(alpha, w) * v - column(beta, w) * old
        if not bool(torch.isfinite(alpha).all()):  # squares beyond the range of the precision
            return float("inf")
        diagonal.append(alpha.double())
        size = len(diagonal)
        small = torch.diag_embed(torch.stack(torch.broadcast_tensors(*diagonal), -1))
        if off:
            side = torch.stack(torch.broadcast_tensors(*off), -1)
            small = small + torch.diag_embed(side, 1) + torch.diag_embed(side, -1)
        new = float(torch.linalg.eigvalsh(small).max())
        beta = dot(w, w).sqrt()
        # an exhausted Krylov space, or no news from one more step
        if float(beta.max()) <= torch.finfo(beta.dtype).eps * new or (size > 2 and new - top <= rtol * new):
            top = new
            break
        top, old, v = new, v, w / column(torch.where(beta > 0, beta, torch.ones_like(beta)), w)
        off.append(beta.double())
    return max(top, 0.0) ** 0.5


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
