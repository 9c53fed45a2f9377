"""HDF5 of tomography: data exchange files and NXtomo, rows of the detector read in slabs of views."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .hdf5_bounds import within_hdf5
from .measurement import Measurement
from .opening import package, within
from .projections import chosen_rows, measured_projections, radians, slabs

__all__ = ["holds_exchange", "holds_nxtomo", "read_exchange", "read_nxtomo"]

_PROJECTION, _WHITE, _DARK = 0, 1, 2  # values of NXtomo's image_key


def holds_exchange(path: Path) -> bool:
    """Whether an HDF5 file has the layout of data exchange."""
    with package("h5py", "io").File(path) as file:
        return "exchange/data" in file


def holds_nxtomo(path: Path) -> bool:
    """Whether an HDF5 file has frames with NXtomo's keys."""
    with package("h5py", "io").File(path) as file:
        return _detector(file) is not None


def read_exchange(
    path: Path,
    rows: int | slice | None = None,
    *,
    angles: Any = None,
    logged: bool = False,
    views: slice = slice(None),
    clockwise: bool = False,
) -> Measurement:
    """The measurement of a data exchange file: ``exchange/data`` (views, rows, detectors) counts, ``data_white`` and
    ``data_dark``, ``theta``; parallel beam.

    Args:
        rows: of the detector, each one a slice of the batch; ``None``: the one in the middle.
        angles: in radians, where the file has none.
        logged: the values are line integrals already.
        views: some of the views, ``slice(0, 90)``.
        clockwise: they turn the other way.

    Raises:
        ValueError: the layout is another one, or something is missing. ImportError: h5py is missing.

    De Carlo et al. 2014, doi:10.1107/S160057751401604X.
    """
    with package("h5py", "io").File(path) as file:
        data = _values(file, "exchange/data", path, 3)
        axes = _text(data.attrs.get("axes")) or "theta:y:x"
        if axes != "theta:y:x":
            raise ValueError(f"exchange/data lies as {axes}, expected theta:y:x")
        picked = chosen_rows(rows, data.shape[1])
        white, dark = (
            _rows(_values(file, name, path, 3, field=True), picked, path)
            if (name := f"exchange/data_{kind}") in file
            else None
            for kind in ("white", "dark")
        )
        if angles is None:
            if "exchange/theta" not in file:
                raise ValueError("holds no exchange/theta; angles= takes them, in radians")
            theta = _values(file, "exchange/theta", path, 1)
            angles = radians(theta[()], _text(theta.attrs.get("units")), len(data))
        else:
            angles = radians(angles, "rad", len(data))
        said = {"rows": f"{picked.start}:{picked.stop}:{picked.step} of {data.shape[1]}", **_about(file)}
        counts = _rows(data, picked, path)
    return measured_projections(
        counts, angles, white=white, dark=dark, logged=logged, views=views, clockwise=clockwise, provenance=said
    )


