"""Noise of images that are smooth at the scale of a pixel."""

import math

import torch
from torch import Tensor

__all__ = ["fine_detail"]

_NORMAL_MAD = 0.6744897501960817  # median of |n| for a standard normal n
# products of differences along rows and columns: smooth images vanish, white noise keeps its variance
_STENCILS = (((1, -1), (1, -1)), ((1, -2, 1), (1, -2, 1)), ((1,), (1, -3, 3, -1)), ((1, -3, 3, -1), (1,)))


def fine_detail(x: Tensor, counted: Tensor, *, fewest: int = 400) -> Tensor:
    """Deviation of white noise in images (B, C, H, W), (B,): median absolute deviation of fine detail.

    The least of four stencils', over places where all pixels are ``counted``, (1 | B, C, H, W); infinite where there
    are less than ``fewest``.

    Donoho, Johnstone 1994, doi:10.1093/biomet/81.3.425; Immerkaer 1996, doi:10.1006/cviu.1996.0060.
    """
    least, complete = torch.full_like(x[:, 0, 0, 0], math.inf), bool(counted.all())
    for rows, columns in _STENCILS:
        if x.shape[-2] < len(rows) or x.shape[-1] < len(columns):
            continue
        norm = math.sqrt(sum(t * t for t in rows) * sum(t * t for t in columns)) * _NORMAL_MAD
        detail = _along(_along(x, rows, -2), columns, -1).abs()
        whole = torch.ones_like(detail[:1], dtype=torch.bool)
        if not complete:
            ones = [tuple(1 for _ in taps) for taps in (rows, columns)]
            whole = _along(_along(counted.to(x.dtype), ones[0], -2), ones[1], -1) == len(rows) * len(columns)
        found = [d[w].median() / norm if int(w.sum()) >= fewest else least.new_full((), math.inf)
                 for d, w in zip(detail, whole.expand_as(detail))]  # fmt: skip
        least = torch.minimum(least, torch.stack(found))
    return least


def _along(x: Tensor, taps: tuple[int, ...], axis: int) -> Tensor:
    size = x.shape[axis] - len(taps) + 1
    return sum(
        (t * x.narrow(axis, i, size) for i, t in enumerate(taps)), start=torch.zeros_like(x.narrow(axis, 0, size))
    )
