"""Files that are whole or absent: written beside their place, and moved there when they are complete."""

import errno
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["new_folder", "refuse_existing", "refuse_unwritable", "remove_partial", "written"]

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) if hasattr(errno, "EDQUOT") else (errno.ENOSPC, errno.EFBIG)


@contextmanager
def written(path: str | Path) -> Iterator[Path]:
    """A new, hidden file beside ``path`` to write to, which takes its place afterwards; nothing is left of it where the
    writing fails, and what was at ``path`` stays.

    Raises:
        IsADirectoryError, FileNotFoundError, PermissionError: as of :func:`refuse_unwritable`.
        OSError: the disk is full; file and free space are named.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with written(place) as partial:
    ...     partial.write_text("whole")
    5
    >>> place.read_text(), len(list(place.parent.iterdir()))
    ('whole', 1)
    """
    refuse_unwritable(path)
    path = Path(os.path.realpath(path))  # what a link points to
    partial = path.with_name(f".{path.name[:200]}.{secrets.token_hex(6)}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = partial.stat().st_mode & 0o777  # of the user's new files; some writers make narrower ones
        yield partial
        partial.chmod(mode)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if _is_full(error):
            free = shutil.disk_usage(path.parent).free
            raise OSError(f"cannot write {path}: no space left on its disk ({free:,} bytes are free)") from error
        raise


def refuse_unwritable(path: str | Path) -> None:
    """Raise where no file ``path`` could be written; for a look before work that takes long.

    Raises:
        IsADirectoryError: it is a folder. FileNotFoundError: its folder does not exist. PermissionError: its folder
            may not be written to.
    """
    path = Path(os.path.realpath(path) if os.path.islink(path) else path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} for {path.name}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write {path.name}: {path.parent} may not be written to")


def new_folder(name: str, path: str | Path) -> Path:
    """The folder ``path``, made where it is not there; ``~`` is the user's, as shells have it.

    Raises:
        NotADirectoryError: a file is in its place; ``name`` is said. PermissionError: it may not be made, or not
            written to.
    """
    path = Path(path).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(f"{name}: expected a folder, but {path} is a file, or lies in one") from None
    except OSError as error:
        if error.errno not in _FORBIDDEN:
            raise
        raise PermissionError(f"{name}: {path} may not be made there") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"{name}: {path} may not be written to")
    return path


def _is_full(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, says that the disk is full; some writers say it in words only."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno in _FULL) or "No space left" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def remove_partial(path: str | Path) -> None:
    """Remove what a process that was killed left of :func:`written` files of this name; nobody else may write them."""
    path = Path(path)
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        stale.unlink(missing_ok=True)


def refuse_existing(path: str | Path, *, overwrite: bool) -> None:
    """Raise where there is something at ``path`` that has not been given up.

    Raises:
        FileExistsError: there is, and ``overwrite`` is false.
    """
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{path} is there already; overwrite=True (--force on the command line) replaces it")
