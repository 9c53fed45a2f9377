"""Measurement sets by python-casacore, run in a process of its own by :mod:`pnp.io.apart`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["pieces"]

_HANDS = dict(enumerate(("I", "Q", "U", "V", "RR", "RL", "LR", "LL", "XX", "XY", "YX", "YY"), 1))
_AT_ONCE = 2**21  # visibilities of all correlations


def pieces(path: str, column: str | None, field: int | None) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """What is said of a field; then its rows without autocorrelations, some at a time."""
    from casacore import tables

    with tables.table(path, ack=False, lockoptions="usernoread") as main:
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
        said = {"column": column, "field": field, "centre": _centre(tables, path, field),
                "instrument": _instrument(tables, path)}  # fmt: skip
        yield said, {}
        kinds, ids = _descriptions(tables, path), main.getcol("DATA_DESC_ID")
        for k in np.unique(ids[used]):
            if k not in kinds:
                raise ValueError(f"holds no data description {k}")
            yield from _rows(main.selectrows(np.flatnonzero(used & (ids == k))), column, *kinds[k])


def _rows(some: Any, column: str, nu: np.ndarray, hands: list[str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of one spectral window: data (rows, channels, correlations) and the rest."""
    step = max(1, _AT_ONCE // max(1, len(nu) * len(hands)))
    spectrum = "WEIGHT_SPECTRUM" in some.colnames() and some.iscelldefined("WEIGHT_SPECTRUM", 0)
    for start in range(0, some.nrows(), step):

        def get(name: str, start: int = start) -> np.ndarray:
            return some.getcol(name, start, min(step, some.nrows() - start))

        data = get(column)
        if data.ndim != 3 or data.shape[1:] != (len(nu), len(hands)):
            raise ValueError(f"{column} of shape {data.shape}, expected (rows, {len(nu)} channels, {len(hands)})")
        weights = get("WEIGHT_SPECTRUM") if spectrum else None
        if weights is None or weights.shape != data.shape:
            weights = np.broadcast_to(get("WEIGHT")[:, None], data.shape)
        yield (
            {"hands": hands},
            {
                "nu": nu,
                "data": data,
                "weights": np.where(get("FLAG") | get("FLAG_ROW")[:, None, None], 0, weights.astype(np.float64)),
                "uvw": get("UVW"),
                "time": get("TIME"),
                "baseline": 2**16 * get("ANTENNA1").astype(np.int64) + get("ANTENNA2"),
            },
        )


def _descriptions(tables: Any, path: str) -> dict[int, tuple[np.ndarray, list[str]]]:
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


def _centre(tables: Any, path: str, field: int) -> tuple[float, float]:
    with tables.table(f"{path}/FIELD", ack=False) as found:
        ra, dec = np.degrees(np.ravel(found.getcell("PHASE_DIR", field))[:2])
    return float(ra % 360), float(dec)


def _instrument(tables: Any, path: str) -> str:
    with tables.table(f"{path}/OBSERVATION", ack=False) as found:
        return str(found.getcell("TELESCOPE_NAME", 0)) if found.nrows() else ""
