"""Visibilities in measurement sets, the folders of tables that CASA has."""

from pathlib import Path
from typing import Any

import numpy as np

from . import casa_tables
from .apart import apart
from .opening import installed, named
from .uvfits import total_intensity
from .visibilities import Visibilities, measured_visibilities

__all__ = ["read_measurement_set"]

_LIGHT = 299_792_458.0
_MEMORY, _SECONDS, _SPEED = 2**30, 30.0, 5e6  # of any set; bytes a second, at least
_RATIO = 1100  # values of a few bytes may stand for many rows, as in deflated files


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
    tables in a process of its own, with at most 1 GiB and twice the folder's size of memory: a corrupted table that
    makes it crash, hang or take more is an error here.
    """
    installed("casacore", "radio")
    with named(path):
        size = sum(f.stat().st_size for f in Path(path).rglob("*") if f.is_file())
        told = {"path": str(path), "column": column, "field": field}
        pieces = apart(
            casa_tables.__file__, told, memory=_MEMORY + 2 * size, silence=_SECONDS + size / _SPEED,
            most=2**26 + _RATIO * size,
        )  # fmt: skip
        said, _ = next(pieces)
        parts = [_part(facts["hands"], **arrays, stokes=stokes) for facts, arrays in pieces]
        uvw, data, weights, *columns = (np.concatenate(v, -1) for v in zip(*parts))
        said = {"stokes": stokes, **said, "centre": tuple(said["centre"]), "frequency": float(columns[2].mean())}
    return measured_visibilities(
        uvw, data, weights, provenance=said, **dict(zip(("time", "baseline", "frequency"), columns)), **options
    )


def _part(hands: list[str], stokes: str, nu: Any, data: Any, weights: Any, uvw: Any, time: Any, baseline: Any) -> Any:
    """Some rows: uvw in wavelengths (3, n), data, weights, time, baseline, frequency, (n,)."""
    order = {name: k for k, name in enumerate(hands)}
    y, w = total_intensity(
        {name: data[..., k] for name, k in order.items()}, {name: weights[..., k] for name, k in order.items()}, stokes
    )
    columns = (np.repeat(time, len(nu)), np.repeat(baseline, len(nu)), np.tile(nu, len(data)))
    return (uvw.T[..., None] * (nu / _LIGHT)).reshape(3, -1), y.reshape(-1), w.reshape(-1), *columns
