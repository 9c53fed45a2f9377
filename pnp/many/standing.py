"""What has been done: beside each answer lies a JSON file that says what it was made of, written after it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

__all__ = ["Standing", "card_of", "file_hash", "standing", "stamp"]


def card_of(place: Path) -> Path:
    """The JSON file beside an answer."""
    return place.with_name(f"{place.name}.json")


def stamp(path: Path) -> dict[str, Any]:
    """Size and time of a file, or of the files of a folder together, which tell in a moment that it is the same."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    told = [os.stat(f) for f in files]
    return {"bytes": sum(s.st_size for s in told), "time": max((s.st_mtime_ns for s in told), default=0)}


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of names and contents of those of a folder.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a"
    >>> _ = file.write_text("abc")
    >>> file_hash(file)[:8]
    'ba7816bf'
    """
    if path.is_file():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for each in sorted(f for f in path.rglob("*") if f.is_file()):
        digest.update(f"{each.relative_to(path).as_posix()} {file_hash(each)}".encode())
    return digest.hexdigest()


class Standing:
    """What ``standing`` says."""

    MISSING, DONE, OTHER = "missing", "done", "other"


def standing(place: Path, path: Path, settings: dict[str, Any]) -> tuple[str, str]:
    """Whether ``place`` holds the answer of the file ``path`` with these settings; if another one, in which way."""
    card = card_of(place)
    try:
        told = json.loads(card.read_text())
        there, made, files = told["input"], told["settings"], told["files"]
    except FileNotFoundError:
        if not os.path.lexists(place):
            return Standing.MISSING, ""
        return Standing.OTHER, "is there, and nothing beside it says what it was made of"
    except (ValueError, KeyError, TypeError):
        return Standing.OTHER, f"is there, and {card.name} does not say what it was made of"
    if unlike := sorted(k for k in {*made, *settings} if made.get(k) != settings.get(k)):
        return Standing.OTHER, f"was made with other settings: {', '.join(unlike)}"
    if not all(os.path.lexists(place.with_name(name)) for name in files):
        return Standing.MISSING, ""
    now = stamp(path)
    if {k: there.get(k) for k in now} != now and (
        there.get("bytes") != now["bytes"] or there.get("sha256") != file_hash(path)
    ):
        return Standing.OTHER, f"was made of other data than {path.name} holds now"
    return Standing.DONE, ""
