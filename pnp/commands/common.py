"""What subcommands share: numbers, priors by name, lines that --quiet leaves out."""

import argparse
import sys
from typing import Any

from ..many.named import prior as denoiser
from ..many.named import weight_file

__all__ = ["denoiser", "level", "say", "weight_file"]


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


def say(options: argparse.Namespace, *words: Any) -> None:
    """A line on the error stream, unless ``--quiet``; only results go to the standard output."""
    if not options.quiet:
        print(*words, file=sys.stderr)
