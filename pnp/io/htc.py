"""The Helsinki Tomography Challenge's .mat files: fan-beam sinograms of plastic discs."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators import FanBeam

from .matlab import read_mat
from .measurement import Measurement
from .projections import radians, seen

__all__ = ["holds_htc", "read_htc"]

_NAMES = ("CtDataLimited", "CtDataFull")


def holds_htc(path: Path) -> bool:
    """Whether a .mat file holds a scan of the challenge."""
    return bool(read_mat(path, _NAMES))


def read_htc(
    path: Path, image_shape: int | tuple[int, int] = 512, *, views: slice = slice(None), clockwise: bool = False
) -> Measurement:
    """The measurement of a file of the Helsinki Tomography Challenge 2022: line integrals, millimetres, degrees.

    The angles are those of the organisers' own operator (HelTomo: ASTRA's ``fanflat``, whose conventions
    :class:`operators.FanBeam` has).

    Args:
        image_shape: as many pixels as cover 512 detector bins at the centre of rotation, whatever their number.
        views: some of the views, ``slice(0, 90)``.
        clockwise: they turn the other way.

    Raises:
        ValueError: a part is missing, or does not fit.

    Meaney, Silva de Moura, Juvonen, Siltanen 2022, doi:10.5281/zenodo.6984868.
    """
    found = read_mat(path, _NAMES)
    name = next((n for n in _NAMES if n in found), None)
    if name is None:
        raise ValueError(f"holds neither {' nor '.join(_NAMES)}")
    scan = found[name] if isinstance(found[name], dict) else {}
    parameters = scan.get("parameters")
    if not isinstance(parameters, dict):
        raise ValueError(f"{name}: expected a structure with parameters")
    sinogram = np.asarray(scan.get("sinogram"))
    if sinogram.ndim != 2 or sinogram.dtype.kind not in "uif" or not sinogram.size:
        raise ValueError(f"{name}.sinogram: expected (angles, detectors) real numbers, got {sinogram.shape}")
    if not np.isfinite(sinogram).all():
        raise ValueError(f"{name}.sinogram: values are not finite")
    source, detector, bin_width = (
        _number(parameters, key) for key in ("distanceSourceOrigin", "distanceSourceDetector", "pixelSizePost")
    )
    if not source < detector:
        raise ValueError(f"distanceSourceDetector: expected more than {source}, got {detector}")
    pixels = max(image_shape) if isinstance(image_shape, tuple) else image_shape
    angles = radians(_numbers(parameters, "angles"), "degrees", len(sinogram))
    y, _, angles = seen(torch.from_numpy(sinogram.astype(np.float32))[None, None], None, angles, views, clockwise)
    arguments: dict[str, Any] = {
        "image_shape": image_shape,
        "angles": angles,
        "source_distance": source,
        "detector_distance": detector - source,
        "detector_count": sinogram.shape[1],
        "detector_spacing": bin_width,
        "pixel_size": bin_width * source / detector * 512 / pixels,
    }
    said = {key: str(parameters[key]) for key in ("scanner", "date", "distanceUnit") if key in parameters}
    return Measurement(y, FanBeam, arguments, None, said, of_object=True)


def _numbers(parameters: dict[str, Any], name: str) -> np.ndarray:
    value = np.asarray(parameters.get(name))
    if value.dtype.kind not in "uif":
        raise ValueError(f"parameters.{name}: expected numbers, got {value!r:.60}")
    return value.astype(float)


def _number(parameters: dict[str, Any], name: str) -> float:
    value = _numbers(parameters, name)
    if value.size != 1 or not 0 < float(value.squeeze()) < np.inf:
        raise ValueError(f"parameters.{name}: expected a positive number, got {value!r:.60}")
    return float(value.squeeze())
