"""Maps in FITS files, with their place on the sky."""

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
    path: str | Path, x: Tensor, *, centre: tuple[float, float], pixel_scale: float, east: str = "right"
) -> None:
    """Write a map (1, 1, H, W) on the tangent plane around ``centre`` (right ascension and declination, degrees); rows
    go to the north, columns to the east as :func:`operators.bin_shear` has it (``east="left"``: to the west).

    Raises:
        ValueError: more than one map, or a value that does not fit.
    """
    if x.ndim != 4 or x.shape[:2] != (1, 1) or x.is_complex():
        raise ValueError(f"x: expected a real map (1, 1, H, W), got {x.dtype}, {tuple(x.shape)}")
    if east not in ("left", "right") or not pixel_scale > 0:
        raise ValueError("east: expected 'left' or 'right'; pixel_scale: a positive number")
    fits, wcs_type = _astropy()
    height, width = x.shape[-2:]
    wcs = wcs_type(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = list(centre)
    wcs.wcs.crpix = [width / 2 + 0.5, height / 2 + 0.5]
    wcs.wcs.cdelt = [(1 if east == "right" else -1) * pixel_scale / 60, pixel_scale / 60]
    fits.writeto(path, x[0, 0].detach().cpu().numpy(), wcs.to_header(), overwrite=True)
