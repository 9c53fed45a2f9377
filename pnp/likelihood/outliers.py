"""Data that lie far from those around them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["near_neighbours"]

_FAR = 6.0  # deviations of the noise, and four of what the neighbours differ by
_COUNT, _LEAST, _WIDEST = 20, 4, 15  # neighbours that are wanted, and needed; side of the square that holds them
_AT_ONCE = 2**22  # values of neighbours


def near_neighbours(y: Tensor, noise: Tensor, measured: Tensor | None) -> Tensor:
    """Real data (B, ..., H, W) with those pulled in that lie more than six deviations of the noise, and four of its
    neighbours' differences, from the median of the measured ones around: to that distance.

    >>> y = torch.zeros(1, 1, 9, 9)
    >>> y[..., 4, 4] = 50
    >>> near_neighbours(y, torch.ones(1), None)[0, 0, 4, 3:6].tolist()
    [0.0, 6.0, 0.0]
    """
    if y.is_complex() or y.ndim < 4:
        return y
    known = torch.ones_like(y, dtype=torch.bool) if measured is None else measured.expand_as(y)
    share = known.double().mean().item()
    side = min(2 * math.ceil(((_COUNT / max(share, 1e-3) + 1) ** 0.5 - 1) / 2) + 1, _WIDEST)
    half = side // 2
    planes = torch.where(known, y, torch.full_like(y, torch.nan)).flatten(0, -3)
    padded = F.pad(planes, (half, half, half, half), value=torch.nan)
    limit = noise.reshape(-1, *[1] * (y.ndim - 1)).expand(*y.shape[:-2], 1, 1).flatten(0, -3)
    rows = max(1, _AT_ONCE // (side**2 * y.shape[-1]))
    near = [
        _pulled(plane[top : top + rows], around[top : top + rows + side - 1], side, far)
        for plane, around, far in zip(planes, padded, limit)
        for top in range(0, len(plane), rows)
    ]
    return torch.where(known, torch.cat(near).reshape(y.shape), y)


def _pulled(values: Tensor, around: Tensor, side: int, noise: Tensor) -> Tensor:
    windows = around.unfold(0, side, 1).unfold(1, side, 1).flatten(2)
    windows = torch.cat((windows[..., : side**2 // 2], windows[..., side**2 // 2 + 1 :]), -1)
    middle = windows.nanmedian(-1).values
    differences = (windows - middle[..., None]).abs().nanmedian(-1).values
    bound = _FAR * noise + 4 * 1.4826 * differences
    enough = windows.isfinite().sum(-1) >= _LEAST
    return torch.where(enough, values.clamp(middle - bound, middle + bound), values)
