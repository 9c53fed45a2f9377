"""Measurements in npz files: y and the arrays that say how it was measured."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import operators
from operators.shapes import as_constant

from .kspace import cartesian
from .measurement import Measurement

__all__ = ["read_npz"]

_KNOWN = ("y", "kernel", "angles", "uv", "mask", "maps", "size", "cell", "noise_std")


def read_npz(path: Path) -> Measurement:
    """The measurement of an npz file. Arrays beside y: ``kernel`` (blur); ``angles`` in radians and ``size``
    (tomography, y (angles, detectors) or (slices, angles, detectors)); ``uv`` in wavelengths, ``cell`` in arcsec and
    ``size`` (radio); ``mask`` (pixels, or complex y (coils, H, W): MRI, where zeros tell it if there is none, and
    ``maps`` are estimated); ``noise_std``, where it is known, a number or one for each value of y.

    Raises:
        ValueError: an array is missing, or does not fit; it is named.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError("is not an npz file, or is cut off")
    with np.load(path, allow_pickle=False) as file:
        if "y" not in file.files:
            answer = "; it is an answer of pnp: pnp view shows it" if "provenance" in file.files else ""
            raise ValueError(f"holds no y, the data{answer}")
        arrays = {name: as_constant(name, file[name]) for name in _KNOWN if name in file.files}
    arrays = {k: v.float() if v.dtype == torch.float64 else v for k, v in arrays.items()}
    y, build, arguments = _built(arrays)
    estimated = arguments.get("coil_maps") is not None and "maps" not in arrays
    said = {"coil_maps": "estimated"} if estimated else {}
    return Measurement(y, build, arguments, _noise(arrays, y), said)


def _built(a: dict[str, Tensor]) -> tuple[Tensor, Callable[..., Any], dict[str, Any]]:
    y = a["y"]
    if not y.numel():
        raise ValueError(f"y: {tuple(y.shape)}, holds no data")
    if "uv" in a:
        sky = {"uv": a["uv"], "image_shape": _side(a), "cell": _number(a, "cell", "the side of a pixel in arcsec")}
        _fits(a, "uv", a["uv"].shape[-1:], (y.numel(),))
        return y.to(torch.complex64).reshape(1, 1, -1), operators.RadioInterferometry, sky
    if y.ndim not in (2, 3):
        raise ValueError(f"y: expected two or three axes, got {tuple(y.shape)}")
    shape = tuple(y.shape[-2:])
    planes = y if y.ndim == 3 else y[None]
    if "kernel" in a:
        blur = {"kernel": a["kernel"], "image_shape": shape, "channels": len(planes)}
        return planes[None].float(), operators.Blur, blur
    if "angles" in a:
        _fits(a, "angles", a["angles"].shape, shape[:1])
        scan = {"image_shape": _side(a), "angles": a["angles"], "detector_count": shape[1]}
        return planes[:, None].float(), operators.Radon, scan
    if y.is_complex():
        for name in ("mask", "maps"):
            if name in a:
                _fits(a, name, a[name].shape[-2:], shape if a[name].ndim > 1 else shape[1:])
        return planes[None].to(torch.complex64), operators.MRI, cartesian(planes[None], a.get("mask"), a.get("maps"))
    if "mask" in a:
        _fits(a, "mask", a["mask"].shape[-2:], shape)
        return planes[None].float(), operators.Inpainting, {"mask": a["mask"].float(), "channels": len(planes)}
    raise ValueError("expected kernel, angles, uv, mask or complex y beside the data: how it was measured")


def _fits(a: dict[str, Tensor], name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if tuple(found) != tuple(wanted):
        raise ValueError(f"y: expected a shape that fits {name}, {tuple(a[name].shape)}, got {tuple(a['y'].shape)}")


def _side(a: dict[str, Tensor]) -> tuple[int, int]:
    if "size" not in a:
        raise ValueError("size: missing, the number of pixels along a side, or (H, W)")
    numbers = a["size"].flatten().tolist()
    if len(numbers) not in (1, 2) or not all(n == int(n) and n >= 1 for n in numbers):
        raise ValueError(f"size: expected one or two whole numbers above 0, got {numbers}")
    return int(numbers[0]), int(numbers[-1])


def _number(a: dict[str, Tensor], name: str, what: str) -> float:
    if name not in a:
        raise ValueError(f"{name}: missing, {what}")
    if a[name].numel() != 1 or a[name].is_complex() or not math.isfinite(float(a[name])):
        raise ValueError(f"{name}: expected a number, {what}, got {a[name].tolist()!r:.60}")
    return float(a[name])


def _noise(a: dict[str, Tensor], y: Tensor) -> float | Tensor | None:
    """A number, or one for each value of y as it is in the file."""
    if "noise_std" not in a:
        return None
    level = a["noise_std"]
    if level.is_complex() or not bool((level >= 0).all()):
        raise ValueError("noise_std: expected numbers >= 0")
    if level.numel() == 1:
        return float(level)
    _fits(a, "noise_std", tuple(level.shape), tuple(a["y"].shape))
    return level.float().reshape(y.shape)
