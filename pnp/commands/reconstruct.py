"""Reconstruct an image from measured data by plug-and-play ADMM; prints the file that it writes.

The data are an npz file with `y` and what was measured by, or HDF5 in fastMRI's layout, of which every slice is
reconstructed. Arrays beside y: `kernel` (blur); `angles` in radians and `size` (tomography); `uv` in wavelengths,
`cell` in arcsec and `size` (radio); `mask` (pixels, or complex y (coils, H, W): MRI, where zeros tell it if there is
none, and `maps` are estimated).
"""

import argparse

from ..io.formats import open as open_measurement
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
    found = open_measurement(given.data)
    op = found.operator()
    prior = None if given.prior is None else denoiser(given.prior, op.in_shape[0])
    noise = found.noise_std if given.noise is None else given.noise
    result = PnPADMM(op, prior, noise_std=noise, strength=given.strength).solve(found.y)
    say(given, result)
    answers = list(result.x.abs() if result.x.is_complex() else result.x)
    write_images(given.to, answers, overwrite=given.force)
    print(given.to)
