"""Measurements in fastMRI's HDF5 layout."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from operators import MRI

from .hdf5_bounds import within_hdf5
from .kspace import cartesian
from .measurement import Measurement
from .mrd_header import Encoding, encodings
from .opening import named, package

__all__ = ["Slice", "measured_fastmri", "read_fastmri", "read_references"]

_REFERENCES = ("reconstruction_rss", "reconstruction_esc")


class Slice(NamedTuple):
    """A slice: centred k-space (coils, H, W) complex, the reference image (1, h, w) and the volume's maximum, which
    test files do not have, and the columns (W,) that were sampled, where the file says so."""

    kspace: Tensor
    target: Tensor | None
    maximum: float | None
    mask: Tensor | None = None


def read_fastmri(path: str | Path) -> list[Slice]:
    """All slices of a file in fastMRI's layout: ``kspace`` (slices, [coils,] H, W) with ``reconstruction_rss``, or
    of one coil ``reconstruction_esc``, (slices, h, w) and the attribute ``max``; test files have ``mask`` (W,) instead.
    Zbontar et al. 2018, arXiv:1811.08839.

    Raises:
        FileNotFoundError: no such file. ValueError: the file is broken, has no k-space or holds NaN; it is named.
        ImportError: h5py is missing.
    """
    with named(path), package("h5py", "io").File(path) as file:
        values = _values(file, "kspace", path)
        if values.dtype.kind != "c":
            raise ValueError(f"kspace of shape {values.shape} is real, expected complex values")
        kspace = torch.from_numpy(values.astype(np.complex64))
        kind = _kind(file)
        target = None if kind is None else torch.from_numpy(_values(file, kind, path).astype(np.float32))
        maximum = None if target is None else float(file.attrs.get("max", target.max()))
        mask = torch.from_numpy(_values(file, "mask", path) > 0) if "mask" in file else None
        kspace = kspace[:, None] if kspace.ndim == 3 else kspace
        if kspace.ndim != 4 or (target is not None and (target.ndim != 3 or len(target) != len(kspace))):
            raise ValueError(f"kspace {tuple(kspace.shape)}, expected (slices, [coils,] H, W) with as many references")
        if mask is not None and (mask.shape[-1:] != kspace.shape[-1:] or not mask.any()):
            raise ValueError(f"mask {tuple(mask.shape)} does not fit kspace {tuple(kspace.shape)}, or is empty")
        if not (torch.isfinite(kspace).all() and (target is None or torch.isfinite(target).all())):
            raise ValueError("values are not finite")
    targets = [None] * len(kspace) if target is None else [t[None] for t in target]
    return [Slice(k, t, maximum, mask) for k, t in zip(kspace, targets)]


def measured_fastmri(path: Path, *, slices: slice = slice(None), oversampling: bool = False) -> Measurement:
    """The measurement of a file in fastMRI's layout: ``slices`` of the volume are the batch; coil maps are estimated
    where there are several coils. Readout oversampling (rows) is removed where the file's header tells of it, unless
    ``oversampling`` asks to keep it."""
    from ..corrections.mri import remove_oversampling

    found = read_fastmri(path)[slices]
    if not found:
        raise ValueError(f"slices: {slices} leaves none")
    y, mask, done = torch.stack([s.kspace for s in found]), found[0].mask, ()
    space = _encoding(path)
    said = {} if space is None else space.said()
    if space is not None and not oversampling and y.shape[-2] == space.matrix[0] > (n := space.without_oversampling()):
        y, done = remove_oversampling(y, n), (f"readout oversampling removed, {y.shape[-2]} to {n}",)
    said = {**said, **({"coil_maps": "estimated"} if y.shape[1] > 1 else {}), **({"corrections": done} if done else {})}
    return Measurement(y, MRI, cartesian(y, mask), None, said)


def _encoding(path: Path) -> Encoding | None:
    """The first encoding of the ISMRMRD header that fastMRI's files have."""
    with package("h5py", "io").File(path) as file:
        header = file.get("ismrmrd_header")
        if getattr(header, "shape", None) != () or package("h5py", "io").check_string_dtype(header.dtype) is None:
            return None
        found = encodings(header[()])
    return found[0] if found else None


def _kind(file: Any) -> str | None:
    """Which reference belongs to the k-space: files of one coil hold both."""
    order = _REFERENCES[::-1] if "kspace" in file and file["kspace"].ndim == 3 else _REFERENCES
    return next((name for name in order if name in file), None)


def _values(file: Any, name: str, path: str | Path) -> np.ndarray:
    if not hasattr(file.get(name), "shape"):
        raise ValueError(f"holds no {name}")
    within_hdf5(path, file[name])
    types = package("h5py.h5t", "io")
    if file[name].dtype.kind not in "biufc" or not file[name].id.get_type().equal(types.py_create(file[name].dtype)):
        raise ValueError(f"{name} is not of a usual type of numbers")  # HDF5 may write past its memory converting these
    return np.asarray(file[name][()])


def read_references(path: Path) -> list[np.ndarray]:
    """Reference images over the volume's maximum; their k-space is not read."""
    with package("h5py", "io").File(path) as file:
        kind = _kind(file)
        if kind is None:
            hint = ", a test file: its k-space comes by pnp.train.read_fastmri" if "kspace" in file else ""
            raise ValueError(f"holds no {' or '.join(_REFERENCES)}{hint}")
        values = _values(file, kind, path).astype(np.float32)
        if values.ndim != 3:
            raise ValueError(f"{kind} of shape {values.shape}, expected (slices, h, w)")
        maximum = float(file.attrs.get("max", values.max()))
    if not 0 < maximum < np.inf:
        raise ValueError(f"max: expected a positive number, got {maximum}")
    return list(values / np.float32(maximum))
