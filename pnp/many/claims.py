"""A file is worked on by one process at a time, whichever machine it is on, and whoever is killed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None

__all__ = ["Again", "claim_of", "claimed", "forget"]


class Again(Exception):
    """What may go better another time: the claim stays, with its count."""


def claim_of(place: Path) -> Path:
    """The claim on a file."""
    return place.with_name(f".{place.name}.claim")


@contextmanager
def claimed(path: Path) -> Iterator[int]:
    """Hold the claim ``path``, after those who hold it, and give the number of this attempt, from 1.

    The system gives claims of killed processes back; their file stays and holds how often. Claims that end in another
    way take it away.

    >>> import tempfile
    >>> with claimed(Path(tempfile.mkdtemp()) / "a.claim") as number:
    ...     number
    1
    """
    file = _locked(path)
    try:
        file.seek(0)
        number = len(file.read()) + 1
        file.write(b".")
        file.flush()
        try:
            yield number
        except Again:
            raise
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)
    finally:
        file.close()


def _locked(path: Path) -> Any:
    """The file, once nobody else holds it."""
    while True:
        file = open(path, "a+b")  # noqa: SIM115 (closed by the caller)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            return file  # a file system without locks
        except BaseException:
            file.close()
            raise
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        file.close()  # the one before took the file away in between


def forget(path: Path) -> None:
    """Take away the claim ``path`` on a file that is done, which a process left that was killed before it could; one
    that is held stays.

    >>> import tempfile
    >>> left = Path(tempfile.mkdtemp()) / "a.claim"
    >>> with claimed(left):
    ...     forget(left)
    ...     left.exists()
    True
    """
    with suppress(FileNotFoundError), open(path, "r+b") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        path.unlink(missing_ok=True)
