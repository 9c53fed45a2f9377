"""Skies to FITS files: coordinates, beam, units, and where they come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from denoisers.weights import refuse_existing
from denoisers.weights.writing import written

from ..lensing.fits import write_map
from ..radio.restored import SkyImages
from ..result import Result
from .measurement import Measurement
from .opening import package
from .provenance import as_text, provenance

__all__ = ["write_sky", "write_sky_map"]

_CARDS = {"object": "OBJECT", "instrument": "TELESCOP"}


def write_sky_map(
    path: str | Path,
    x: Tensor,
    measured: Measurement,
    *,
    result: Result | None = None,
    unit: str | None = None,
    beam: tuple[float, float, float] | None = None,
    cards: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a map (1, 1, H, W) of a measured sky to a FITS file, with what the measurement says of its place.

    Radio skies are written with right ascension to the left and direction cosines (SIN), maps of mass as they were
    read, on the tangent plane (TAN); where the file tells no place, with the size of a pixel alone. HISTORY holds
    versions, the hash of the data, settings and corrections as one JSON text (:func:`pnp.io.provenance.provenance`).

    Args:
        result: of the solve; its settings go into the file.
        unit: BUNIT, by default ``"Jy/pixel"`` for radio skies.
        beam: arcsec, arcsec, degrees (BMAJ, BMIN, BPA).
        cards: further entries of the header.

    Raises:
        ValueError: more than one map. FileExistsError: the file is there. ImportError: astropy is missing.
    """
    path, told = Path(path), measured.provenance
    cell = measured.arguments.get("cell") or told.get("cell")
    cell = cell if isinstance(cell, int | float) else None
    scale = cell / 60 if cell else measured.arguments.get("pixel_scale") or told.get("pixel_scale")
    history = as_text(dict(told) if result is None else provenance(result, told))
    header = {key: told[name] for name, key in _CARDS.items() if told.get(name)} | dict(cards or {})
    header["HISTORY"] = f"pnp {history}"
    unit = unit or ("Jy/pixel" if cell else None)
    refuse_existing(path, overwrite=overwrite)
    with written(path) as partial:
        if scale and told.get("centre"):
            east = told.get("east", "left" if cell else "right")
            write_map(
                partial, x, centre=told["centre"], pixel_scale=float(scale), east=east, unit=unit, beam=beam,
                projection="SIN" if cell else "TAN", frequency=told.get("frequency"), cards=header,
            )  # fmt: skip
            return
        if x.ndim != 4 or x.shape[:2] != (1, 1) or x.is_complex():
            raise ValueError(f"x: expected a real map (1, 1, H, W), got {x.dtype}, {tuple(x.shape)}")
        fits = package("astropy.io.fits", "io")
        unit_ = fits.PrimaryHDU(x[0, 0].detach().cpu().resolve_neg().numpy())
        if unit:
            header["BUNIT"] = unit
        if scale:  # no place on the sky, but the size of a pixel, in degrees
            sign = -1 if told.get("east", "left" if cell else "right") == "left" else 1
            side = float(scale) / 60
            header |= {"CDELT1": sign * side, "CDELT2": side, "CUNIT1": "deg", "CUNIT2": "deg"}
        if beam is not None:
            header["BMAJ"], header["BMIN"], header["BPA"] = beam[0] / 3600, beam[1] / 3600, beam[2]
        for name, value in header.items():
            unit_.header[name] = value
        unit_.writeto(partial, overwrite=True)


def write_sky(
    stem: str | Path, images: SkyImages, measured: Measurement, *, result: Result | None = None, overwrite: bool = False
) -> list[Path]:
    """Write ``STEM-model.fits`` (Jy/pixel), ``STEM-residual.fits`` and ``STEM-restored.fits`` (Jy/beam, with the beam
    and the residual's RMS), and give the files.

    Args:
        images: of :func:`pnp.radio.restored`.
        measured, result, overwrite: as of :func:`write_sky_map`.
    """
    stem, files = Path(stem), []
    of_beam: dict[str, Any] = {
        "unit": "Jy/beam",
        "beam": images.beam,
        "cards": {"RMS": (images.rms, "of the residual, Jy/beam")},
    }
    of_model: dict[str, Any] = {"unit": "Jy/pixel"}
    for name, x, more in (
        ("model", images.model, of_model),
        ("residual", images.residual, of_beam),
        ("restored", images.restored, of_beam),
    ):
        files.append(stem.with_name(f"{stem.name}-{name}.fits"))
        write_sky_map(files[-1], x, measured, result=result, overwrite=overwrite, **more)
    return files
