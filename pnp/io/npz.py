"""Measurements in npz files: y and the arrays that say how it was measured."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import operators

from .kspace import cartesian
from .measurement import Measurement

__all__ = ["read_npz"]


def read_npz(path: Path) -> Measurement:
    """The measurement of an npz file. Arrays beside y: ``kernel`` (blur); ``angles`` in radians and ``size``
    (tomography); ``uv`` in wavelengths, ``cell`` in arcsec and ``size`` (radio); ``mask`` (pixels, or complex y (coils,
    H, W): MRI, where zeros tell it if there is none, and ``maps`` are estimated); ``noise_std``, where it is known.

    Raises:
        ValueError: an array is missing; it is named.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError("is not an npz file, or is cut off")
    with np.load(path, allow_pickle=False) as file:
        if "y" not in file.files:
            answer = "; it is an answer of pnp: pnp view shows it" if "provenance" in file.files else ""
            raise ValueError(f"holds no y, the data{answer}")
        arrays = {name: torch.from_numpy(np.array(file[name])) for name in file.files}
    arrays = {k: v.float() if v.dtype == torch.float64 else v for k, v in arrays.items()}
    y, build, arguments = _built(arrays)
    noise = arrays.get("noise_std")
    estimated = arguments.get("coil_maps") is not None and "maps" not in arrays
    said = {"coil_maps": "estimated"} if estimated else {}
    return Measurement(y, build, arguments, None if noise is None else float(noise), said)


def _built(a: dict[str, Tensor]) -> tuple[Tensor, Callable[..., Any], dict[str, Any]]:
    y = a["y"]
    shape = tuple(y.shape[-2:])
    side: Any = tuple(int(n) for n in a["size"].flatten().expand(2)) if "size" in a else None
    if "kernel" in a:
        y = y if y.ndim == 3 else y[None]
        blur = {"kernel": a["kernel"], "image_shape": shape, "channels": len(y)}
        return y[None].float(), operators.Blur, blur
    if "angles" in a or "uv" in a:
        if side is None:
            raise ValueError("size: missing, the number of pixels along a side, or (H, W)")
        if "angles" in a:
            scan = {"image_shape": side, "angles": a["angles"], "detector_count": y.shape[-1]}
            return y.float().reshape(1, 1, *shape), operators.Radon, scan
        if "cell" not in a:
            raise ValueError("cell: missing, the side of a pixel in arcsec")
        sky = {"uv": a["uv"], "image_shape": side, "cell": float(a["cell"])}
        return y.to(torch.complex64).reshape(1, 1, -1), operators.RadioInterferometry, sky
    if y.is_complex():
        y = y if y.ndim == 3 else y[None]
        return y[None].to(torch.complex64), operators.MRI, cartesian(y[None], a.get("mask"), a.get("maps"))
    if "mask" in a:
        y = y if y.ndim == 3 else y[None]
        return y[None].float(), operators.Inpainting, {"mask": a["mask"].float(), "channels": len(y)}
    raise ValueError("expected kernel, angles, uv, mask or complex y beside the data: how it was measured")
