"""Catalogues of galaxies with their ellipticities: FITS tables, CSV, HDF5."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from operators import KaiserSquires, LensingConvention, bin_shear, shear_signs

from ..corrections.lensing.calibration import calibrated
from .hdf5_bounds import within_hdf5
from .measurement import Measurement
from .opening import named, package, sides, within
from .table import numbers, table_of

__all__ = ["is_catalogue", "read_shear_catalogue", "shear_columns", "signs_of"]

_ALIASES = {
    "ra": ("ra", "ra_gal", "alpha_j2000", "alpha", "raj2000", "ra_deg"),
    "dec": ("dec", "dec_gal", "delta_j2000", "delta", "dej2000", "decj2000", "dec_deg"),
    "e1": ("e1", "g1", "gamma1", "e_1", "ellip1", "e1_gal"),
    "e2": ("e2", "g2", "gamma2", "e_2", "ellip2", "e2_gal"),
    "weight": ("weight", "weights", "w", "wt", "shape_weight"),
    "m": ("m", "m_bias", "m_corr"),
    "c1": ("c1", "c_1"),
    "c2": ("c2", "c_2"),
    "redshift": ("z", "z_phot", "zphot", "z_b", "photo_z", "z_cgal"),
}  # fmt: skip
_FITS = (".fits", ".fit", ".fits.gz")
_DEGREES = {"deg": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600, "rad": 180 / math.pi}
_A_PIXEL, _LARGEST = 4.0, 2048  # galaxies of a pixel, pixels of a side where none are given
_TOO_MUCH = 10.0  # for an ellipticity, with some way of measuring it


def read_shear_catalogue(
    path: str | Path,
    *,
    pixel_scale: float | None = None,
    image_shape: int | tuple[int, int] | None = None,
    centre: tuple[float, float] | None = None,
    signs: tuple[int, int] | str = "auto",
    calibrate: bool = True,
    unit: str | None = None,
    **columns: str,
) -> Measurement:
    """The shear map of a catalogue: a FITS table, CSV with names in its first line, or HDF5 with a dataset a column.

    Galaxies are binned by :func:`operators.bin_shear`; the noise of a pixel is the scatter of the ellipticities over
    the root of its effective number of galaxies, infinite where there is none.

    Args:
        pixel_scale: arcmin; default: four galaxies a pixel, about.
        image_shape: (H, W), or an int for a square, default: what holds the catalogue.
        centre: right ascension and declination, degrees, default the middle of the catalogue.
        signs: of e1 and e2, as :class:`operators.LensingConvention` has them; ``"auto"``: those of
            :func:`operators.shear_signs`, where it is sure, else (1, 1).
        calibrate: m and c are corrected where the catalogue has them
            (:func:`pnp.corrections.lensing.calibrated`).
        unit: of ra and dec: ``"deg"``, ``"arcmin"``, ``"arcsec"`` or ``"rad"``; default: that of the columns of a FITS
            table, else degrees.
        columns: names of the columns ra, dec, e1, e2, weight, m, c1, c2, redshift, where they have other
            than the usual names, as ``e1="e1n_gal"``. Galaxies with values that are not finite or weights <= 0 are
            left out.

    Raises:
        ValueError: the file is broken, or a column is not there; it is named. ImportError: a package is missing.
    """
    with named(path):
        found = shear_columns(path, columns)
        for name in ("ra", "dec"):
            of = unit or _fits_units(path).get(columns.get(name, name).lower()) or "deg"
            if of not in _DEGREES:
                raise ValueError(f"unit: expected one of {', '.join(_DEGREES)}, that of ra and dec, got {of!r}")
            found[name] = _DEGREES[of] * found[name]
        known = [k for k in ("ra", "dec", "e1", "e2", "weight", "m", "c1", "c2") if k in found]
        good = np.all([np.isfinite(found[k]) for k in known], axis=0)
        good &= found.get("weight", np.ones(len(good))) > 0
        if not good.any():
            raise ValueError("no galaxy has finite values and a weight > 0")
        found = {k: v[good] for k, v in found.items()}
        largest = float(np.hypot(found["e1"], found["e2"]).max())
        e1, e2, weight = found["e1"], found["e2"], found.get("weight", np.ones(int(good.sum())))
        said: dict[str, Any] = {"galaxies": len(e1), "left out": int((~good).sum())}
        if calibrate and {"m", "c1", "c2"} & found.keys():
            e1, e2, said["calibration"] = calibrated(
                e1, e2, m=found.get("m"), c=(found.get("c1", 0.0), found.get("c2", 0.0)), weight=weight
            )
        if "redshift" in found:
            said["redshift"] = float(np.nanmean(found["redshift"]))
        shape, scale = _grid(
            found["ra"], found["dec"], pixel_scale, None if image_shape is None else sides(image_shape)
        )
        centre = centre or _middle(found["ra"], found["dec"])
        binned = bin_shear(found["ra"], found["dec"], (e1, e2), image_shape=shape, pixel_scale=scale,
                           centre=centre, weight=weight)  # fmt: skip
        if largest > _TOO_MUCH:
            warnings.warn(
                f"ellipticities up to {largest:.4g}, where 1 is usual: are there flags among them, such as -99?",
                stacklevel=2,
            )
        scatter = math.sqrt(float(np.average(e1**2 + e2**2, weights=weight)) / 2)
        if not scatter > 0:
            raise ValueError("ellipticities are all zero")
        convention, said["signs"] = signs_of(binned.shear, binned.mask, signs)
        said |= {
            "scatter of ellipticities": scatter,
            "pixel_scale": scale,
            "centre": centre,
            "east": "right",
            "unit": "shear",
        }
        noise = scatter / binned.counts.sqrt()
    arguments = {"image_shape": shape, "mask": binned.mask, "pixel_scale": scale, "convention": convention}
    return Measurement(binned.shear, KaiserSquires, arguments, noise[None, None], said)


def shear_columns(path: str | Path, columns: dict[str, str]) -> dict[str, np.ndarray]:
    """Columns of a catalogue in double precision by what they are, as far as they are there."""
    unknown = columns.keys() - _ALIASES.keys()
    if unknown:
        raise TypeError(f"columns: expected some of {', '.join(_ALIASES)}, got {', '.join(sorted(unknown))}")
    table = _table(path)
    lower = {name.lower(): name for name in table}
    found = {}
    for what, usual in _ALIASES.items():
        if what in columns and columns[what] not in table:
            raise ValueError(f"{what}: no column {columns[what]!r}, only {', '.join(table)}")
        name = columns.get(what) or next((lower[a] for a in usual if a in lower), None)
        if name is not None:
            found[what] = numbers(name, table[name])
    missing = [what for what in ("ra", "dec", "e1", "e2") if what not in found]
    if missing:
        raise ValueError(f"{missing[0]}: no column has a usual name, say which of {', '.join(table)}")
    if not len(found["ra"]):
        raise ValueError("holds no galaxies")
    return found


def _table(path: str | Path) -> dict[str, np.ndarray]:
    name = str(path).lower()
    if name.endswith((".h5", ".hdf5")):
        return _hdf5(path)
    if not name.endswith(_FITS):
        names, columns = table_of(path)
        if names is None:
            raise ValueError("expected names of the columns in the first line")
        return dict(zip(names, columns))
    with package("astropy.io.fits", "lensing").open(path, memmap=False) as file:
        for unit in file[1:]:
            if unit.is_image or not getattr(unit, "columns", None):
                continue
            within(path, (unit.header["NAXIS1"], unit.header["NAXIS2"]))
            numbers = [c.name for c in unit.columns if np.asarray(unit.data[c.name]).dtype.kind in "fiu"]
            columns = {n: np.asarray(unit.data[n]).astype(np.float64) for n in numbers if unit.data[n].ndim == 1}
            if columns:
                return columns
    raise ValueError("holds no table with columns of numbers")


def _fits_units(path: str | Path) -> dict[str, str]:
    """Units of a FITS table's columns of places, by what these are and by their names in lower case."""
    if not str(path).lower().endswith(_FITS):
        return {}
    with package("astropy.io.fits", "lensing").open(path, memmap=False) as file:
        units = {c.name.lower(): str(c.unit) for t in file[1:] if not t.is_image for c in t.columns if c.unit}
    units = {name: next((k for k in _DEGREES if unit.lower().startswith(k)), unit) for name, unit in units.items()}
    usual = {what: next((units[a] for a in _ALIASES[what] if a in units), "") for what in ("ra", "dec")}
    return {**units, **usual}


