"""Which of the usual mistakes explains data that do not fit."""

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.doubts import Doubt
from operators.linalg import dot

from ..problem import data_gain, rough_estimate

__all__ = ["explain"]

_BETTER = 0.35
_ALIKE = 0.8


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
