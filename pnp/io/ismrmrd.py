"""ISMRMRD: raw data of any scanner in HDF5, a readout at a time."""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .grid import Grid, on_grid
from .hdf5_bounds import within_hdf5
from .measurement import Measurement
from .mrd_header import encodings, receiver_bandwidth
from .mrd_readouts import Readouts, along_trajectory, for_grid
from .opening import package
from .scans import cartesian_scan, trajectory_scan

__all__ = ["holds_ismrmrd", "read_ismrmrd"]

# numbers of flags, as in ismrmrd.h
_NOISE, _CALIBRATION, _BOTH = 19, 20, 21
_OTHER = (23, 24, 26, 27, 28, 29, 30, 31)  # navigators, phase corrections, feedback, dummies, body coil
_HEAD = ("flags", "number_of_samples", "active_channels", "discard_pre", "discard_post", "center_sample",
         "encoding_space_ref", "trajectory_dimensions", "sample_time_us")  # fmt: skip
_COUNTERS = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", "contrast", "phase", "repetition", "set")
_UNITS = ("auto", "cycles/pixel", "cycles/fov", "rad/pixel")


def holds_ismrmrd(path: Path) -> bool:
    """Whether an HDF5 file holds readouts in this layout."""
    with package("h5py", "mri").File(path) as file:
        return _groups(file) != []


def read_ismrmrd(
    path: Path,
    *,
    slices: slice = slice(None),
    contrast: int = 0,
    repetition: int = 0,
    phase: int = 0,
    set: int = 0,
    encoding: int = 0,
    dataset: str | None = None,
    noise: str | Path | None = None,
    oversampling: bool = False,
    unit: Literal["auto", "cycles/pixel", "cycles/fov", "rad/pixel"] = "auto",
    coil_maps: Tensor | None = None,
) -> Measurement:
    """The measurement of an ISMRMRD file: slices are the batch, readouts run down the rows, averages are summed up.

    Where the file has a noise scan, the data are whitened with it and ``noise_std`` is that of unit noise. Readout
    oversampling is removed. Coil maps are estimated, with separate calibration lines where there are some. Volumes are
    split along their readout into slices (``slices`` chooses). Trajectories are those of the file.

    Args:
        slices: of those of the file, or of the places along the readout of volumes.
        contrast, repetition, phase, set: which of them.
        encoding: which encoding space.
        dataset: the group of the file; default the first that holds readouts.
        noise: another file that holds the noise scan.
        oversampling: keep it.
        coil_maps: (coils, H, W) on the encoded grid, or of each slice; default estimated.
        unit: of trajectories; ``"auto"``: cycles per pixel up to 0.5, per field of view from pi on.

    Raises:
        ValueError: the file is broken, or holds nothing of what is asked for; it is named.
        ImportError: h5py is missing.

    Inati et al. 2017, doi:10.1002/mrm.26089.
    """
    if unit not in _UNITS:
        raise ValueError(f"unit: expected one of {', '.join(_UNITS)}, got {unit!r}")
    with package("h5py", "mri").File(path) as file:
        readouts = _readouts(file, path, dataset)
        found = encodings(readouts.xml)
        if not 0 <= encoding < len(found):
            raise ValueError(f"encoding: {encoding}, the file has {len(found)}")
        space = found[encoding]
        asked = {"contrast": contrast, "repetition": repetition, "phase": phase, "set": set}
        chosen, said = _chosen(readouts, encoding, asked)
        lines = chosen & ~(readouts.flagged(_CALIBRATION) & ~readouts.flagged(_BOTH))
        if not lines.any():
            raise ValueError("holds no image data of these " + ", ".join(f"{k} {v}" for k, v in asked.items()))
        time = float(readouts.heads["sample_time_us"][lines][0])
        covariance = _covariance(readouts, time)
        if noise is not None:
            with package("h5py", "mri").File(noise) as other:
                covariance = _covariance(_readouts(other, Path(noise), None), time)
            if covariance is None:
                raise ValueError(f"noise: {noise} holds no noise scan")
        said = {**space.said(), **said, "noise scan": covariance is not None}
        if int(readouts.heads["trajectory_dimensions"][lines].max()) >= 2:
            y, points, shape = along_trajectory(readouts, lines, space, slices, unit, oversampling)
            return trajectory_scan(y, points, shape, said, covariance=covariance, coil_maps=coil_maps)
        size = space.matrix[0] if oversampling else space.without_oversampling()
        heads = readouts.heads[chosen]
        layers = int(heads["idx"]["slice"].max()) + 1
        grid = Grid(space.matrix, space.centre, int(heads["active_channels"][0]), layers)
        total, count, calibration = on_grid(path, for_grid(readouts, chosen, lines), grid, slices, size)
        size = size if space.matrix[2] == 1 else total.shape[-2]
        return cartesian_scan(
            total, count, said, covariance=covariance, size=size, calibration=calibration, coil_maps=coil_maps
        )


