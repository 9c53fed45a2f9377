"""Reconstruct an image from measured data by plug-and-play ADMM; prints the file that it writes.

The data are an npz file with `y` and what was measured by, or HDF5 in fastMRI's layout, of which every slice is
reconstructed. Arrays beside y: `kernel` (blur); `angles` in radians and `size` (tomography); `uv` in wavelengths,
`cell` in arcsec and `size` (radio); `mask` (pixels, or complex y (coils, H, W): MRI, where zeros tell it if there is
none, and `maps` are estimated).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import operators

from ..io import read_fastmri
from ..io.opening import named
from ..io.writing import write_images
from ..solvers.admm import PnPADMM
from .common import denoiser, level, say

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("data", help="npz file, or HDF5 in fastMRI's layout")
    p.add_argument("--to", required=True, help="file to write: .npy, .fits, .tif, .png; magnitudes of complex images")
    p.add_argument(
        "--prior", help="a field (natural, ct, mri, radio), shipped weights or a file (default: the field's)"
    )
    p.add_argument("--noise", type=level, help="noise standard deviation in the units of y (default: estimated)")
    p.add_argument("--strength", type=float, default=1.0, help="of the prior (default: 1)")
    p.add_argument("--force", action="store_true", help="replace the file, if it is there")


def run(given: argparse.Namespace) -> None:
    """Reconstruct, say how it ended, write."""
    answers = []
    for op, y in measured(Path(given.data)):
        prior = None if given.prior is None else denoiser(given.prior, op.in_shape[0])
        result = PnPADMM(op, prior, noise_std=given.noise, strength=given.strength).solve(y)
        say(given, result)
        x = result.x[0]
        answers.append(x.abs() if x.is_complex() else x)
    write_images(given.to, answers, overwrite=given.force)
    print(given.to)


def measured(path: Path) -> list[tuple[Any, Tensor]]:
    """Operators and data (1, ...) of a file.

    Raises:
        FileNotFoundError, ValueError: there is no such file, it is broken, or an array is missing; it is named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    if path.suffix.lower() in (".h5", ".hdf5"):
        return [_mri(s.kspace, s.mask, None) for s in read_fastmri(path)]
    if path.suffix.lower() != ".npz":
        raise ValueError(f"{path}: expected an npz file or HDF5 in fastMRI's layout")
    with named(path), np.load(path, allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(np.array(file[name])) for name in file.files}
    arrays = {k: v.float() if v.dtype == torch.float64 else v for k, v in arrays.items()}
    if "y" not in arrays:
        raise ValueError(f"{path}: holds no y, the data")
    with named(path):
        return [_operator(arrays)]


def _operator(a: dict[str, Tensor]) -> tuple[Any, Tensor]:
    y = a["y"]
    shape: Any = tuple(y.shape[-2:])
    side: Any = tuple(int(n) for n in a["size"].flatten().expand(2)) if "size" in a else None
    if "kernel" in a:
        y = y if y.ndim == 3 else y[None]
        return operators.Blur(a["kernel"], shape, channels=len(y)), y[None].float()
    if "angles" in a or "uv" in a:
        if side is None:
            raise ValueError("size: missing, the number of pixels along a side, or (H, W)")
        if "angles" in a:
            op = operators.Radon(side, a["angles"], y.shape[-1])
            return op, y.float().reshape(1, *op.out_shape)
        if "cell" not in a:
            raise ValueError("cell: missing, the side of a pixel in arcsec")
        op = operators.RadioInterferometry(a["uv"], side, cell=float(a["cell"]))
        return op, y.to(torch.complex64).reshape(1, *op.out_shape)
    if y.is_complex():
        return _mri(y.to(torch.complex64), a.get("mask"), a.get("maps"))
    if "mask" in a:
        y = y if y.ndim == 3 else y[None]
        return operators.Inpainting(a["mask"].float(), channels=len(y)), y[None].float()
    raise ValueError("expected kernel, angles, uv, mask or complex y beside the data: how it was measured")


def _mri(y: Tensor, mask: Tensor | None, maps: Tensor | None) -> tuple[Any, Tensor]:
    y = y if y.ndim == 3 else y[None]
    if mask is None:
        mask = (y != 0).any(0)
    mask = mask.float().expand(y.shape[-2:])
    if maps is None and len(y) > 1:
        maps = operators.estimate_coil_maps(y[None])
    return operators.MRI(mask, maps), y[None]
