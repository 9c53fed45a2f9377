"""Plain tables of visibilities: text, CSV and npy, as scripts of other packages export them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .opening import named
from .table import numbers, table_of
from .visibilities import Visibilities, measured_visibilities

__all__ = ["read_uv_table"]

_LIGHT = 299_792_458.0
_NAMES = ("u", "v", "re", "im", "weight")
_ALIASES = {
    "u": ("u", "uu"), "v": ("v", "vv"), "w": ("w", "ww"), "re": ("re", "real", "re_v", "vis_real"),
    "im": ("im", "imag", "im_v", "vis_imag"), "weight": ("weight", "weights", "wt", "wle"),
}  # fmt: skip
_ANTENNAS = ("antenna1", "antenna2")


def read_uv_table(
    path: str | Path,
    *,
    columns: Sequence[str | int] | None = None,
    unit: str | None = None,
    wavelength: float | None = None,
    v_sign: int = 1,
    **options: Any,
) -> Visibilities:
    """The visibilities of a table: text or CSV, with names in a first line or none, or npy (M, n); ``#`` begins
    comments.

    Args:
        columns: u, v, real part, imaginary part and, if there are five, weight, by name or number from 0; by default
            columns of these names, or the first five (or four) of a table without names.
        unit: of u and v: ``"m"``, ``"lambda"`` or ``"klambda"``; default: what the first line says, as ``u[m]`` or
            ``u [klambda]``.
        wavelength: m, for ``"m"``.
        v_sign: -1 turns the sky's north and south round, where the file's v has the other sign.
        options: of :func:`pnp.io.visibilities.measured_visibilities`: ``sigma``, ``image_shape``, ``cell``.

    Weights <= 0 are flags. Columns named ``time`` (s), ``antenna1`` and ``antenna2`` are kept for averages and gains.

    Raises:
        ValueError: the table is broken, a column is not there, or an argument is missing; the file is named.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "disc.txt"
    >>> _ = file.write_text("u v Re Im weight\\n1e3 2e3 0.5 0.1 4\\n-3e3 1e3 0.4 0.0 0\\n")
    >>> m = read_uv_table(file, unit="lambda", image_shape=(64, 64))
    >>> m.y.shape, m.provenance["flagged"], m.operator().cell
    (torch.Size([1, 1, 1]), 1, 34.4)
    """
    with named(path):
        if v_sign not in (1, -1):
            raise ValueError(f"v_sign: expected 1 or -1, got {v_sign!r}")
        names, values = table_of(path)
        found = _chosen(names, len(values), columns)
        u, v, re, im, *rest = (numbers(f"columns: {what}", values[k]) for what, k in zip(_NAMES, found))
        weights = rest[0] if rest else None
        unit = unit or _unit(names, found[0])
        scale = {"lambda": 1.0, "klambda": 1e3, "m": math.nan}.get(str(unit))
        if scale is None:
            raise ValueError(f"unit: expected 'm', 'lambda' or 'klambda', the unit of u and v, got {unit!r}")
        if unit == "m":
            if not (isinstance(wavelength, int | float) and 0 < wavelength < math.inf):
                raise ValueError(f"wavelength: expected metres > 0, since u and v are in metres, got {wavelength!r}")
            scale = 1 / wavelength
        said: dict[str, Any] = {"unit of u, v": unit, "v_sign": v_sign}
        if wavelength:
            said["frequency"] = _LIGHT / wavelength
        uv = scale * np.stack((u, v_sign * v))
        options = {**_samples_of(names, values), **options}
        return measured_visibilities(uv, re + 1j * im, weights, provenance=said, **options)


def _samples_of(names: list[str] | None, values: list[np.ndarray]) -> dict[str, np.ndarray]:
    """When (s) and by which antennas samples were taken, where columns have these names and no other unit."""
    found = {
        _bare(n): values[k]
        for k, n in enumerate(names or ())
        if (n == _bare(n) or n.lower().endswith("[s]")) and values[k].dtype.kind == "f"
    }
    samples = {"time": found["time"]} if "time" in found else {}
    if all(n in found for n in _ANTENNAS):
        samples["baseline"] = 2**16 * found[_ANTENNAS[0]] + found[_ANTENNAS[1]]
    return samples


def _bare(name: str) -> str:
    return name.lower().partition("[")[0].partition("(")[0].strip(" _")


def _chosen(names: list[str] | None, count: int, columns: Sequence[str | int] | None) -> list[int]:
    if columns is None:
        bare = [_bare(n) for n in names or ()]
        found = [next((bare.index(a) for a in _ALIASES[n] if a in bare), None) for n in _NAMES]
        if None not in found[:4]:
            return [k for k in found if k is not None]
        if names is not None:  # such as amplitude and phase
            raise ValueError(
                f"columns: say which are u, v, real part, imaginary part and weight, of {', '.join(names)}"
            )
        columns = range(min(count, 5))
    if len(columns) not in (4, 5):
        raise ValueError(f"columns: expected u, v, real part, imaginary part and perhaps weight, got {columns!r}")
    chosen = []
    for c in columns:
        if isinstance(c, str) and c not in (names or ()):
            raise ValueError(f"columns: no column {c!r}, only {', '.join(names or ()) or 'numbers'}")
        k = (names or []).index(c) if isinstance(c, str) else int(c)
        if not 0 <= k < count:
            raise ValueError(f"columns: no column {c}, the table has {count}")
        chosen.append(k)
    return chosen


def _unit(names: list[str] | None, column: int) -> str | None:
    """The unit that a name says, as in ``u[m]``."""
    said = (names[column] if names else "").lower().replace("(", "[").partition("[")[2].strip(" ])")
    return {
        "m": "m",
        "λ": "lambda",
        "lambda": "lambda",
        "wavelengths": "lambda",
        "kλ": "klambda",
        "klambda": "klambda",
    }.get(said)