def _groups(file: Any) -> list[str]:
    return [name for name in file if all(hasattr(file.get(f"{name}/{part}"), "shape") for part in ("data", "xml"))]


def _readouts(file: Any, path: Path, dataset: str | None) -> Readouts:
    h5py = package("h5py", "mri")
    name = next(iter(_groups(file)), None) if dataset is None else dataset
    if name is None or name not in _groups(file):
        raise ValueError(f"dataset: holds no readouts in {name!r}, but in {', '.join(_groups(file)) or 'no group'}")
    data, xml = file[f"{name}/data"], file[f"{name}/xml"]
    if data.ndim != 1 or not _laid_out(data, h5py):
        raise ValueError("its readouts are not laid out as those of ISMRMRD")
    for part in (data, xml):
        within_hdf5(path, part)
    rows = [data.fields("head")[i : i + 4096] for i in range(0, len(data), 4096)]
    heads = np.concatenate(rows) if rows else None
    if heads is None:
        raise ValueError("holds no readouts")
    return Readouts(heads, data, bytes(xml[()].reshape(-1)[0]), Path(path))


def _laid_out(data: Any, h5py: Any) -> bool:
    """Whether readouts have a header, a trajectory and samples, in usual numbers: converting others, HDF5 may write
    past its memory."""
    kind = data.dtype
    if kind.names is None or set(kind.names) != {"head", "traj", "data"} or kind["head"].names is None:
        return False
    counters = kind["head"]["idx"].names if "idx" in kind["head"].names else None
    if not set(_HEAD) <= set(kind["head"].names) or not counters or not set(_COUNTERS) <= set(counters):
        return False
    floats = all(h5py.check_vlen_dtype(kind[name]) == np.dtype("float32") for name in ("traj", "data"))
    return floats and _usual(data.id.get_type(), h5py.h5t)


def _usual(kind: Any, h5t: Any) -> bool:
    if isinstance(kind, h5t.TypeCompoundID):
        return all(_usual(kind.get_member_type(i), h5t) for i in range(kind.get_nmembers()))
    if isinstance(kind, h5t.TypeArrayID | h5t.TypeVlenID):
        return _usual(kind.get_super(), h5t)
    return isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID) and kind.equal(h5t.py_create(kind.dtype))


def _chosen(readouts: Readouts, encoding: int, asked: dict[str, int]) -> tuple[np.ndarray, dict[str, Any]]:
    """Image and calibration readouts of what is asked for, and what else the file holds."""
    mine = ~readouts.flagged(_NOISE, *_OTHER) & (readouts.heads["encoding_space_ref"] == encoding)
    said: dict[str, Any] = {}
    for name, number in asked.items():
        there = readouts.heads["idx"][name]
        if mine.any() and int(there[mine].max()) > 0:
            said[name] = f"{number} of {int(there[mine].max()) + 1}"
    for name, number in asked.items():
        mine &= readouts.heads["idx"][name] == number
    return mine, said


def _covariance(readouts: Readouts, time: float) -> Tensor | None:
    """Covariance of noise in data of ``time`` microseconds for each sample: that of the noise scan, times its bandwidth
    in theirs, over the share that the receiver's filter leaves."""
    from ..corrections.mri import noise_covariance

    found = list(readouts.values(readouts.flagged(_NOISE)))
    if not found:
        return None
    counts = {len(samples) for _, _, samples, _ in found}
    if len(counts) > 1:
        raise ValueError(f"noise scans of {sorted(counts)} coils")
    scan = torch.from_numpy(np.concatenate([samples for _, _, samples, _ in found], 1))
    times = float(found[0][1]["sample_time_us"]), time
    faster = times[1] / times[0] if all(0 < t < math.inf for t in times) else 1.0
    return noise_covariance(scan) / faster / receiver_bandwidth(readouts.xml)
