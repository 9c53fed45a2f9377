"""Measurements behind every number that the project states; each file is one command, ``python -m benchmarks.NAME``."""

import atexit
import sys
from typing import Any

from pnp.pipes import abandon_output


def _uncaught(kind: Any, error: Any, trace: Any) -> None:
    """Whoever reads the output may stop, as ``head`` does."""
    if not issubclass(kind, BrokenPipeError):
        sys.__excepthook__(kind, error, trace)
        return
    abandon_output()


def _at_end() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()


if sys.argv[0] == "-m":  # python -m benchmarks.NAME, not an import
    sys.excepthook = _uncaught
    atexit.register(_at_end)
