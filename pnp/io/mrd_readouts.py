"""Readouts of ISMRMRD files, and where they go: onto the grid of k-space, or along a trajectory."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from operators.fourier.fft import centred_fft

from .mrd_header import Encoding
from .opening import within

__all__ = ["Readouts", "along_trajectory", "on_grid"]

_REVERSE = 22  # the number of a flag
_AT_ONCE = 256  # readouts that are read together


class Readouts(NamedTuple):
    """Headers of all readouts of a file, and where their values are."""

    heads: np.ndarray
    data: Any
    xml: bytes
    path: Path

    def flagged(self, *flags: int) -> np.ndarray:
        bits = sum(1 << (flag - 1) for flag in flags)
        return (self.heads["flags"] & np.uint64(bits)) != 0

    def values(self, chosen: np.ndarray) -> Iterator[tuple[int, Any, np.ndarray, np.ndarray]]:
        """Number, header, samples (coils, n) and trajectory (n, dimensions) of some readouts, in the file's order."""
        for start in range(0, len(self.heads), _AT_ONCE):
            here = np.flatnonzero(chosen[start : start + _AT_ONCE])
            if not len(here):
                continue
            rows = self.data[start : start + _AT_ONCE]
            for number in here:
                head, row = self.heads[start + number], rows[number]
                coils, n = int(head["active_channels"]), int(head["number_of_samples"])
                dimensions = int(head["trajectory_dimensions"])
                if row["data"].size != 2 * coils * n or row["traj"].size != n * dimensions:
                    raise ValueError(f"readout {start + number} holds other numbers of values than its header says")
                samples = row["data"].view(np.complex64).reshape(coils, n)
                path = row["traj"].reshape(n, dimensions)
                kept = slice(int(head["discard_pre"]), n - int(head["discard_post"]))
                samples, path = samples[:, kept], path[kept]
                if not np.isfinite(samples.view(np.float32)).all():
                    raise ValueError(f"values of readout {start + number} are not finite")
                if int(head["flags"]) >> (_REVERSE - 1) & 1:
                    samples, path = samples[:, ::-1], path[::-1]
                yield start + int(number), head, samples, path


def on_grid(
    readouts: Readouts, chosen: np.ndarray, lines: np.ndarray, space: Encoding, slices: slice, size: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Sums of k-space (B, coils, H, W), how often each place was measured (B, 1, H, W), and calibration lines, where
    there are some beside the image's.

    Readouts go down the rows, their centre at H // 2, phase encodings along the columns. Of volumes B are the places
    along the readout, the middle ``size`` of them, H and W the two encodings.
    """
    width, height, depth = space.matrix
    heads = readouts.heads
    coils = {int(n) for n in heads["active_channels"][chosen]}
    if len(coils) > 1:
        raise ValueError(f"readouts of {sorted(coils)} coils")
    layers = int(heads["idx"]["slice"][chosen].max()) + 1
    wanted = range(layers)[slices] if depth == 1 else range(layers)
    if depth > 1 and layers > 1:
        raise ValueError(f"{layers} slabs of volumes, expected one")
    if not len(wanted):
        raise ValueError(f"slices: {slices} leaves none of {layers}")
    shape = (len(wanted), coils.pop(), width, height, depth)
    within(readouts.path, shape, 8)
    total, calibration = np.zeros(shape, np.complex64), np.zeros(shape, np.complex64)
    count = np.zeros((len(wanted), 1, width, height, depth), np.float32)
    steps = ("kspace_encode_step_1", "kspace_encode_step_2")
    extra = False
    for number, head, samples, _ in readouts.values(chosen):
        layer = int(head["idx"]["slice"])
        if layer not in wanted:
            continue
        b = wanted.index(layer)
        row = width // 2 - (int(head["center_sample"]) - int(head["discard_pre"]))
        place = [_step(int(head["idx"][s]), c, n) for s, c, n in zip(steps, space.centre, space.matrix[1:])]
        rows = slice(row, row + samples.shape[1])
        if row < 0 or rows.stop > width:
            raise ValueError(f"a readout of {samples.shape[1]} samples does not fit the encoded matrix {space.matrix}")
        if lines[number]:
            total[b, :, rows, *place] += samples
            count[b, 0, rows, *place] += 1
        else:
            calibration[b, :, rows, *place], extra = samples, True
    parts = [torch.from_numpy(a) for a in (total, count, calibration)]
    parts = [_split(p, size)[slices] if depth > 1 else p[..., 0] for p in parts]
    if not len(parts[0]):
        raise ValueError(f"slices: {slices} leaves none of {size}")
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


def along_trajectory(
    readouts: Readouts, lines: np.ndarray, space: Encoding, slices: slice, unit: str, oversampling: bool
) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Samples (B, coils, M), points (2, M) in radians per pixel, and the image's shape; x goes down the rows.

    Raises:
        ValueError: slices have other trajectories or numbers of readouts; each may be read by itself.
    """
    there = sorted({int(n) for n in readouts.heads["idx"]["slice"][lines]})[slices]
    if not there:
        raise ValueError(f"slices: {slices} leaves none")
    values: dict[int, list[np.ndarray]] = {n: [] for n in there}
    paths: dict[int, list[np.ndarray]] = {n: [] for n in there}
    for _, head, samples, path in readouts.values(lines):
        if (layer := int(head["idx"]["slice"])) in values:
            values[layer].append(samples)
            paths[layer].append(path[:, :2])
    points = [np.concatenate(p).T for p in paths.values()]
    if any(p.shape != points[0].shape or not np.array_equal(p, points[0]) for p in points):
        raise ValueError("slices have trajectories of their own; choose one, such as slices=slice(0, 1)")
    y = torch.from_numpy(np.stack([np.concatenate(v, 1) for v in values.values()]))
    shape = tuple(n if oversampling else space.without_oversampling(k) for k, n in enumerate(space.matrix[:2]))
    return y, _radians(torch.from_numpy(points[0]).double(), space.matrix[:2], unit), (shape[0], shape[1])


def _radians(points: Tensor, matrix: tuple[int, int], unit: str) -> Tensor:
    largest = float(points.abs().max())
    if unit == "auto":
        if not largest <= 0.51 and not math.pi * 1.01 < largest <= 0.51 * max(matrix):
            raise ValueError(f"unit: points up to {largest:.4g} may be radians or cycles; say 'cycles/pixel', "
                             "'cycles/fov' or 'rad/pixel'")  # fmt: skip
        unit = "cycles/pixel" if largest <= 0.51 else "cycles/fov"
    sides = points.new_tensor(matrix)[:, None] if unit == "cycles/fov" else 1.0
    points = points if unit == "rad/pixel" else 2 * math.pi * points / sides
    if not float(points.abs().max()) <= math.pi * 1.03:
        raise ValueError(f"unit: points up to {largest:.4g} are beyond the encoded matrix {matrix} in {unit}")
    return points
