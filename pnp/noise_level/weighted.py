"""Data behind weights that carry noise of their own."""

import torch
from torch import Tensor
from torch.nn import functional as F

from operators.base import LinearOperator
from operators.compose import Compose, Scaled, Weighted
from operators.image.mask import Inpainting

__all__ = ["evenly_weighted"]

_SIDE = 5


def evenly_weighted(op: LinearOperator, y: Tensor) -> Tensor:
    r"""Data (B, ..., H, W) of ``Weighted(w) @ op`` or ``Inpainting(w)``, with the geometric mean of w over 5 x 5
    neighbours in place of w; others as they are.

    Weights that are found from the data scatter with them: counts n have :math:`w = \sqrt n`, and the noise of
    :math:`-\sqrt n \ln(n / I_0)` is :math:`|1 + \tfrac12 \ln(n / I_0)|` instead of one, nothing where the object lets
    14 % through. Where weights vary from one datum to the next, so does the noise of the answer, around that of ``y``.
    """
    while isinstance(op, Scaled):
        op = op.operator
    if isinstance(op, Inpainting):
        weights = op.mask.to(y)
    elif isinstance(op, Compose) and isinstance(op.outer, Weighted):
        weights = op.outer.weights.to(y)
    else:
        return y
    weights = weights.expand(*y.shape[1:]) if weights.ndim < y.ndim else weights.expand_as(y)
    weights = weights.reshape(-1, 1, *y.shape[-2:])
    there = (weights != 0).to(y)
    logs = torch.where(weights != 0, weights.abs(), torch.ones_like(weights)).log()
    sums = [F.avg_pool2d(v, _SIDE, stride=1, padding=_SIDE // 2, count_include_pad=True) for v in (logs, there)]
    change = torch.where(weights != 0, (sums[0] / sums[1].clamp_min(1e-6)).exp() / weights, torch.ones_like(weights))
    return y * change.reshape(-1, *y.shape[1:])
