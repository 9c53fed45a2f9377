"""MATLAB's .mat files (version 5, since 1999): numbers, text and structures, read so that no file can do harm."""

import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["read_mat"]

_KINDS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_STRUCT, _CHAR, _NUMBERS = 2, 4, range(6, 16)  # classes of arrays
_DEPTH, _ITEMS = 8, 100_000
_RATIO, _ALWAYS = 1100, 2**26  # deflate makes at most 1032 bytes of one


class _Element(NamedTuple):
    kind: int
    data: memoryview


def read_mat(path: Path, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Variables of a file: numbers as arrays, text as strings, structures as dictionaries, several of them as lists;
    other things as ``None``. ``names``: only these.

    Raises:
        ValueError: the file is broken, or of another version.

    MathWorks, MAT-File Format (MAT-file level 5).
    """
    content = path.read_bytes()
    if content[:6] == b"MATLAB" and content[124:126] in (b"\x00\x02", b"\x02\x00"):
        raise ValueError("a file of MATLAB 7.3, which is HDF5; save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no file of MATLAB 5 to 7")
    found: dict[str, Any] = {}
    for element in _elements(memoryview(content)[128:], order):
        if element.kind == _COMPRESSED:
            inflate = zlib.decompressobj()
            limit = _ALWAYS + _RATIO * len(content)
            try:
                data = inflate.decompress(element.data, limit)
            except zlib.error as error:
                raise ValueError(f"a compressed variable: {error}") from error
            element = next(_elements(memoryview(data), order), _Element(0, memoryview(b"")))
        if element.kind == _MATRIX:
            name, value = _array(element.data, order, names, 0)
            if name and (names is None or name in names):
                found[name] = value
    return found


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """Tagged pieces, one after the other; the last one may end before its length does."""
    place = 0
    while place + 8 <= len(data):
        kind, size = (int(v) for v in np.frombuffer(data[place : place + 8], f"{order}u4"))
        if kind >> 16:  # up to four bytes, within the tag
            kind, size, start, step = kind & 0xFFFF, kind >> 16, place + 4, 8
            if size > 4:
                raise ValueError("a small element of more than four bytes")
        else:
            start = place + 8
            step = 8 + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > len(data):
            raise ValueError(f"ends after {len(data) - start:,} of {size:,} bytes of an element")
        yield _Element(kind, data[start : start + size])
        place += step


def _array(data: memoryview, order: str, names: tuple[str, ...] | None, depth: int) -> tuple[str, Any]:
    """Name and value of an array."""
    parts = _elements(data, order)
    flags, shape, label = (_numbers(next(parts, None), order) for _ in range(3))
    if not len(flags) or depth > _DEPTH:
        raise ValueError("an array without flags, or too deep a structure")
    kind, name = int(flags[0]) & 0xFF, bytes(label.astype("u1")).decode("latin-1")
    if names is not None and depth == 0 and name not in names:
        return name, None
    count = math.prod(int(n) for n in shape)
    if kind == _STRUCT:
        return name, _structure(parts, order, count, depth)
    if kind == _CHAR:
        part = next(parts, None)
        if part is None or part.kind not in _TEXTS:
            return name, None
        code = _TEXTS[part.kind]
        code += {"<": "-le", ">": "-be"}[order] if code in ("utf-16", "utf-32") else ""
        return name, bytes(part.data).decode(code, errors="replace")
    if kind in _NUMBERS:
        values = _numbers(next(parts, None), order)
        if len(values) != count:
            raise ValueError(f"{name or 'a field'}: {len(values)} values for a shape of {tuple(shape.tolist())}")
        return name, values.reshape(shape.tolist(), order="F")
    return name, None


def _structure(parts: Iterator[_Element], order: str, count: int, depth: int) -> Any:
    """A dictionary, or a list of as many."""
    length, joined = (_numbers(next(parts, None), order) for _ in range(2))
    width = int(length[0]) if len(length) else 0
    text = bytes(joined.astype("u1"))
    if width < 1 or not 0 <= count * (len(text) // max(width, 1)) <= _ITEMS:
        raise ValueError("a structure of no, or of too many, fields")
    fields = [text[i : i + width].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), width)]
    found = []
    for _ in range(count):
        one = {}
        for field in fields:
            part = next(parts, None)
            if part is None or part.kind != _MATRIX:
                raise ValueError(f"{field}: is missing in a structure")
            one[field] = _array(part.data, order, None, depth + 1)[1] if len(part.data) else np.zeros((0, 0))
        found.append(one)
    return found[0] if count == 1 else found


def _numbers(part: _Element | None, order: str) -> np.ndarray:
    if part is None or part.kind not in _KINDS:
        raise ValueError("numbers are missing" if part is None else f"numbers of an unknown type, {part.kind}")
    kind = np.dtype(f"{order}{_KINDS[part.kind]}")
    if len(part.data) % kind.itemsize:
        raise ValueError(f"{len(part.data)} bytes of numbers of {kind.itemsize}")
    return np.frombuffer(part.data, kind)
