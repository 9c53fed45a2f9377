"""Readouts of Cartesian scans onto the grid of k-space."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from operators.fourier.fft import centred_fft

from .opening import within

__all__ = ["Grid", "Readout", "on_grid"]


class Readout(NamedTuple):
    """A line of k-space: number of its slice, its two phase encodings, which sample is the middle, samples (coils, n),
    and whether it belongs to the image; else it is for coil maps."""

    layer: int
    steps: tuple[int, int]
    centre: int
    samples: np.ndarray
    image: bool = True


class Grid(NamedTuple):
    """The encoded matrix: samples of a readout, steps of both phase encodings, and which of these are the middle, where
    it is told; number of coils and slices."""

    matrix: tuple[int, int, int]
    centre: tuple[int | None, int | None]
    coils: int
    layers: int


def on_grid(
    path: Path, readouts: Iterable[Readout], grid: Grid, slices: slice, size: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Sums of k-space (B, coils, H, W), how often each place was measured (B, 1, H, W), and calibration lines, where
    there are some beside the image's.

    Readouts go down the rows, their middle at H // 2, phase encodings along the columns. Of volumes B are the places
    along the readout, the middle ``size`` of them, H and W the two encodings. ``slices`` chooses of B.
    """
    width, _, depth = grid.matrix
    if depth > 1 and grid.layers > 1:
        raise ValueError(f"{grid.layers} slabs of volumes, expected one")
    wanted = range(grid.layers)[slices] if depth == 1 else range(1)
    if not len(wanted) or not len(range(size)[slices] if depth > 1 else wanted):
        raise ValueError(f"slices: {slices} leaves none of {grid.layers if depth == 1 else size}")
    shape = (len(wanted), grid.coils, *grid.matrix)
    within(path, shape, 8)
    total, calibration = np.zeros(shape, np.complex64), np.zeros(shape, np.complex64)
    count = np.zeros((len(wanted), 1, *grid.matrix), np.float32)
    extra = False
    for one in readouts:
        if one.layer not in wanted:
            continue
        if len(one.samples) != grid.coils:
            raise ValueError(f"readouts of {len(one.samples)} and {grid.coils} coils")
        b = wanted.index(one.layer)
        y, z = (_step(s, c, n) for s, c, n in zip(one.steps, grid.centre, grid.matrix[1:]))
        start = width // 2 - one.centre
        rows = slice(start, start + one.samples.shape[1])
        if start < 0 or rows.stop > width:
            raise ValueError(
                f"a readout of {one.samples.shape[1]} samples does not fit the encoded matrix {grid.matrix}"
            )
        if one.image:
            total[b, :, rows, y, z] += one.samples
            count[b, 0, rows, y, z] += 1
        else:
            calibration[b, :, rows, y, z], extra = one.samples, True
    parts = [torch.from_numpy(a) for a in (total, count, calibration)]
    parts = [_split(p, size)[slices] if depth > 1 else p[..., 0] for p in parts]
    return parts[0], parts[1], parts[2] if extra else None


def _step(number: int, centre: int | None, size: int) -> int:
    place = number if centre is None else number - centre + size // 2
    if not 0 <= place < size:
        raise ValueError(f"encoding step {number} is outside of the encoded matrix, {size} with its centre at {centre}")
    return place


def _split(volume: Tensor, size: int) -> Tensor:
    """The middle places along the readout of (1, coils, n, H, W) as a batch (size, coils, H, W)."""
    n = volume.shape[2]
    if volume.is_complex():
        volume = centred_fft(volume, (2,), inverse=True)
    else:  # counts
        volume = volume.amax(2, keepdim=True).expand_as(volume)
    return volume[0, :, n // 2 - size // 2 :][:, :size].transpose(0, 1).contiguous()
