"""Maps in FITS files, with their place on the sky."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["SkyMap", "read_map", "write_map"]


class SkyMap(NamedTuple):
    """A map (1, 1, H, W), float32, its header, and the side of its pixels in arcmin (``None`` where none is given)."""

    map: Tensor
    header: Any
    pixel_scale: float | None


def _astropy() -> tuple[Any, Any]:
    try:
        from astropy.io import fits
        from astropy.wcs import WCS
    except ImportError as error:
        raise ImportError("FITS files need astropy: pip install 'pnp-imaging[io]'") from error
    return fits, WCS


def read_map(path: str | Path) -> SkyMap:
    """The first image of a FITS file.

    Raises:
        ValueError: no image of two axes, or a broken file; it is named. ImportError: astropy is missing.
    """
    fits, wcs_type = _astropy()
    try:
        with fits.open(path) as file:
            for unit in file:
                if unit.data is not None and unit.is_image and np.squeeze(unit.data).ndim == 2:
                    data = torch.from_numpy(np.squeeze(unit.data).astype(np.float32))
                    wcs = wcs_type(unit.header, naxis=2)
                    scale = None
                    if wcs.has_celestial:
                        scale = 60 * float(np.sqrt(np.abs(np.linalg.det(wcs.pixel_scale_matrix))))
                    return SkyMap(data[None, None], unit.header, scale)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    raise ValueError(f"{path}: holds no image of two axes")


def write_map(
    path: str | Path,
    x: Tensor,
    *,
    centre: tuple[float, float],
    pixel_scale: float,
    east: str = "right",
    projection: str | None = None,
    unit: str | None = None,
    beam: tuple[float, float, float] | None = None,
    frequency: float | None = None,
    cards: Mapping[str, Any] | None = None,
) -> None:
    """Write a map (1, 1, H, W) with its place on the sky; rows go to the north.

    Columns go to the east and ``centre`` is the middle of the map on the tangent plane, as :func:`operators.bin_shear`
    has it; or with ``east="left"`` they go to the west, ``centre`` is at pixel (H // 2, W // 2) and the coordinates are
    direction cosines (FITS' SIN projection), as :class:`operators.RadioInterferometry` has them.

    Args:
        path: written over.
        centre: right ascension and declination, degrees.
        pixel_scale: arcmin.
        east: ``"right"`` or ``"left"``.
        projection: ``"TAN"`` or ``"SIN"``, by default as above.
        unit: of the values, such as ``"Jy/beam"`` or ``"Jy/pixel"`` (BUNIT).
        beam: full widths at half maximum of the major and the minor axis in arcsec, and the position angle in degrees,
            from north to east (BMAJ, BMIN, BPA).
        frequency: Hz; the third axis of the file.
        cards: further entries of the header, such as OBJECT and HISTORY.

    Raises:
        ValueError: more than one map, or a value that does not fit. ImportError: astropy is missing.

    Calabretta, Greisen 2002, doi:10.1051/0004-6361:20021327.
    """
    if x.ndim != 4 or x.shape[:2] != (1, 1) or x.is_complex():
        raise ValueError(f"x: expected a real map (1, 1, H, W), got {x.dtype}, {tuple(x.shape)}")
    if east not in ("left", "right") or not 0 < pixel_scale < math.inf:
        raise ValueError("east: expected 'left' or 'right'; pixel_scale: a positive number")
    if projection not in (None, "TAN", "SIN"):
        raise ValueError(f"projection: expected 'TAN' or 'SIN', got {projection!r}")
    if beam is not None and not (len(beam) == 3 and beam[0] >= beam[1] > 0 and all(map(math.isfinite, beam))):
        raise ValueError(f"beam: expected (major, minor, angle), arcsec and degrees, major >= minor > 0, got {beam!r}")
    if frequency is not None and not 0 < frequency < math.inf:
        raise ValueError(f"frequency: expected a positive number of Hz, got {frequency!r}")
    fits, wcs_type = _astropy()
    height, width = x.shape[-2:]
    radio = east == "left"
    kind = projection or ("SIN" if radio else "TAN")
    axes = 2 if frequency is None else 3
    wcs = wcs_type(naxis=axes)
    wcs.wcs.ctype = [f"RA---{kind}", f"DEC--{kind}", "FREQ"][:axes]
    wcs.wcs.cunit = ["deg", "deg", "Hz"][:axes]
    wcs.wcs.crval = [*centre, frequency][:axes]
    middle = [n // 2 + 1 if radio else (n + 1) / 2 for n in (width, height)]
    wcs.wcs.crpix = [*middle, 1][:axes]
    wcs.wcs.cdelt = [(-1 if radio else 1) * pixel_scale / 60, pixel_scale / 60, 1.0][:axes]
    header = wcs.to_header()
    if unit is not None:
        header["BUNIT"] = unit
    if beam is not None:
        header["BMAJ"], header["BMIN"], header["BPA"] = beam[0] / 3600, beam[1] / 3600, beam[2]
    for name, value in (cards or {}).items():
        header[name] = value
    data = x[0, 0] if frequency is None else x[0]
    fits.writeto(path, data.detach().cpu().resolve_neg().numpy(), header, overwrite=True)
