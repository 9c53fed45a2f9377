"""Arrays on disk: npy, npz, FITS, NIfTI."""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from .opening import package, within

__all__ = ["read_fits", "read_nifti", "read_numpy"]

_WORDS = ("provenance.npy", "report.npy")  # beside the images that pnp writes


def read_numpy(path: Path) -> list[np.ndarray]:
    """The array of an npy file, or those of an npz archive by name."""
    if path.suffix.lower() == ".npy":
        with open(path, "rb") as file:
            return [_array(file, path)]
    with zipfile.ZipFile(path) as archive:
        found = []
        for name in archive.namelist():
            if name in _WORDS:
                continue
            with archive.open(name) as file:
                found.append(_array(file, path))
    return found


def _array(file: IO[bytes], path: Path) -> np.ndarray:
    """One array, after a look at what it declares."""
    form: Any = np.lib.format
    version = form.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy format {version}: expected (1, 0) or (2, 0)")
    header = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, fortran, kind = header(file)
    if kind.hasobject or kind.kind not in "buif":
        what = "complex values; images are real" if kind.kind == "c" else f"values of type {kind}, no numbers"
        raise ValueError(what)
    within(path, shape, kind.itemsize)
    wanted = math.prod(shape) * kind.itemsize
    data = file.read(wanted)
    if len(data) < wanted:
        raise ValueError(f"ends after {len(data):,} of {wanted:,} bytes of values")
    values = np.frombuffer(data, kind)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)


def read_fits(path: Path) -> list[np.ndarray]:
    """The planes of the first image of a FITS file, compressed or not."""
    with package("astropy.io.fits", "io").open(path, memmap=False) as file:
        unit = next((u for u in file if u.is_image and u.header.get("NAXIS", 0) > 1), None)
        if unit is None or unit.header.get("GROUPS"):
            raise ValueError("holds no image")
        within(path, unit.shape, 8)
        data = unit.data
    return list(data.astype(data.dtype.newbyteorder("=")).reshape(-1, *data.shape[-2:]))


def read_nifti(path: Path) -> list[np.ndarray]:
    """The slices of a NIfTI volume along its third axis (and those after it), (first axis, second axis) each, in the
    units of its header."""
    image = package("nibabel", "io").load(path)
    if len(image.shape) < 2:
        raise ValueError(f"an array of shape {image.shape} is not an image")
    within(path, image.shape, image.get_data_dtype().itemsize)
    if image.get_data_dtype().kind not in "buif":
        raise ValueError(f"values of type {image.get_data_dtype()}, expected real numbers")
    return list(_slices(np.asarray(image.dataobj)))


def _slices(volume: np.ndarray) -> Iterator[np.ndarray]:
    volume = volume.reshape(*volume.shape[:2], -1, order="F")
    for k in range(volume.shape[-1]):
        yield volume[..., k]
