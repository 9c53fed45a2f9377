"""Maps of shear and convergence in FITS files, with their place on the sky where they have one."""

import math
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from operators import Inpainting, KaiserSquires

from .measurement import Measurement
from .opening import named, package, within
from .shear_catalogue import signs_of

__all__ = ["fits_image", "is_shear_map", "read_sky_map", "Place", "sky_place"]

_FIRST = re.compile(r"(?:(?<=[^a-z])|^)(e|g|gamma|shear)_?1(?=[^0-9]|$)", re.IGNORECASE)


def read_sky_map(
    path: str | Path,
    *,
    second: str | Path | None = None,
    mask: str | Path | None = None,
    std: float | str | Path | tuple[str | Path, str | Path] | None = None,
    pixel_scale: float | None = None,
    signs: tuple[int, int] | str = "auto",
) -> Measurement:
    """A map of shear or of convergence.

    Shear has two components: two images of one file, two planes of one image, or two files, of which the other is found
    where the name of the first has e1, g1, gamma1 or shear1. Values that are not finite are holes. A map without a
    second component is convergence, data of :class:`operators.Inpainting`.

    Args:
        second: file of the second component. mask: file, 0 where nothing is measured; found as the second is.
        std: noise per component: a number, a file, or one for each component (their root mean square is taken).
        pixel_scale: arcmin, default that of the header.
        signs: as of :func:`pnp.io.read_shear_catalogue`.

    Raises:
        ValueError: a file is broken, or maps do not fit; it is named. ImportError: astropy is missing.
    """
    path = Path(path)
    with named(path):
        planes, header = fits_image(path, several=True)
        if len(planes) == 1:
            second = second or _sibling(path, lambda found: found[:-1] + "2")
            planes = [*planes, fits_image(second)[0][0]] if second else planes
        mask = mask or _sibling(path, lambda found: "mask")
        hole: np.ndarray = np.logical_not(np.isfinite(planes).all(0))
        if mask is not None:
            given = fits_image(mask)[0][0]
            if given.shape != hole.shape:
                raise ValueError(f"mask: {Path(mask).name} has shape {given.shape}, the map {hole.shape}")
            hole |= ~(given > 0)
        noise = _noise(std, hole)
        if any(p.shape != hole.shape for p in planes) or len(planes) > 2:
            raise ValueError(f"expected two maps of one shape, got {[p.shape for p in planes]}")
        if hole.all():
            raise ValueError("no pixel has a finite value where the mask is not 0")
        place = sky_place(header)
        said: dict[str, Any] = {"unit": "shear" if len(planes) == 2 else "convergence"}
        if place is not None and place.upright(hole.shape):
            said |= {"centre": place.centre, "east": place.east}
        scale = pixel_scale or (place.scale if place else None)
        seen, shape = torch.from_numpy(~hole).float(), (hole.shape[0], hole.shape[1])
        values = [torch.from_numpy(np.where(hole, 0, p).astype(np.float32))[None, None] for p in planes]
        if len(planes) == 1:
            return Measurement(values[0], Inpainting, {"mask": seen}, noise, {**said, "pixel_scale": scale})
        y = torch.complex(*values)
        convention, said["signs"] = signs_of(y, seen, signs)
    arguments = {"image_shape": shape, "mask": seen, "pixel_scale": scale, "convention": convention}
    return Measurement(y, KaiserSquires, arguments, noise, {**said, "pixel_scale": scale})