def read_nxtomo(
    path: Path,
    rows: int | slice | None = None,
    *,
    logged: bool = False,
    views: slice = slice(None),
    clockwise: bool = False,
) -> Measurement:
    """The measurement of an NXtomo file: frames (frames, rows, detectors) with ``image_key`` (0 projection, 1 flat
    field, 2 dark field, 3 invalid) and ``rotation_angle``; parallel beam. Flat fields hold for the views beside which
    they were taken, between them the beam is interpolated. Arguments as of :func:`read_exchange`.

    Raises:
        ValueError: something is missing, or does not fit. ImportError: h5py is missing.

    NeXus 2023, application definition NXtomo.
    """
    with package("h5py", "io").File(path) as file:
        place = _detector(file)
        if place is None:
            raise ValueError("holds no detector with data and image_key")
        data = _values(file, f"{place}/data", path, 3)
        key = np.asarray(_values(file, f"{place}/image_key", path, 1)[()])
        name = _angle_name(file, place, len(data))
        turned = _values(file, name, path, 1)
        if not len(key) == len(turned) == len(data):
            raise ValueError(f"{len(data)} frames, but {len(key)} keys and {len(turned)} angles")
        seen = key == _PROJECTION
        if not seen.any():
            raise ValueError("image_key: no frame is a projection")
        units = _text(turned.attrs.get("units"))
        angles = radians(np.asarray(turned[()])[seen], units, int(seen.sum()))
        picked = chosen_rows(rows, data.shape[1])
        said = {"rows": f"{picked.start}:{picked.stop}:{picked.step} of {data.shape[1]}"}
        frames = _rows(data, picked, path)
    kinds = [torch.from_numpy(key == kind) for kind in (_PROJECTION, _WHITE, _DARK)]
    counts, white, dark = (frames[kind] for kind in kinds)
    white_at = np.cumsum(seen)[key == _WHITE] - 0.5  # between the views before and after
    return measured_projections(
        counts, angles, white=white, dark=dark, logged=logged, white_at=white_at, views=views, clockwise=clockwise,
        provenance=said,
    )  # fmt: skip


def _values(file: Any, name: str, path: Path, axes: int, *, field: bool = False) -> Any:
    """A dataset of real numbers of a usual type, and of so many axes; a ``field``, of the detector, may be one frame
    without the first of them, or none."""
    data = file.get(name)
    if not hasattr(data, "shape") or data.shape is None:
        raise ValueError(f"holds no {name}")
    types = package("h5py.h5t", "io")
    if data.dtype.kind not in "buif" or not data.id.get_type().equal(types.py_create(data.dtype)):
        raise ValueError(f"{name} is not of a usual type of real numbers")
    if not (data.ndim == axes or (field and data.ndim == axes - 1)) or not (data.size or field):
        raise ValueError(f"{name} of shape {data.shape}, expected {axes} axes")
    within_hdf5(path, data, whole=axes == 1)
    return data


def _rows(data: Any, rows: slice, path: Path) -> Tensor:
    """Values (views, chosen rows, detectors) in single precision, of (views, rows, detectors) or of one frame; no more
    than a slab is read at once."""
    if data.ndim == 2:
        within(path, data.shape, 4)
        return torch.from_numpy(data[rows, :].astype(np.float32))[None]
    views, bins = data.shape[0], data.shape[2]
    count = len(range(data.shape[1])[rows])
    within(path, (views, count, bins), max(4, data.dtype.itemsize))
    out = np.empty((views, count, bins), np.float32)
    for part in slabs(views, count * bins * data.dtype.itemsize):
        out[part] = data[part, rows, :]
    return torch.from_numpy(out)


def _detector(file: Any) -> str | None:
    """The group that holds frames and their keys."""

    def look(name: str) -> str | None:
        group, _, last = name.rpartition("/")
        return group if last == "image_key" and group and f"{group}/data" in file else None

    return file.visit(look)


def _angle_name(file: Any, place: str, frames: int) -> str:
    """Where the angles are: beside the frames, or in the sample."""

    def look(name: str) -> str | None:
        fits = name.rpartition("/")[2] == "rotation_angle" and getattr(file[name], "shape", ()) == (frames,)
        return name if fits else None

    found = f"{place}/rotation_angle" if f"{place}/rotation_angle" in file else file.visit(look)
    if found is None:
        raise ValueError(f"holds no rotation_angle of {frames} frames")
    return found


def _text(value: Any) -> str | None:
    """An attribute as text, which files keep as text, as bytes, as an array of one of these, or empty."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if value is None or isinstance(value, package("h5py", "io").Empty):
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _about(file: Any) -> dict[str, str]:
    """What a file says of the sample."""
    name = file.get("measurement/sample/name")
    if not (hasattr(name, "shape") and name.shape == () and package("h5py", "io").check_string_dtype(name.dtype)):
        return {}
    return {"sample": _text(name[()]) or ""}
