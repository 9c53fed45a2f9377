"""Pulseq sequences: where a scan samples k-space."""

import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .opening import named, package

__all__ = ["points_of", "read_pulseq"]

_VALUES, _LONGEST = 2**24, 2**26  # of samples and shapes, and bytes of text


def read_pulseq(path: str | Path, image_shape: tuple[int, int], *, fov: Sequence[float] | None = None) -> Tensor:
    r"""Points (2, M) of a Pulseq file's samples in radians per pixel, :math:`2 \pi k_x F_x / H` along the rows first.

    Raw data of such a scan hold no trajectory: ``pnp.io.open("meas.dat", trajectory="scan.seq", image_shape=(H, W))``.

    Args:
        path: the .seq file.
        image_shape: (H, W), x down the rows and y along the columns.
        fov: field of view in metres along x and y; default that of the file.

    Raises:
        FileNotFoundError: no such file. ImportError: pypulseq is missing. ValueError: the file is broken or tells no
            field of view, or samples lie beyond the image's grid.

    Layton et al. 2017, doi:10.1002/mrm.26235.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if len(image_shape) != 2 or not all(isinstance(n, int) and n > 0 for n in image_shape):
        raise ValueError(f"image_shape: expected integers (H, W), got {image_shape!r}")
    with named(path):
        _check_sizes(path)
        sequence = package("pypulseq", "mri").Sequence()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sequence.read(str(path))
            k = np.asarray(sequence.calculate_kspace()[0], float)
        found = sequence.definitions.get("FOV") if fov is None else fov
        side = [float(v) for v in np.atleast_1d([] if found is None else found)[:2]]
        if len(side) < 2 or not all(0 < v < 10 for v in side):
            raise ValueError(f"fov: expected metres along x and y, got {found!r}")
        if k.ndim != 2 or len(k) < 2 or not k.size or not np.isfinite(k).all():
            raise ValueError("has no samples")
        points = torch.from_numpy(k[:2] * np.array(side)[:, None] * 2 * math.pi / np.array(image_shape)[:, None])
        if not float(points.abs().max()) <= math.pi * 1.01:
            most = float(points.abs().max())
            raise ValueError(f"image_shape: samples up to {most:.3g} radians per pixel, expected pi; take a finer grid")
    return points.clamp(-math.pi, math.pi)


def points_of(trajectory: Tensor | str | Path, image_shape: tuple[int, int]) -> Tensor:
    """Points as they are, or those of a file."""
    return trajectory if isinstance(trajectory, Tensor) else read_pulseq(trajectory, image_shape)


def _check_sizes(path: Path) -> None:
    """Raise where a file declares more samples than anybody measures: they are not allocated then."""
    if path.stat().st_size > _LONGEST:
        raise ValueError(f"has {path.stat().st_size:,} bytes")
    text = path.read_text("ascii", "replace")
    shapes = sum(int(n) for n in re.findall(r"(?mi)^\s*num_(?:uncompressed|samples)\s+(\d+)", text))
    sections = {name.lower(): body for name, body in re.findall(r"(?m)^\[(\w+)\]\s*$([^\[]*)", text)}
    adc = [line.split() for line in sections.get("adc", "").splitlines() if line.strip() and line[0] != "#"]
    most = max((int(float(words[1])) for words in adc if len(words) > 1), default=0)
    blocks = len(sections.get("blocks", "").splitlines())
    if shapes > _VALUES or most * max(blocks, 1) > _VALUES:
        raise ValueError(f"declares {shapes:,} values of shapes and up to {most * blocks:,} samples, too many")
