"""The largest eigenvalue of a linear map of batches, by Arnoldi's method."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from operators.linalg import dot

from ..streams import normal

__all__ = ["Top", "largest"]


class Top(NamedTuple):
    """The largest eigenvalue of each sample, complex (B,), its vector (B, N) (real part), the residual
    ‖Mv - θv‖ of the pair (B,), and how many products it took (B,)."""

    value: Tensor
    vector: Tensor
    residual: Tensor
    products: Tensor


@torch.no_grad()
def largest(product: Callable[[Tensor], Tensor], like: Tensor, *, steps: int, rtol: float, symmetric: bool) -> Top:
    r"""Eigenvalue of largest modulus of a linear map of vectors (B, N), each sample a map of its own.

    Arnoldi's method from a numbered random start: the eigenvalue of M restricted to
    :math:`v, Mv, M^2 v, \ldots` that is the largest, until :math:`\|Mu - \theta u\| \le \mathrm{rtol}\, |\theta|`. For
    symmetric maps it lies below the largest one. Each sample ends by itself, so that a batch gives what its samples
    give.

    Arnoldi 1951, doi:10.1090/qam/42792.

    >>> top = largest(lambda v: v * torch.tensor([3.0, -1.0]), torch.zeros(1, 2), steps=5, rtol=1e-6, symmetric=True)
    >>> round(top.value.real.item(), 4)
    3.0
    """
    start = normal(like, 0, 0)
    basis = [start / dot(start, start).sqrt()[:, None]]
    batch, steps = len(like), min(steps, like.shape[1])
    table = torch.zeros(batch, steps + 1, steps, dtype=torch.float64, device="cpu")
    zeros = torch.zeros(batch, dtype=torch.float64, device="cpu")
    best = Top(zeros + 0j, torch.zeros_like(like), zeros, torch.zeros(batch, dtype=torch.long, device="cpu"))
    going = torch.ones(batch, dtype=torch.bool, device="cpu")
    for k in range(steps):
        w = product(basis[-1])
        known = torch.stack(basis, 1)
        for _ in range(2):  # twice is enough: Giraud, Langou, Rozloznik 2005
            shares = torch.einsum("bkn,bn->bk", known, w)
            w = w - torch.einsum("bk,bkn->bn", shares, known)
            table[:, : k + 1, k] += shares.double().cpu()
        size = dot(w, w).sqrt()
        table[:, k + 1, k] = size.double().cpu()
        now = _top(table[:, : k + 1, : k + 1], table[:, k + 1, k], known, symmetric=symmetric)
        new = going.to(like.device)
        best = Top(
            torch.where(going, now.value, best.value), torch.where(new[:, None], now.vector, best.vector),
            torch.where(going, now.residual, best.residual), best.products + going,
        )  # fmt: skip
        floor = 10 * torch.finfo(like.dtype).eps * table[:, : k + 1, : k + 1].abs().amax((1, 2))
        going = going & (now.residual > rtol * now.value.abs()) & (table[:, k + 1, k] > floor)
        if not bool(going.any()):
            break
        basis.append(w / torch.where(size > 0, size, torch.ones_like(size))[:, None])
    return best


def _top(small: Tensor, after: Tensor, basis: Tensor, *, symmetric: bool) -> Top:
    """The largest Ritz pair of each sample."""
    if symmetric:
        values, vectors = torch.linalg.eigh((small + small.mT) / 2)
        values, vectors = values + 0j, vectors + 0j
        place = values.real.argmax(1)
    else:
        values, vectors = torch.linalg.eig(small)
        place = values.abs().argmax(1)
    each = torch.arange(len(small), device="cpu")
    value, y = values[each, place], vectors[each, :, place]
    real = torch.where((y.real.norm(dim=1) > 0)[:, None], y.real, y.imag).to(basis)
    return Top(value, torch.einsum("bk,bkn->bn", real, basis), after * y[:, -1].abs(), torch.zeros(0, device="cpu"))
