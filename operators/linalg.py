"""Linear algebra of batches: real inner products, conjugate gradients without units, norms."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from .modes import anywhere

__all__ = [
    "CGInfo",
    "accurate",
    "cg",
    "cg_reports",
    "column",
    "default_rtol",
    "dot",
    "planned",
    "power_norm",
    "power_norms",
    "rough_norms",
]

Map = Callable[[Tensor], Tensor]

_AT_ONCE = 2**18  # values of a product: volumes go in parts


class CGInfo(NamedTuple):
    """How a CG run ended, per sample: iterations (B,), relative residual (B,), and whether it needs more iterations
    than it was allowed by :func:`planned` (B,)."""

    iterations: Tensor
    residual: Tensor
    unfinished: Tensor


_listening: ContextVar[tuple[list["CGInfo"], ...]] = ContextVar("listening", default=())  # each thread has its own
_planned: ContextVar[int | None] = ContextVar("planned", default=None)
_error: ContextVar[tuple[float, float] | None] = ContextVar("error", default=None)
_news: ContextVar[float] = ContextVar("news", default=1e-6)
_LOOK = {"cpu": 1}  # iterations between looks at the residual
_LOOK_ELSEWHERE = 4  # to look is to wait until the device has done all that it was told to


@contextlib.contextmanager
def cg_reports() -> Iterator[list["CGInfo"]]:
    """What every run of :func:`cg` within says of itself, in a list that grows with them.

    >>> with cg_reports() as reports:
    ...     _ = cg(lambda v: 2 * v, torch.ones(1, 3))
    >>> len(reports)
    1
    """
    found: list[CGInfo] = []
    token = _listening.set((*_listening.get(), found))
    try:
        yield found
    finally:
        _listening.reset(token)


@contextlib.contextmanager
def planned(count: int | None) -> Iterator[None]:
    """Runs of :func:`cg` within make ``count`` iterations and never look whether they are done, so that a device need
    not be waited for. What is done is not touched any more: the answer is that of a run that looks, unless this one
    takes more iterations, which it says by ``unfinished``. ``None``: as usual.

    >>> with planned(3):
    ...     x, info = cg(lambda v: 2 * v, torch.ones(1, 3))
    >>> x.tolist(), info.iterations.tolist(), info.unfinished.tolist()
    ([[0.5, 0.5, 0.5]], [1], [False])
    """
    token = _planned.set(count)
    try:
        yield
    finally:
        _planned.reset(token)


@contextlib.contextmanager
def accurate(error: float | None, share: float = 0.0) -> Iterator[None]:
    r"""Runs of :func:`cg` within that have a start go on until :math:`\|b - Mx\| \le \mathrm{error}\,\|x_0\|`, too, as
    far as :func:`default_rtol` allows. Where :math:`M = I + \gamma A^* A` that bounds the error of x, which a residual
    relative to b does not: for large :math:`\gamma` b is much larger than x. ``None``: as usual.

    They end at the latest where the residual, in the norm of the preconditioner, is the ``share`` of what it was at the
    start: that is the answer of the last iteration, and the error then a share of what this one moves (Eckstein, Yao
    2017, doi:10.1007/s10107-017-1160-5).

    >>> def scaled(v):
    ...     return torch.tensor([[1.0, 1e4]]) * v
    >>> b, x0 = torch.tensor([[0.05, 1e4]]), torch.tensor([[0.0, 1.0]])
    >>> cg(scaled, b, x0=x0, rtol=1e-5)[0][0, 0].item()
    0.0
    >>> with accurate(0.01):
    ...     round(cg(scaled, b, x0=x0, rtol=1e-5)[0][0, 0].item(), 4)
    0.05
    """
    token = _error.set(None if error is None else (error, share))
    try:
        yield
    finally:
        _error.reset(token)


def dot(a: Tensor, b: Tensor) -> Tensor:
    r"""Real inner product of each sample, :math:`\mathrm{Re} \sum a \bar b` over all axes but the first -> (B,).

    >>> dot(torch.tensor([[1j, 2.0]]), torch.tensor([[1j, 1.0]])).tolist()
    [3.0]
    """
    a, b = a.flatten(1), b.flatten(1)
    if a.is_complex() and b.is_complex():
        a, b = (torch.view_as_real(v.resolve_conj()).flatten(1) for v in (a, b))
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
    try:
        v = torch.as_tensor(value, dtype=like.real.dtype, device=like.device).reshape(-1)
    except (TypeError, ValueError, RuntimeError) as error:  # torch's own, which depends on what it is
        raise TypeError(f"expected a number or (B,) numbers, got {value!r}") from error
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
    goal, share = rtol * dot(b, b).sqrt(), 0.0
    if x0 is not None and (wanted := _error.get()) is not None:
        error, share = wanted
        bound = torch.maximum(error * dot(x, x).sqrt(), default_rtol(b.dtype) * dot(b, b).sqrt())
        goal = torch.minimum(goal, bound.detach())
    z, rz, square = _measured(r, precond)
    near = share**2 * rz.detach()
    p = z
    going, iterations = nonzero, torch.zeros_like(size, dtype=torch.long)
    best, least = x, square
    count, look = _planned.get(), _LOOK.get(b.device.type, _LOOK_ELSEWHERE)
    for step in range(max_iter if count is None else min(count, max_iter)):
        going = going & (square.sqrt() > goal) & (rz > near)
        if count is None and step % look == 0 and not anywhere(going):
            break
        mp = apply(p)
        curvature = dot(p, mp)
        going = going & (curvature > 0)
        alpha = column(torch.where(going, rz / torch.where(going, curvature, 1.0), 0.0), x)
        x, r = x + alpha * p, r - alpha * mp
        z, rz_new, square = _measured(r, precond)
        beta = torch.where(going, rz_new / torch.where(rz > 0, rz, 1.0), 0.0)
        p, rz = z + column(beta, p) * p, rz_new
        iterations = iterations + going
        better = square < least  # below what rounding allows it wanders off again
        best = torch.where(better.reshape(-1, *[1] * (x.ndim - 1)), x, best)
        least = torch.where(better, square, least)
    norm = dot(b, b).sqrt()
    residual = least.sqrt() / torch.where(nonzero, norm, torch.ones_like(norm))
    short = count is not None and count < max_iter
    unfinished = going & (square.sqrt() > goal) & (rz > near) if short else torch.zeros_like(nonzero)
    info = CGInfo(iterations, residual.detach(), unfinished)
    for reports in _listening.get():
        reports.append(info)
    return best * scale, info


def _measured(r: Tensor, precond: Map | None) -> tuple[Tensor, Tensor, Tensor]:
    """Preconditioned residual z, its product with the residual r, and the square of that."""
    if precond is None:
        square = dot(r, r)
        return r, square, square.detach()
    z = precond(r)
    return z, dot(r, z), dot(r.detach(), r.detach())


@contextlib.contextmanager
def rough_norms() -> Iterator[None]:
    """Runs of :func:`power_norm` within end sooner, about a thousandth short at most: enough for a step size.

    >>> with rough_norms():
    ...     round(power_norm(lambda v: 9 * v, torch.ones(1, 2)), 4)
    3.0
    """
    token = _news.set(1e-4)
    try:
        yield
    finally:
        _news.reset(token)


def power_norm(normal: Map, x: Tensor, *, max_iter: int = 100, rtol: float | None = None) -> float:
    r"""Largest singular value :math:`\|A\|_2` by Lanczos steps on :math:`A^* A` from the start ``x``, not zero.

    They end where one more adds no more than ``rtol``, by default 1e-6, to its square. Infinite where that leaves the
    range of the precision.
    The largest of the batch, should A hold constants with a batch axis: :func:`power_norms` has each. It approaches
    from below: as accurate as the power iteration that its name remembers, in a fraction of the steps. Lanczos 1950,
    doi:10.6028/jres.045.026.

    >>> round(power_norm(lambda v: 9 * v, torch.ones(1, 2)), 4)
    3.0
    """
    return float(power_norms(normal, x, max_iter=max_iter, rtol=rtol).max())


def power_norms(normal: Map, x: Tensor, *, max_iter: int = 100, rtol: float | None = None) -> Tensor:
    """:func:`power_norm` of each sample of the operator's constants, (1 | B,), in double precision.

    >>> power_norms(lambda v: torch.tensor([[4.0], [9.0]]) * v, torch.ones(1, 2).double())
    tensor([2.0000, 3.0000], dtype=torch.float64)
    """
    v, old, beta = x / column(dot(x, x).sqrt(), x), torch.zeros_like(x), torch.zeros(1, device="cpu")
    top = torch.zeros(1, dtype=torch.float64, device=x.device)
    rtol = _news.get() if rtol is None else rtol
    diagonal: list[Tensor] = []
    off: list[Tensor] = []
    for _ in range(max_iter):
        w = normal(v)
        alpha = dot(v, w)
        w = w - column(alpha, w) * v - column(beta, w) * old
        if not bool(torch.isfinite(alpha).all()):  # squares beyond the range of the precision
            return torch.full_like(top, float("inf"))
        diagonal.append(alpha.double())
        size = len(diagonal)
        small = torch.diag_embed(torch.stack(torch.broadcast_tensors(*diagonal), -1))
        if off:
            side = torch.stack(torch.broadcast_tensors(*off), -1)
            small = small + torch.diag_embed(side, 1) + torch.diag_embed(side, -1)
        new = torch.linalg.eigvalsh(small).amax(-1)
        beta = dot(w, w).sqrt()
        # an exhausted Krylov space, or no news from one more step, of each sample
        done = (beta <= torch.finfo(beta.dtype).eps * new) | ((new - top <= rtol * new) & (size > 2))
        top = new
        if bool(done.all()):
            break
        old, v = v, w / column(torch.where(beta > 0, beta, torch.ones_like(beta)), w)
        off.append(beta.double())
    return top.clamp(min=0).sqrt()
