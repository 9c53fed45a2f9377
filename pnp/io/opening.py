"""What all readers share: packages that are there or named, files that are named, sizes that a file can hold."""

import importlib
import importlib.util
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from operators.shapes import image_axes

__all__ = ["installed", "located", "named", "package", "sides", "within"]

_MISSING = "reading this file needs {}: pip install 'pnp-imaging[{}]'"
_RATIO, _ALWAYS = 1100, 2**26  # deflate makes at most 1032 bytes of one


def package(name: str, extra: str) -> Any:
    """An optional package.

    Raises:
        ImportError: it is not there; the extra to install is named.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(_MISSING.format(name, extra)) from error


def installed(name: str, extra: str) -> None:
    """Raise as :func:`package` does, without an import.

    Raises:
        ImportError: the package is not there.
    """
    if importlib.util.find_spec(name) is None:
        raise ImportError(_MISSING.format(name, extra))


def located(path: str | Path) -> Path:
    """A path; ``~`` at its beginning is the user's folder, as shells have it.

    >>> located("~/scan.h5") == Path.home() / "scan.h5"
    True
    """
    if not os.fspath(path):
        raise FileNotFoundError("no file: its name is empty")
    return Path(path).expanduser()


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Errors say which file cannot be read; readers of broken ones raise anything."""
    try:
        yield
    except (ImportError, FileNotFoundError):
        raise
    except Exception as error:
        if str(error).startswith(f"cannot read {path}:"):  # a reader inside has said it
            raise
        words = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot read {path}: {words}") from error


def sides(image_shape: int | tuple[int, int]) -> tuple[int, int]:
    """(H, W) of an image; one number is a square's.

    >>> sides(64), sides((32, 48))
    ((64, 64), (32, 48))
    """
    return image_axes((image_shape, image_shape) if isinstance(image_shape, int) else image_shape)[1:]


def within(path: str | Path, shape: Sequence[int], itemsize: int = 1) -> None:
    """Raise where a file declares more values than one of its size can hold: they are not allocated then.

    64 MiB are always allowed, beyond them 1,100 bytes for each of the file.

    Raises:
        ValueError: the values would take more.
    """
    wanted, there = math.prod(int(n) for n in shape) * itemsize, os.path.getsize(path)
    if not 0 <= wanted <= _ALWAYS + _RATIO * there:
        raise ValueError(f"declares {wanted:,} bytes of values, more than a file of {there:,} bytes can hold")
