"""What subcommands share: numbers, priors by name, results on the standard output, all else beside it."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..many.named import prior as denoiser
from ..many.named import weight_file
from ..progress import ProgressBar

__all__ = ["above_zero", "denoiser", "level", "progress", "put", "say", "weight_file"]


def level(text: str) -> float:
    """A noise level in the units of the images, ``0.1`` or ``25/255``.

    >>> level("51/255")
    0.2
    """
    above, _, below = text.partition("/")
    try:
        value = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        value = float("nan")
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number such as 0.1 or 25/255, got {text!r}")
    return value


def above_zero(text: str) -> int:
    """A number of things, 1 or more.

    >>> above_zero("3")
    3
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def put(options: argparse.Namespace, *words: Any, **facts: Any) -> None:
    """A result: words on the standard output; with ``--json`` the facts, which join those before, lists in lists."""
    if not options.json:
        if words:
            print(*words)
        return
    for name, value in facts.items():
        before = options.facts.get(name)
        options.facts[name] = [*before, *value] if isinstance(before, list) and isinstance(value, list) else value


def say(options: argparse.Namespace, *words: Any) -> None:
    """A line on the error stream, unless ``--quiet``; only results go to the standard output."""
    if not options.quiet:
        print(*words, file=sys.stderr)


@contextmanager
def progress(options: argparse.Namespace, total: int | None) -> Iterator[Callable[[Any, Any], None]]:
    """A callback of solves with a bar on the error stream, where somebody looks at it."""
    shown = ProgressBar(total=total, disable=options.quiet or not sys.stderr.isatty(), leave=False)
    try:
        yield shown
    finally:
        shown.bar.close()
