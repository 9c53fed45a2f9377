"""Tables of numbers, and words beside them: text, CSV and npy."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .opening import within

__all__ = ["numbers", "table_of"]


def table_of(path: str | Path) -> tuple[list[str] | None, list[np.ndarray]]:
    """Names of the columns, or None, and the columns (M,) of text, CSV or npy: numbers in double precision, an empty
    cell of a table with names being not a number; words as they are.

    Cells are separated by blanks, commas or, where commas are decimal points, semicolons.

    Raises:
        ValueError: not a table of numbers.
    """
    if str(path).lower().endswith(".npy"):
        return _of_npy(path)
    text = Path(path).read_text(encoding="utf-8-sig", errors="strict")
    lines = [line.strip() for line in text.splitlines()]
    data = [line for line in lines if line and line[0] != "#"]
    if not data:
        raise ValueError("holds no numbers")
    split = next((sign for sign in ";," if sign in data[0]), None)
    names = None
    if not any(map(_is_number, data[0].split(split))):
        names = [n.strip().strip('"') for n in data.pop(0).split(split)]
    else:  # the last comment before the numbers may name them
        head = [line.lstrip("# ") for line in lines[: lines.index(data[0])] if line.startswith("#")]
        words = head[-1].split("," if "," in head[-1] else "\t" if "\t" in head[-1] else None) if head else []
        names = [n.strip() for n in words] if len(words) == len(data[0].split(split)) else None
    if not data:
        raise ValueError("holds no numbers")
    if split == ";":
        data = [line.replace(",", ".") for line in data]
    try:
        values = np.loadtxt(io.StringIO("\n".join(data)), delimiter=split, ndmin=2, comments=None)
    except ValueError:
        if names is None:
            raise
        return names, _with_words(data, split, len(names))
    return names if names and len(names) == values.shape[1] else None, list(_table(values).T)


def numbers(what: str, column: np.ndarray) -> np.ndarray:
    """A column, if it is one of numbers.

    Raises:
        ValueError: it is one of words.
    """
    if column.dtype.kind != "f":
        bad = next(cell for cell in column.tolist() if not _is_number(cell))
        raise ValueError(f"{what}: expected numbers, got {bad!r}")
    return column


def _of_npy(path: str | Path) -> tuple[list[str] | None, list[np.ndarray]]:
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"npy of version {version}")
        shape, _, dtype = read(file)
        within(path, shape, dtype.itemsize)
    loaded = np.load(path, allow_pickle=False)
    if loaded.dtype.names:
        names = list(loaded.dtype.names)
        return names, list(_table(np.stack([loaded[n].astype(float) for n in names], -1)).T)
    return None, list(_table(loaded).T)


def _table(values: np.ndarray) -> np.ndarray:
    if values.ndim != 2 or values.dtype.kind not in "fiu" or not values.size:
        raise ValueError(
            f"expected a table of numbers (M, n), got {values.dtype} {values.shape}; other arrays do not say what they "
            "were measured by: Measurement(y, operator, arguments), or --operator on the command line"
        )
    return values.astype(np.float64)


def _with_words(data: Sequence[str], split: str | None, count: int) -> list[np.ndarray]:
    """Columns of which some hold words, or empty cells."""
    rows = [line.split() for line in data] if split is None else list(csv.reader(data, delimiter=split))
    if wrong := next((k for k, row in enumerate(rows, 1) if len(row) != count), 0):
        raise ValueError(f"line {wrong} of the values has {len(rows[wrong - 1])} cells, expected {count}")
    found = []
    for cells in zip(*rows):
        try:
            found.append(np.array([cell.strip() or "nan" for cell in cells], dtype=np.float64))
        except ValueError:
            found.append(np.array(cells))
    return found


def _is_number(word: str) -> bool:
    try:
        float(word.replace(",", "."))
    except ValueError:
        return False
    return True
