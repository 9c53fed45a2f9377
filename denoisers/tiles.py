"""Large images piece by piece: tiles with a halo, so that a local network gives what it gives on the whole image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["reflect_to", "run_in_tiles"]


def reflect_to(x: Tensor, size: int) -> Tensor:
    """Images (B, C, H, W) continued below and to the right by mirroring until both sides have ``size`` pixels.

    Mirrored about the edge pixels, as often as it takes; a side of one pixel repeats it.

    >>> reflect_to(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 5)[0, 0, 0].tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    for axis in (-2, -1):
        n = x.shape[axis]
        if n < size:
            period = max(2 * n - 2, 1)
            k = torch.arange(size, device=x.device) % period
            x = x.index_select(axis, torch.where(k < n, k, period - k))
    return x


def run_in_tiles(function: Callable[[Tensor], Tensor], x: Tensor, halo: int, pixels: float) -> Tensor:
    """Apply a local, shape-keeping ``function`` to (B, C, H, W) in tiles of at most about ``pixels`` pixels.

    Exact when ``function`` looks no further than ``halo`` pixels and treats the image border in its own way: a tile
    reaches ``halo`` beyond what is kept of it, and ends at the image border where there is one.

    >>> import torch.nn.functional as F
    >>> box = lambda t: F.avg_pool2d(F.pad(t, (1, 1, 1, 1), mode="reflect"), 3, 1)
    >>> x = torch.rand(1, 1, 20, 30)
    >>> torch.allclose(run_in_tiles(box, x, 1, 100.0), box(x))
    True
    """
    height, width = x.shape[-2:]
    if height * width <= pixels:
        return function(x)
    side = max(1, int(math.sqrt(pixels)) - 2 * halo)
    step_h = height if height <= side + 2 * halo else side
    step_w = max(1, int(pixels / min(height, step_h + 2 * halo)) - 2 * halo)
    rows = []
    for top in range(0, height, step_h):
        row = []
        for left in range(0, width, step_w):
            bottom, right = min(top + step_h, height), min(left + step_w, width)
            t, l = max(top - halo, 0), max(left - halo, 0)
            tile = function(x[..., t : bottom + halo, l : right + halo])
            row.append(tile[..., top - t : bottom - t, left - l : right - l])
        rows.append(torch.cat(row, -1))
    return torch.cat(rows, -2)
