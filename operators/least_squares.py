"""Least squares of noisy data, which end before they fit the noise."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .base import LinearOperator
from .linalg import column, default_rtol, dot
from .modes import exact
from .shapes import check_batch

__all__ = ["LeastSquares", "least_squares"]


class LeastSquares(NamedTuple):
    """An answer of :func:`least_squares`, per sample.

    Attributes:
        x: images (B, *in_shape).
        iterations: how many each sample took, (B,).
        misfit: root mean square of A x - y over the measured data, per real component, (B,).
        reasons: why each ended: ``"discrepancy"``, ``"converged"`` or ``"max_iter"``.
    """

    x: Tensor
    iterations: Tensor
    misfit: Tensor
    reasons: list[str]


def least_squares(
    op: LinearOperator,
    y: Tensor,
    *,
    noise_std: float | Tensor | None = None,
    max_iter: int = 500,
    rtol: float | None = None,
) -> LeastSquares:
    r"""Least squares by conjugate gradients from zero, ended by the discrepancy principle:

    .. math:: \|A x - y\|^2 \le M \sigma_n^2

    with M the number of measured real data. Iterates fit large singular values first, so that the first one that fits
    the data as well as their noise allows has little of it. Without ``noise_std`` it ends as ``op.A_dagger`` does,
    where the gradient vanishes, and fits the noise of ill-conditioned operators, too.

    Args:
        noise_std: standard deviation per real component in the units of y, a number or (B,).
        max_iter: bound of the iterations; a small one regularises, too.
        rtol: relative size of the gradient at which there is nothing more to fit.

    Raises:
        TypeError, ValueError: ``op``, ``y``, ``noise_std`` or ``max_iter`` does not fit.

    Morozov 1966, Soviet Math. Dokl. 7, 414; Hanke 1995, Conjugate Gradient Type Methods for Ill-Posed Problems,
    doi:10.1201/9781315140193.

    >>> from operators.image.mask import Identity
    >>> found = least_squares(Identity((8, 8)), torch.ones(1, 1, 8, 8), noise_std=0.1)
    >>> found.iterations.tolist(), found.reasons
    ([1], ['discrepancy'])
    """
    if not isinstance(op, LinearOperator):
        raise TypeError(f"op: expected a LinearOperator, got {type(op).__name__}; see operators.as_operator")
    check_batch("y", y, op.out_shape, op.out_dtype.is_complex)
    if not isinstance(max_iter, int) or max_iter < 1:
        raise ValueError(f"max_iter: expected at least one iteration, got {max_iter!r}")
    if rtol is not None and not (isinstance(rtol, int | float) and rtol >= 0):
        raise ValueError(f"rtol: expected a number >= 0, got {rtol!r}")
    if not bool(torch.isfinite(y).all()):
        raise ValueError("y: holds NaN or infinite values")
    measured = op.measured
    r = y if measured is None else torch.where(measured, y, torch.zeros_like(y))
    count = _count(measured, y)
    goal = _deviations(noise_std, y) * count.sqrt()  # negative: none
    with exact(y):
        x, iterations, stopped = _iterate(op, r, goal, max_iter, default_rtol(y.dtype) if rtol is None else rtol)
        rest = op.A(x) - y
    rest = rest if measured is None else torch.where(measured, rest, torch.zeros_like(rest))
    misfit = _norm(rest) / count.sqrt()
    return LeastSquares(x, iterations, misfit, stopped)


def _iterate(op: LinearOperator, r: Tensor, goal: Tensor, max_iter: int, rtol: float) -> tuple[Tensor, Tensor, list]:
    """Conjugate gradients on the normal equations; samples that end are not touched any more."""
    unit = _norm(r)
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    r, goal = r / column(unit, r), goal / unit  # no square leaves the range of the precision
    s = p = op.A_adjoint(r)
    x, size = torch.zeros_like(s), dot(s, s)
    first, iterations = size, torch.zeros(len(r), dtype=torch.long, device=r.device)
    reasons = [""] * len(r)
    for step in range(max_iter + 1):
        fits, flat = dot(r, r).sqrt() <= goal, size <= rtol**2 * first
        for b in range(len(r)):
            if not reasons[b]:
                reasons[b] = "discrepancy" if fits[b] else "converged" if flat[b] else ""
        going = torch.tensor([not reason for reason in reasons], device=r.device)
        if step == max_iter or not bool(going.any()):
            break
        ap = op.A(p)
        power = dot(ap, ap)
        alpha = torch.where(going & (power > 0), size / torch.where(power > 0, power, torch.ones_like(power)), 0.0)
        x, r = x + column(alpha, x) * p, r - column(alpha, r) * ap
        s = op.A_adjoint(r)
        new = dot(s, s)
        p = s + column(new / torch.where(size > 0, size, torch.ones_like(size)), p) * p
        size, iterations = torch.where(going, new, size), iterations + going
    return column(unit, x) * x, iterations, [reason or "max_iter" for reason in reasons]


def _norm(v: Tensor) -> Tensor:
    """Of each sample, (B,), whatever its unit."""
    size = v.detach().abs().flatten(1).amax(1)
    size = torch.where(size > 0, size, torch.ones_like(size))
    v = v / column(size, v)
    return size * dot(v, v).sqrt()


def _count(measured: Tensor | None, y: Tensor) -> Tensor:
    """Number of measured real data of each sample, (B,)."""
    parts = 2 if y.is_complex() else 1
    if measured is None:
        return torch.full((len(y),), parts * math.prod(y.shape[1:]), dtype=y.real.dtype, device=y.device)
    return parts * measured.expand(len(y), *y.shape[1:]).flatten(1).sum(1).to(y.real.dtype)


def _deviations(noise_std: Any, y: Tensor) -> Tensor:
    if noise_std is None:
        return torch.full((len(y),), -1.0, dtype=y.real.dtype, device=y.device)
    try:
        std = torch.as_tensor(noise_std, dtype=y.real.dtype, device=y.device).flatten()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"noise_std: expected a number or (B,) numbers, got {noise_std!r}") from error
    if len(std) not in (1, len(y)) or not bool(((std >= 0) & torch.isfinite(std)).all()):
        raise ValueError(f"noise_std: expected finite values >= 0, one or {len(y)}, got {std.tolist()}")
    return std.expand(len(y))
