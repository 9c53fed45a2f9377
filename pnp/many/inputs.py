"""Files of measured data that a command line names: files, folders, patterns."""

import glob
from collections.abc import Sequence
from pathlib import Path

from ..io import FORMATS

__all__ = ["measured_files"]


def measured_files(names: Sequence[str | Path]) -> tuple[list[Path], Path | None]:
    """The files, and the folder whose folders answers keep, where one is named alone.

    Folders give the files below them whose names end as a format of measured data does, but for those that are a
    measurement as they are; patterns (``scans/*.h5``) what they match. Files that are named twice count once.

    Raises:
        FileNotFoundError: nothing is there.
    """
    found: list[Path] = []
    root = None
    for name in names:
        path = Path(name)
        if path.is_dir() and not _is_measurement(path):
            inside = sorted(f for f in path.rglob("*") if _ends_well(f) and f.is_file() and not _hidden(f, path))
            if not inside:
                raise FileNotFoundError(f"no measured data in {path}")
            found += inside
            root = path if len(names) == 1 else None
        elif not path.exists() and glob.has_magic(str(name)):
            matching = sorted(map(Path, glob.glob(str(name), recursive=True)))
            if not matching:
                raise FileNotFoundError(f"no file {name}")
            found += matching
        else:
            found.append(path)
    return list(dict.fromkeys(found)), root


def _is_measurement(folder: Path) -> bool:
    return any(not f.endings and f.matches(folder) for f in FORMATS)


def _ends_well(path: Path) -> bool:
    return path.name.lower().endswith(tuple(e for f in FORMATS for e in f.endings))


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
