"""A standard output that nobody reads any more, as after ``| head``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["CLOSED", "abandon_output", "flushed_output"]

CLOSED = 141  # the status of a process that SIGPIPE ends: 128 and its number


def abandon_output() -> None:
    """What is still to be written goes nowhere, so that the interpreter's end does not complain of it."""
    with suppress(AttributeError, OSError, ValueError):  # no standard output, or none that is a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def flushed_output() -> Iterator[None]:
    """Write everything before the end, where errors of it can be told.

    Raises:
        SystemExit: the reader is gone; its status is that of SIGPIPE. OSError: it cannot be written, on a full disk.
    """
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()
        raise SystemExit(CLOSED) from None