def _fits_names(path: Path) -> list[str]:
    """Names of the columns, by the headers: a table that ends early is a catalogue, too, and its reader says so."""
    with package("astropy.io.fits", "lensing").open(path, memmap=False) as file:
        return [name for unit in file[1:] if not unit.is_image for name in unit.columns.names]


def _hdf5(path: str | Path) -> dict[str, np.ndarray]:
    h5py = package("h5py", "lensing")
    with h5py.File(path) as file:
        groups = [file, *(g for g in file.values() if isinstance(g, h5py.Group))]
        for group in groups:
            sets = {n: d for n, d in group.items() if isinstance(d, h5py.Dataset) and d.ndim == 1 and _usual(h5py, d)}
            lengths = {len(d) for d in sets.values()}
            if len(sets) >= 4 and len(lengths) == 1:
                for d in sets.values():
                    within_hdf5(path, d)
                return {n: np.asarray(d[()]).astype(np.float64) for n, d in sets.items()}
    raise ValueError("holds no datasets of one length, as a catalogue's columns are")


def _usual(h5py: Any, data: Any) -> bool:
    """Whether a dataset is of a usual type of numbers: HDF5 may write past its memory converting others."""
    return data.dtype.kind in "fiu" and data.id.get_type().equal(h5py.h5t.py_create(data.dtype))


