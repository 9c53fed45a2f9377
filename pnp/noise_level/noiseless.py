"""Pixels without noise of their own: padding, drawn borders, saturation."""

import torch
from torch import Tensor
from torch.nn import functional as F

from operators.linalg import column

__all__ = ["noiseless"]

_ROUNDING = 16.0  # spacings of numbers: what interpolation and transforms leave of a constant
_CLIPPED, _FEW = 0.005, 4  # share and number of pixels at an end of the range, of which more are clipped
_LEAST = 0.1  # share of pixels that have to be left
_BESIDE = 5


def noiseless(y: Tensor, step: Tensor, measured: Tensor | None = None) -> Tensor:
    """Where images (B, n, H, W) hold no noise, or less than elsewhere, booleans.

    Blocks of one value; and of data that are not multiples of a ``step`` (B,) also straight lines, up to rounding,
    which two neighbours have in common (repeated borders, ramps), and what is within two pixels of values that are
    clipped, as far as other pixels are left. ``measured``: where values mean something; ``None``: everywhere.
    """
    same = _blocks(y)
    free = column(step, y) == 0
    if not bool(free.any()):
        return same
    near = column(_ROUNDING * torch.finfo(y.dtype).eps * torch.stack([_spread(v[~s]) for v, s in zip(y, same)]), y)
    same = same | (free & (_straight(y, near) | _straight(y.mT, near).mT))
    ends, away = torch.zeros_like(same), torch.inf
    top, bottom = (y if measured is None else torch.where(measured, y, v) for v in (-away, away))
    for at in (y == top.amax((2, 3), keepdim=True), y == bottom.amin((2, 3), keepdim=True)):
        at = at if measured is None else at & measured
        ends = ends | (at & (at.sum((2, 3), keepdim=True) > max(_CLIPPED * y[0, 0].numel(), _FEW)))
    beside = F.max_pool2d(ends.to(y), _BESIDE, stride=1, padding=_BESIDE // 2) > 0
    left = (~(same | beside)).to(y).mean((1, 2, 3), keepdim=True)
    return same | (beside & free & (left > _LEAST))


def _spread(values: Tensor) -> Tensor:
    """Distance of the quantiles of 2 and 98 %."""
    some = values[:: max(1, len(values) // 2**16)]
    if not len(some):
        return values.new_zeros(())
    low, high = (some.kthvalue(1 + round(q * (len(some) - 1))).values for q in (0.02, 0.98))
    return high - low


def _blocks(y: Tensor) -> Tensor:
    """Pixels whose neighbours to the right, below and diagonally are exactly alike."""
    same = torch.zeros_like(y, dtype=torch.bool)
    corner = y[..., :-1, :-1]
    alike = (corner == y[..., 1:, :-1]) & (corner == y[..., :-1, 1:]) & (corner == y[..., 1:, 1:])
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            same[..., rows, columns] |= alike
    return same


def _straight(y: Tensor, near: Tensor) -> Tensor:
    """Pixels of three in a row whose values lie on a line, beside three others that do."""
    same = torch.zeros_like(y, dtype=torch.bool)
    if min(y.shape[-2] - 1, y.shape[-1] - 2) < 1:
        return same
    line = y.diff(n=2, dim=-1).abs() <= near
    both = line[..., :-1, :] & line[..., 1:, :]
    width = both.shape[-1]
    for rows in (slice(None, -1), slice(1, None)):
        for first in range(3):
            same[..., rows, first : first + width] |= both
    return same
