"""Visibilities in measurement sets, the folders of tables that CASA has."""

from pathlib import Path
from typing import Any

import numpy as np

from .opening import named, package
from .uvfits import total_intensity
from .visibilities import Visibilities, measured_visibilities

__all__ = ["read_measurement_set"]

_HANDS = dict(enumerate(("I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY"), 1))
_LIGHT = 299_792_458.0


def read_measurement_set(
    path: str | Path, *, stokes: str = "I", column: str | None = None, field: int | None = None, **options: Any
) -> Visibilities:
    """The visibilities of a measurement set, all its channels and spectral windows in one image.

    Args:
        stokes: ``"I"``, of the parallel hands where there is no I, or the name of a correlation, such as ``"XX"``.
        column: ``"CORRECTED_DATA"`` where there is such, else ``"DATA"``; or another one.
        field: number of the field; needed where there are several, which do not lie in one image.
        options: of :func:`pnp.io.visibilities.measured_visibilities`: ``sigma``, ``image_shape``, ``cell``.

    Raises:
        ValueError: the folder is broken, or holds no such field, column or correlation; it is named.
        ImportError: python-casacore is missing.

    Kemball, Wieringa 2000, MeasurementSet definition version 2.0. Autocorrelations are left out. casacore reads the
    tables in native code: a corrupted one may take much memory or end the process there, which nothing here can stop.
    """
    tables = package("casacore.tables", "radio")
    with named(path), tables.table(str(path), ack=False, lockoptions="usernoread") as main:
        names = main.colnames()
        column = column or ("CORRECTED_DATA" if "CORRECTED_DATA" in names else "DATA")
        missing = [n for n in (column, "UVW", "DATA_DESC_ID", "FIELD_ID", "ANTENNA1", "ANTENNA2") if n not in names]
        if missing:
            raise ValueError(f"holds no column {', '.join(missing)}")
        fields = main.getcol("FIELD_ID")
        there = np.unique(fields)
        if field is None and len(there) != 1:
            raise ValueError(f"field: holds fields {', '.join(map(str, there))}; say which")
        field = int(there[0]) if field is None else field
        used = (fields == field) & (main.getcol("ANTENNA1") != main.getcol("ANTENNA2"))
        if not used.any():
            raise ValueError(f"holds no baselines of field {field}")
        kinds = _descriptions(tables, path)
        ids = main.getcol("DATA_DESC_ID")
        parts = [
            _part(main, np.flatnonzero(used & (ids == k)), column, *kinds[k], stokes) for k in np.unique(ids[used])
        ]
        uvw, data, weights, *columns = (np.concatenate(v, -1) for v in zip(*parts))
        said = {"stokes": stokes, "column": column, "field": field, "centre": _centre(tables, path, field),
                "instrument": _instrument(tables, path), "frequency": float(columns[2].mean())}  # fmt: skip
    return measured_visibilities(
        uvw, data, weights, provenance=said, **dict(zip(("time", "baseline", "frequency"), columns)), **options
    )


def _part(main: Any, rows: np.ndarray, column: str, nu: np.ndarray, names: list[str], stokes: str) -> tuple[Any, ...]:
    """Rows of one spectral window: uvw in wavelengths (3, n), data, weights, time, baseline, frequency, (n,)."""
    some = main.selectrows(rows)
    data = some.getcol(column)  # (rows, channels, correlations)
    if data.ndim != 3 or data.shape[1:] != (len(nu), len(names)):
        raise ValueError(f"{column} of shape {data.shape}, expected (rows, {len(nu)} channels, {len(names)})")
    weights = None
    if "WEIGHT_SPECTRUM" in some.colnames() and some.iscelldefined("WEIGHT_SPECTRUM", 0):
        weights = some.getcol("WEIGHT_SPECTRUM")
    if weights is None or weights.shape != data.shape:
        weights = np.broadcast_to(some.getcol("WEIGHT")[:, None], data.shape)
    flags = some.getcol("FLAG") | some.getcol("FLAG_ROW")[:, None, None]
    weights = np.where(flags, 0, weights.astype(np.float64))
    hands = {n: k for k, n in enumerate(names)}
    data, weights = total_intensity(
        {n: data[..., k] for n, k in hands.items()}, {n: weights[..., k] for n, k in hands.items()}, stokes
    )
    pairs = 2**16 * some.getcol("ANTENNA1").astype(np.int64) + some.getcol("ANTENNA2")
    uvw = (some.getcol("UVW").T[..., None] * (nu / _LIGHT)).reshape(3, -1)
    columns = (np.repeat(some.getcol("TIME"), len(nu)), np.repeat(pairs, len(nu)), np.tile(nu, len(rows)))
    return uvw, data.reshape(-1), weights.reshape(-1), *columns


def _descriptions(tables: Any, path: str | Path) -> dict[int, tuple[np.ndarray, list[str]]]:
    """Frequencies and names of the correlations of each data description."""
    with (
        tables.table(f"{path}/DATA_DESCRIPTION", ack=False) as kinds,
        tables.table(f"{path}/SPECTRAL_WINDOW", ack=False) as windows,
        tables.table(f"{path}/POLARIZATION", ack=False) as hands,
    ):
        pairs = zip(kinds.getcol("SPECTRAL_WINDOW_ID"), kinds.getcol("POLARIZATION_ID"))
        return {
            k: (
                np.asarray(windows.getcell("CHAN_FREQ", int(w)), dtype=np.float64),
                [_HANDS.get(int(c), "?") for c in hands.getcell("CORR_TYPE", int(h))],
            )
            for k, (w, h) in enumerate(pairs)
        }


def _centre(tables: Any, path: str | Path, field: int) -> tuple[float, float]:
    with tables.table(f"{path}/FIELD", ack=False) as found:
        ra, dec = np.degrees(np.ravel(found.getcell("PHASE_DIR", field))[:2])
    return float(ra % 360), float(dec)


def _instrument(tables: Any, path: str | Path) -> str:
    with tables.table(f"{path}/OBSERVATION", ack=False) as found:
        return str(found.getcell("TELESCOPE_NAME", 0)) if found.nrows() else ""
