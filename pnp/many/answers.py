"""Answers to files: images in any format that is written, and the JSON beside them."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from denoisers.weights import refuse_existing
from denoisers.weights.writing import written

from ..io import Measurement
from ..io.measured_images import square_pixel
from ..io.provenance import as_text
from ..io.sky import write_sky_map
from ..io.writing import ending_of, write_images
from ..result import Result
from .standing import card_of, file_hash, stamp

__all__ = ["images_of", "pixel_of", "write_answer", "write_card"]


def images_of(x: Tensor) -> list[Tensor]:
    """Images (C, H, W) of a batch, the slices of volumes one after the other."""
    if x.ndim == 5:  # (B, C, D, H, W)
        x = x.movedim(2, 1).flatten(0, 1)
    return list(x)


def pixel_of(result: Result) -> tuple[float, str] | None:
    """Side of a pixel and its unit, where the operator knows them: ``cell`` of skies, ``pixel_scale`` of maps."""
    op = None if result.source is None else result.source.solver.op
    for name, unit in (("cell", "arcsec"), ("pixel_scale", "arcmin")):
        side = getattr(op, name, None)
        if isinstance(side, int | float) and side > 0:
            return float(side), unit
    return None


def _is_sky(measured: Measurement, x: Tensor) -> bool:
    """Whether the header of a FITS file can tell where on the sky a map lies, or how large its pixels are."""
    known = {name for kept in (measured.arguments, measured.provenance) for name in kept if kept[name] is not None}
    return bool(known & {"cell", "pixel_scale"}) and x.shape[:2] == (1, 1) and not x.is_complex()


def write_answer(
    place: str | Path,
    result: Result,
    told: Mapping[str, Any],
    measured: Measurement | None = None,
    *,
    pixel: tuple[float, str] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the image of a result with its provenance ``told``, and give the files: complex values as ``.npz``,
    magnitudes elsewhere; pictures have the range of the image, FITS files of one map the coordinates and units that
    ``measured`` tells.

    ``.npz`` holds ``x`` (B, C, H, W) as it is, ``report`` (:meth:`pnp.Result.to_json`) and ``provenance``, JSON both.
    """
    ending = ending_of(place)
    if ending == ".npz":
        refuse_existing(place, overwrite=overwrite)
        arrays = {"x": result.x.detach().cpu().numpy(), "report": np.array(result.to_json().encode())}
        with written(place) as partial, open(partial, "wb") as file:
            np.savez(file, **arrays, provenance=np.array(as_text(told).encode()))  # pyright: ignore
        return [Path(place)]
    pixel = pixel or pixel_of(result) or square_pixel(told.get("data", {}))
    if ending == ".fits" and measured is not None and _is_sky(measured, result.x):
        write_sky_map(place, result.x, measured, result=result, overwrite=overwrite)
        return [Path(place)]
    images = images_of(result.x.abs() if result.x.is_complex() else result.x)
    limits = None
    if ending in (".png", ".jpg", ".jpeg"):
        limits = (min(float(i.min()) for i in images), max(float(i.max()) for i in images))
    return write_images(place, images, overwrite=overwrite, provenance=told, pixel=pixel, limits=limits)


def write_card(
    place: Path,
    files: Sequence[Path],
    path: Path,
    settings: Mapping[str, Any],
    result: Result,
    told: Mapping[str, Any],
    seconds: float,
) -> None:
    """The JSON beside an answer, which makes it done."""
    card = {
        "input": {"file": str(path), **stamp(path), "sha256": file_hash(path)},
        "files": [file.name for file in files],
        "settings": settings,
        "seconds": round(seconds, 3),
        "by": {"machine": platform.node(), "process": os.getpid()},
        "provenance": told,
        "report": json.loads(result.to_json()),
    }
    with written(card_of(place)) as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n")
