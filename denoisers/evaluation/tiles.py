"""Large images piece by piece: tiles with a halo, so that a local network gives what it gives on the whole image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["reflect_to", "run_blended", "run_in_tiles", "smallest_tile"]


def reflect_to(x: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Images (B, C, H, W) continued below and to the right by mirroring until their sides have ``size`` pixels.

    Mirrored about the edge pixels, as often as it takes; a side of one pixel repeats it.

    >>> reflect_to(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 5)[0, 0, 0].tolist()
    [1.0, 2.0, 3.0, 2.0, 1.0]
    """
    for axis, wanted in zip((-2, -1), (size, size) if isinstance(size, int) else size, strict=True):
        n = x.shape[axis]
        if n < wanted:
            period = max(2 * n - 2, 1)
            k = torch.arange(wanted, device=x.device) % period
            x = x.index_select(axis, torch.where(k < n, k, period - k))
    return x


def smallest_tile(halo: int, step: int = 1) -> int:
    """Side of the smallest tile that is worth its halo: a quarter of the halo is kept, and one step at least.

    >>> smallest_tile(41), smallest_tile(10, 4)
    (92, 28)
    """
    return 2 * step * math.ceil(halo / step) + step * math.ceil(max(halo // 4, 1) / step)


def run_in_tiles(function: Callable[[Tensor], Tensor], x: Tensor, halo: int, pixels: float, *, step: int = 1) -> Tensor:
    """Apply a local, shape-keeping ``function`` to (B, C, H, W) in tiles of at most ``pixels`` pixels.

    Exact when ``function`` looks no further than ``halo`` pixels, repeats itself every ``step`` pixels, and treats the
    image border in its own way: a tile reaches ``halo`` beyond what is kept of it, and ends at the image border where
    there is one.

    Raises:
        ValueError: tiles would be below :func:`smallest_tile`, halos and little else.

    >>> import torch.nn.functional as F
    >>> box = lambda t: F.avg_pool2d(F.pad(t, (1, 1, 1, 1), mode="reflect"), 3, 1)
    >>> x = torch.rand(1, 1, 20, 30)
    >>> torch.allclose(run_in_tiles(box, x, 1, 100.0), box(x))
    True
    """
    height, width = x.shape[-2:]
    if height * width <= pixels:
        return function(x)
    least = smallest_tile(halo, step)
    tall = min(height, max(int(math.sqrt(pixels)), int(pixels / width)))
    wide = min(width, int(pixels / max(tall, 1)))
    if tall < min(least, height) or wide < min(least, width):
        raise ValueError(
            f"max_memory: it leaves tiles of {int(pixels)} pixels, which with a halo of {halo} are of "
            f"{min(least, height)} x {min(least, width)} at least; allow more, or take fewer images at once"
        )
    halo = step * math.ceil(halo / step)
    step_h = height if tall == height else (tall - 2 * halo) // step * step
    step_w = width if wide == width else (wide - 2 * halo) // step * step
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


def run_blended(function: Callable[[Tensor], Tensor], x: Tensor, side: tuple[int, int], overlap: int) -> Tensor:
    """Apply a shape-keeping ``function`` of images of exactly ``side`` to images (B, C, H, W) of any size.

    Smaller images are continued by mirroring, below and to the right, and cut back. Larger ones are covered by as few
    tiles as overlap by at least ``overlap`` pixels, evenly spread from border to border; where tiles overlap they are
    averaged with weights that fall linearly towards their borders. An image of that very size goes through as it is.

    >>> x = torch.rand(1, 1, 11, 3)
    >>> torch.allclose(run_blended(lambda tile: 2 * tile, x, (4, 4), 2), 2 * x)
    True
    """
    height, width = x.shape[-2:]
    padded = reflect_to(x, side)
    tops, lefts = (_starts(n, s, overlap) for n, s in zip(padded.shape[-2:], side, strict=True))
    if len(tops) == len(lefts) == 1:
        return function(padded)[..., :height, :width]
    lines = (torch.arange(1, s + 1, device="cpu") for s in side)
    ramps = (line.minimum(line.flip(0)).clamp(max=max(overlap, 1)).to(x) for line in lines)
    weight = torch.outer(*ramps)
    total, weights = torch.zeros_like(padded), torch.zeros_like(padded[:1, :1])
    for top in tops:
        for left in lefts:
            place = (..., slice(top, top + side[0]), slice(left, left + side[1]))
            total[place] += weight * function(padded[place])
            weights[place] += weight
    return (total / weights)[..., :height, :width]


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """First pixels of the fewest tiles of ``side`` that cover ``length`` and overlap enough, evenly spread."""
    if length <= side:
        return [0]
    count = math.ceil((length - overlap) / max(side - overlap, 1))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]