def fits_image(path: str | Path, *, several: bool = False) -> tuple[Any, Any]:
    """The planes (n, H, W) of the first image of a FITS file, or of its first two of one plane each, with the header:
    declinations run along the first of both axes, right ascensions along the second one, whatever the file's order.

    Raises:
        ValueError: the file holds no image.
    """
    found: list[np.ndarray] = []
    header = None
    with package("astropy.io.fits", "lensing").open(path, memmap=False) as file:
        for unit in file:
            h = unit.header
            if not unit.is_image or h.get("GROUPS") or h.get("NAXIS", 0) < 2:
                continue
            sizes = [int(h.get(f"NAXIS{k}", 0)) for k in range(1, h["NAXIS"] + 1)]
            within(path, sizes, abs(int(h["BITPIX"])) // 8)
            data = np.asarray(unit.data)
            if axes := _sky_axes(h):  # FITS' axes run backwards
                data = np.moveaxis(data, [data.ndim - 1 - k for k in axes], (-1, -2))
            data = data.reshape(-1, *data.shape[-2:]).astype(np.float64)
            header = h if header is None else header
            found += [*data]
            if not several or len(found) > 1:
                break
    if not found or header is None:
        raise ValueError("holds no image of two axes")
    if len(found) > 2 or (len(found) > 1 and not several):
        raise ValueError(f"holds {len(found)} planes in one image, expected {'one or two' if several else 'one'}")
    return np.stack(found) if len({p.shape for p in found}) == 1 else found, header


def _sky_axes(header: Any) -> tuple[int, int] | None:
    """Numbers, from 0, of a header's axes of longitude and latitude, such as RA---SIN and DEC--SIN.

    >>> _sky_axes({"NAXIS": 3, "CTYPE1": "FREQ", "CTYPE2": "DEC--SIN", "CTYPE3": "RA---SIN"})
    (2, 1)
    """
    kinds = [str(header.get(f"CTYPE{k}", "")).split("-")[0].strip().upper() for k in range(1, header["NAXIS"] + 1)]
    for pair in (("RA", "DEC"), ("GLON", "GLAT"), ("ELON", "ELAT")):
        if all(kinds.count(name) == 1 for name in pair):
            return kinds.index(pair[0]), kinds.index(pair[1])
    return None


class Place(NamedTuple):
    """Pixel scale in arcmin; right ascension and declination, degrees, of pixel (H // 2, W // 2) where east is to the
    left, of the middle of the map where it is to the right; whether rows go to the south; by how many degrees these
    are turned from there, through east."""

    scale: float
    centre: tuple[float, float]
    east: str
    south: bool
    turned: float

    def upright(self, shape: tuple[int, ...]) -> bool:
        """Whether rows go to the north; a turn that moves no pixel by half of one is none."""
        return not self.south and abs(math.sin(math.radians(self.turned))) * max(shape) < 1


def sky_place(header: Any, *, mended: bool = False) -> Place | None:
    """Where on the sky a header says that the image is, if it does. ``mended``: its centre is that of an image whose
    columns, or rows, have been reversed where they run to the east, or to the south."""
    wcs_type = package("astropy.wcs", "lensing").WCS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old keywords
        axes = _sky_axes(header) or (0, 1)
        wcs = wcs_type(header, naxis=[k + 1 for k in axes])
        if not wcs.has_celestial:
            return None
        matrix = wcs.pixel_scale_matrix  # of columns and rows, degrees to the east and to the north
        turned = math.degrees(math.atan2(matrix[0, 1], matrix[1, 1]))
        south = abs(turned) > 90
        mirrored = bool(np.linalg.det(matrix) > 0) != south
        turned -= math.copysign(180, turned) if south else 0
        scale = 60 * float(np.sqrt(np.abs(np.linalg.det(matrix))))
        sizes = [header[f"NAXIS{k + 1}"] for k in axes]
        middle: list[float] = [(n - 1) / 2 if mirrored else n // 2 for n in sizes]
        if mended:
            middle = [n - 1 - n // 2 if back else n // 2 for n, back in zip(sizes, (mirrored, south))]
        ra, dec = (float(v) for v in wcs.wcs_pix2world(*middle, 0))
    if not (np.isfinite([scale, ra, dec]).all() and scale > 0):
        raise ValueError("the header's coordinates are not finite")
    return Place(scale, (ra, dec), "right" if mirrored else "left", south, turned)


def _sibling(path: Path, other: Any) -> Path | None:
    """A file beside this one whose name has another word where this one's has e1, g1, gamma1 or shear1."""
    if not _FIRST.search(path.name):
        return None
    name = _FIRST.sub(lambda m: other(m.group(0)), path.name)
    return path.with_name(name) if path.with_name(name).exists() else None


def is_shear_map(path: Path) -> bool:
    """Whether a name says that a map is one of shear or convergence.

    >>> [is_shear_map(Path(n)) for n in ("cosmos_e1_0.29.fits", "kappa.fits", "m31.fits", "range10.fits")]
    [True, True, False, False]
    """
    return bool(_FIRST.search(path.name) or re.search("kappa|convergence|shear", path.name, re.IGNORECASE))


def _noise(std: Any, hole: np.ndarray) -> float | torch.Tensor | None:
    if std is None or isinstance(std, int | float):
        return std
    files = std if isinstance(std, tuple) else (std,)
    parts = np.stack([fits_image(f)[0][0] for f in files])
    if parts.shape[1:] != hole.shape:
        raise ValueError(f"std: shape {parts.shape[1:]}, the map has {hole.shape}")
    level = np.sqrt((parts**2).mean(0))
    level = np.where(hole | ~(level > 0), np.inf, level)
    return torch.from_numpy(level.astype(np.float32))[None, None]
