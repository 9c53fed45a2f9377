"""Values of options in words: KEY=VALUE on the command line, plain scalars in files of settings."""

import argparse
import contextlib
import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from operators.shapes import as_constant

from ..io.opening import located, named

__all__ = ["as_pixel", "as_value", "from_pairs"]

_WORDS = {"true": True, "false": False, "none": None, "null": None}
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?")


def as_value(text: str) -> Any:
    """A number, a fraction, ``true``, ``none``, a slice ``2:10``, a list ``[256, 256]`` or ``[u, v]``, the array of a
    file ``@angles.npy`` or ``@file.npz:name``; all else is a word.

    >>> as_value("1e-3"), as_value("25/250"), as_value("2:10"), as_value("[8, 9]"), as_value("True"), as_value("half")
    (0.001, 0.1, slice(2, 10, None), (8, 9), True, 'half')
    >>> as_value("[u, v, 3]")
    ['u', 'v', 3]
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    if re.fullmatch(r"[\d.eE+-]+/[\d.eE+-]+", text):
        with contextlib.suppress(ValueError, ZeroDivisionError):
            above, below = text.split("/")
            return float(above) / float(below)
    if found := _SLICE.fullmatch(text):
        return slice(*(int(part) if part else None for part in found.groups()))
    if text.startswith("[") and text.endswith("]"):
        try:
            values = json.loads(text)
        except ValueError:  # words whose quotes a shell has taken
            values = [as_value(part.strip(" '\"")) for part in text[1:-1].split(",")]
        return tuple(values) if all(isinstance(v, int) for v in values) else values
    return _array(text[1:]) if text.startswith("@") else text


def _array(name: str) -> torch.Tensor:
    """The array of an npy file, or one of an npz file."""
    place, _, key = name.partition(".npz:")
    path = located(f"{place}.npz" if key else name)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with named(path), open(path, "rb") as file:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return as_constant(path.name, loaded)
        with loaded:
            if key not in loaded.files:
                raise ValueError(f"expected @{path}:NAME, NAME one of {', '.join(loaded.files)}")
            return as_constant(key, loaded[key])


def from_pairs(option: str, pairs: Iterable[str] | None) -> dict[str, Any]:
    """Values by name, of words ``KEY=VALUE``.

    Raises:
        ValueError: a word without ``=``, or a name twice.

    >>> from_pairs("--reader", ["slices=0:2", "coils=4"])
    {'slices': slice(0, 2, None), 'coils': 4}
    """
    found: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"{option}: expected KEY=VALUE, got {pair!r}")
        if name in found:
            raise ValueError(f"{option}: {name} twice")
        found[name] = as_value(text)
    return found


def as_pixel(text: str) -> tuple[float, str]:
    """Side of a pixel and its unit.

    >>> as_pixel("0.5mm"), as_pixel("1.5 arcsec")
    ((0.5, 'mm'), (1.5, 'arcsec'))
    """
    found = re.fullmatch(r"\s*([\d.]+(?:[eE][+-]?\d+)?)\s*([^\W\d]+)\s*", text)
    if found is None or not 0 < float(found[1]) < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a length with its unit, such as 0.5mm or 1.5arcsec, got {text!r}")
    return float(found[1]), found[2]
