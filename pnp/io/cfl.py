"""BART's cfl files: a header of sizes, and single-precision complex values with the first axis fastest."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators import Identity

from .measurement import Measurement
from .scans import cartesian_scan, trajectory_scan

__all__ = ["read_array", "read_cfl"]


def read_cfl(
    path: Path,
    *,
    coil_maps: str | Path | Tensor | None = None,
    trajectory: str | Path | None = None,
    image_shape: tuple[int, int] | None = None,
    image: bool = False,
    slices: slice = slice(None),
) -> Measurement:
    """The measurement of a pair of BART's, NAME.cfl and NAME.hdr: k-space (x, y, z, coils, ...) of a plane, one of x, y
    and z being 1, whose further axes are the batch; samples (1, readout, spokes, coils, ...) with a ``trajectory``; or
    an ``image``, which is measured as it is.

    Args:
        coil_maps: a cfl file (H, W, 1, coils), or maps; default estimated where there are several coils.
        trajectory: a cfl file (3, readout, spokes) in cycles per field of view, x (down the rows) first.
        image_shape: of a trajectory's images; default twice its largest radius.
        slices: of what is left of the axes beyond the coils.

    Raises:
        FileNotFoundError: a file is not there. ValueError: one is broken, or they do not fit each other.

    Uecker et al. 2015, ISMRM 23:2486, with the file format of the toolbox's documentation.
    """
    values = read_array(path)
    said: dict[str, Any] = {"dimensions": tuple(values.shape)}
    if image:
        y = _plane(values, "image").flatten(0, 1)[slices][:, None]
        shape = {"image_shape": tuple(_some(y, slices).shape[-2:]), "in_dtype": torch.complex64}
        return Measurement(y, Identity, shape, None, said)
    maps = None if coil_maps is None else coil_maps if isinstance(coil_maps, Tensor) else _maps(Path(coil_maps))
    if trajectory is not None:
        points, shape = _points(Path(trajectory), image_shape)
        values = values.reshape(*values.shape, *[1] * (4 - values.ndim))
        if math.prod(values.shape[:3]) != points.shape[1]:
            raise ValueError(f"trajectory: {points.shape[1]} points for samples {values.shape[:3]}")
        y = values.reshape(points.shape[1], values.shape[3], -1, order="F").transpose(2, 1, 0)
        return trajectory_scan(_some(torch.from_numpy(y.copy())[slices], slices), points, shape, said, coil_maps=maps)
    y = _some(_plane(values, "k-space")[slices], slices)
    if _concentration(torch.fft.fft2(y, norm="ortho")) > _concentration(y):
        warnings.warn(f"{path.name}: looks like an image, not like k-space; image=True reads it as one", stacklevel=3)
    return cartesian_scan(y, (y != 0).any(1, keepdim=True).float(), said, coil_maps=maps)


def _concentration(y: Tensor) -> float:
    """The share of the energy that the largest hundredth of the values holds: most of it in k-space."""
    size = y.abs().flatten().double().square()
    return float(size.topk(max(1, len(size) // 100)).values.sum() / size.sum().clamp_min(1e-300))


def _plane(values: np.ndarray, what: str) -> Tensor:
    """(x, y, z, coils, ...), one of the first three being 1, as (B, coils, H, W)."""
    values = values.reshape(*values.shape, *[1] * (4 - values.ndim))
    flat = next((axis for axis in (2, 0, 1) if values.shape[axis] == 1), None)
    if flat is None:
        raise ValueError(f"{what} of a volume, {values.shape[:3]}; transform and take one slice, such as by bart slice")
    values = values.squeeze(flat)
    return torch.from_numpy(values.reshape(*values.shape[:3], -1, order="F").transpose(3, 2, 0, 1).copy())


def read_array(path: Path) -> np.ndarray:
    """The values of a cfl file by the sizes in its header, without axes of one at the end."""
    path = path.with_suffix(".cfl") if path.suffix == ".hdr" else path
    header = path.with_suffix(".hdr")
    if not header.is_file():
        raise FileNotFoundError(f"no file {header}, the header of {path.name}")
    text = header.read_bytes()[: 2**16].decode("ascii", "replace").splitlines()
    lines = [line for line in text if line.strip() and not line.startswith("#")]
    try:
        shape = tuple(int(n) for n in lines[0].split())
    except (IndexError, ValueError):
        raise ValueError(f"{header.name} has no line of sizes") from None
    wanted, there = 8 * math.prod(shape), path.stat().st_size
    if not shape or len(shape) > 64 or min(shape) < 1 or wanted > there:
        raise ValueError(f"{header.name} says {shape}, {path.name} holds {there:,} bytes")
    values = np.fromfile(path, "<c8", math.prod(shape))
    if not np.isfinite(values.view(np.float32)).all():
        raise ValueError("values are not finite")
    values = values.reshape(shape, order="F")
    while values.ndim > 2 and values.shape[-1] == 1:
        values = values[..., 0]
    return values


def _some(values: Tensor, slices: slice) -> Tensor:
    if not len(values):
        raise ValueError(f"slices: {slices} leaves none")
    return values


def _maps(path: Path) -> Tensor:
    return _plane(read_array(path), "coil_maps")[0]  # of several sets of maps the first, that of the largest values


def _points(path: Path, image_shape: tuple[int, int] | None) -> tuple[Tensor, tuple[int, int]]:
    values = read_array(path)
    if len(values) != 3 or np.abs(values[2]).max(initial=0) > 0:
        raise ValueError(
            f"trajectory: expected (3, readout, spokes) without a third component in {path}, got {values.shape}"
        )
    cycles = torch.from_numpy(np.real(values[:2]).reshape(2, -1, order="F").astype(np.float64))
    if image_shape is None:
        side = 2 * math.ceil(float(cycles.abs().max()))
        image_shape = (side, side)
    if min(image_shape) < 1 or max(image_shape) > 2**14:
        raise ValueError(f"image_shape: {image_shape} of a trajectory up to {float(cycles.abs().max()):.4g} cycles")
    return 2 * math.pi * cycles / torch.tensor(image_shape, device="cpu")[:, None], image_shape