def _grid(
    ra: np.ndarray, dec: np.ndarray, scale: float | None, shape: tuple[int, int] | None
) -> tuple[tuple[int, int], float]:
    """Shape and pixel scale (arcmin) of a map of the catalogue."""
    if not (np.abs(dec) <= 90).all():
        raise ValueError("dec: expected degrees from -90 to 90")
    away = np.angle(np.exp(1j * np.radians(ra - ra[0])))
    spans = 60 * np.array([np.ptp(dec), math.degrees(np.ptp(away)) * math.cos(math.radians(float(np.median(dec))))])
    if scale is None:
        if shape is not None:
            scale = float((spans / np.array(shape)).max()) * 1.001
        else:
            scale = math.sqrt(_A_PIXEL * spans[0] * spans[1] / len(ra))
        scale = float(f"{max(scale, 1e-6):.2g}")
    if not 0 < scale < math.inf:
        raise ValueError(f"pixel_scale: expected a positive number of arcmin, got {scale!r}")
    if shape is None:
        tall, wide = (max(2, math.ceil(1.001 * s / scale)) for s in spans)
        if max(tall, wide) > _LARGEST:
            raise ValueError(
                f"pixel_scale: {scale} arcmin make {tall} x {wide} pixels; say image_shape, or a larger one"
            )
        shape = (tall, wide)
    return shape, scale


def _middle(ra: np.ndarray, dec: np.ndarray) -> tuple[float, float]:
    """Of the box that holds the catalogue, degrees."""
    away = np.degrees(np.angle(np.exp(1j * np.radians(ra - ra[0]))))
    return float((ra[0] + (away.min() + away.max()) / 2) % 360), float((dec.min() + dec.max()) / 2)


def signs_of(y: Tensor, mask: Tensor, signs: tuple[int, int] | str) -> tuple[LensingConvention, str]:
    """The convention of a shear map's signs, given or ``"auto"``, and in words where it comes from."""
    if signs != "auto":
        if signs not in [(a, b) for a in (1, -1) for b in (1, -1)]:
            raise ValueError(f"signs: expected 'auto' or a pair of 1 and -1, got {signs!r}")
        return LensingConvention(sign=signs), f"{signs}, given"  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = shear_signs(y, mask=mask)
    if not (found.excess > 4 and found.excess > found.other + 2):
        return LensingConvention(), "(1, 1), as E and B modes do not tell"
    doubt = "" if found.sure else ", the common sign by the higher peaks"
    return LensingConvention(sign=found.sign), f"{found.sign}, E over B modes by {found.excess:.0f} sigma{doubt}"


def is_catalogue(path: Path) -> bool:
    """Whether a table has the columns of a catalogue.

    >>> is_catalogue(Path("nothing.csv"))
    False
    """
    try:
        lower = {n.lower() for n in (_fits_names(path) if path.name.lower().endswith(_FITS) else _table(path))}
    except (OSError, ValueError, TypeError):
        return False
    return all(any(a in lower for a in _ALIASES[what]) for what in ("ra", "dec"))
