"""Readouts of ISMRMRD files: their headers, samples and trajectories."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .grid import Readout
from .mrd_header import Encoding

__all__ = ["Readouts", "along_trajectory", "for_grid"]

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


def for_grid(readouts: Readouts, chosen: np.ndarray, lines: np.ndarray) -> Iterator[Readout]:
    """Readouts as :func:`pnp.io.grid.on_grid` takes them."""
    for number, head, samples, _ in readouts.values(chosen):
        steps = int(head["idx"]["kspace_encode_step_1"]), int(head["idx"]["kspace_encode_step_2"])
        centre = int(head["center_sample"]) - int(head["discard_pre"])
        yield Readout(int(head["idx"]["slice"]), steps, centre, samples, bool(lines[number]))


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
