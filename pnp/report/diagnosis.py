"""Which of the usual mistakes explains data that do not fit."""

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.doubts import Doubt
from operators.linalg import dot

from ..problem import data_gain, rough_estimate

__all__ = ["adjoint_doubt", "explain"]

_BETTER = 0.35
_ALIKE = 0.8
_OFF, _ROUNDING = 0.02, 1e-5
_AT_ONCE = 2**18  # values: volumes go in parts


@torch.no_grad()
def explain(op: LinearOperator, y: Tensor) -> Doubt | None:
    r"""The mistake among ``op.variants(y)`` without which data fit far better, if there is one.

    Compared by what smooth least squares leave of the data's energy,
    :math:`\min_x \|Ax - y\|^2 + \mu \|\nabla x\|^2`; the first of those that fit alike.
    """
    best, least = None, 1.0
    before = None
    for doubt, other, data in op.variants(y):
        if before is None:
            before = _left(op, y)
        left = _left(other, data) / max(before, 1e-30)
        if left < min(_BETTER, _ALIKE * least):
            best, least = doubt, left
    if best is None:
        return None
    return best._replace(words=f"{best.words}; what no image explains falls to {100 * least:.2g} % of what it is")


def _left(op: LinearOperator, y: Tensor) -> float:
    back = op.A_adjoint(y)
    x = rough_estimate(op, back, data_gain(op, back))
    rest = y - op.A(x)
    return float((dot(rest, rest) / dot(y, y).clamp_min(1e-30)).mean())


@torch.no_grad()
def adjoint_doubt(op: LinearOperator, y: Tensor, back: Tensor) -> Doubt | None:
    r"""Whether ``back`` is :math:`A^* y`: for an image s of random signs
    :math:`\langle A^* y, s \rangle = \langle y, A s \rangle`, else by about the norm of the error."""
    signs = torch.randint(2, back.shape[1:], generator=torch.Generator().manual_seed(1), device="cpu") * 2 - 1
    s = signs.to(back).expand_as(back)
    seen = op.A(s)
    off, size = (_product(back, s) - _product(y, seen)).abs(), _product(back, back).sqrt()
    wrong = off > _OFF * size + _ROUNDING * (_product(y, y) * _product(seen, seen)).sqrt()
    if not bool(wrong.any()):
        return None
    share = float((off / size.clamp_min(torch.finfo(size.dtype).tiny)).max())
    words = f"A_adjoint is not the adjoint of A, it is off by about {100 * share:.2g} %: operators.check(op) tells more"
    return Doubt("adjoint", f"{words}; without an A_adjoint of its own an operator in torch has the right one")


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Real inner product of each sample, (B,), in double precision, in whatever unit."""
    pairs = zip(*(v.flatten(1).split(_AT_ONCE, 1) for v in (a, b)), strict=True)
    return torch.stack([dot(*(v.to(torch.promote_types(v.dtype, torch.float64)) for v in pair)) for pair in pairs]).sum(
        0
    )
