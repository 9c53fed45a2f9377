"""TIFF of detectors: a folder of projections, or a stack of them, as counts of 8, 16, 32 bits or floating point."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .measurement import Measurement
from .opening import named, package, within
from .projections import chosen_rows, measured_projections, radians
from .scan_settings import angles_of, fan_geometry, settings_of
from .tiff import pages_of, stored

__all__ = ["frames_of", "holds_projections", "read_projections", "read_stack"]

_ENDINGS = (".tif", ".tiff")
_WHITE = re.compile(r"(?<![a-z])(flat|white|ob|open|openbeam|ff|i0|io|air|ref|brightfield)s?(?![a-z])")
_DARK = re.compile(r"(?<![a-z])(dark|df|di|dk|offset|darkfield)s?(?![a-z])")
_BEFORE, _AFTER = re.compile(r"before|pre|start"), re.compile(r"after|post|end")
_NUMBER = re.compile(r"((?:(?<![0-9A-Za-z-])-)?[0-9]+)")
_ANGLES = re.compile(r"angle|theta")


def frames_of(path: Path, rows: slice = slice(None)) -> np.ndarray:
    """The pages of a file as counts (pages, rows, detectors) in single precision, as they are stored; page after page
    is read, and of each only the ``rows`` kept.

    Raises:
        ValueError: pages are no gray images, or of different sizes.
    """
    tifffile = package("tifffile", "ct")
    tifffile.logger().setLevel("CRITICAL")  # what it makes of broken tags; what matters is raised
    found = []
    with named(path), tifffile.TiffFile(path) as file:
        pages = pages_of(file)
        shape, kind = pages[0].shape, pages[0].dtype
        if len(shape) != 2 or kind is None or kind.kind not in "uif":
            raise ValueError(f"a page of shape {shape} and {kind} values, expected gray images")
        within(path, (len(pages), len(range(shape[0])[rows]), shape[1]), max(4, kind.itemsize))
        for number, page in enumerate(pages):
            if page.shape != shape or page.dtype != kind:
                raise ValueError(f"page {number} of shape {page.shape}, {page.dtype}, expected {shape}, {kind}")
            within(path, (int(page.nbytes),))
            values = stored(path, number, page)
            if values.shape != shape:
                raise ValueError(f"page {number} holds {values.shape}, expected {shape}")
            found.append(values[rows].astype(np.float32))
    return np.stack(found)


def holds_projections(path: Path) -> bool:
    """Whether a folder, or one within, holds TIFF files."""
    return any(True for _ in _files(path))


def read_projections(
    path: Path,
    rows: int | slice | None = None,
    *,
    angles: Any = None,
    logged: bool = False,
    views: slice = slice(None),
    clockwise: bool = False,
) -> Measurement:
    """The measurement of a folder of projections, a TIFF file each, (rows, detectors), in the order of the numbers in
    their names.

    Flat and dark fields are files whose name, or folder, has a word such as flat, white, open, ob or dark, di; flat
    fields with pre or post in their names hold for the first and the last view. Angles are those of a text file of
    numbers whose name has angle or theta (in degrees or radians where a comment says so, else more than two turns of
    radians are degrees), or of the scan's settings, as is the geometry of a fan beam: then only the row in the middle
    is one. Without distances beams are parallel.

    Args:
        rows: of the detector, each one a slice of the batch; ``None``: the one in the middle.
        angles: in radians, where no file says them.
        logged: the values are line integrals already.
        views: some of the views, ``slice(0, 90)``.
        clockwise: they turn the other way.

    Raises:
        ValueError: a file is broken, or something is missing.
    """
    kinds: dict[str, list[Path]] = {"data": [], "white": [], "dark": []}
    for file in _files(path):
        name = "/".join(file.relative_to(path).parts).lower()
        kinds["dark" if _DARK.search(name) else "white" if _WHITE.search(name) else "data"].append(file)
    if not kinds["data"]:
        raise ValueError("holds no projections, only flat and dark fields")
    read: dict[str, np.ndarray | None] = {}
    picked: slice | None = None
    for kind, files in kinds.items():
        picked, read[kind] = _stacked(files, rows, picked)
    counts, white, dark = (None if v is None else torch.from_numpy(v) for v in read.values())
    assert counts is not None and picked is not None
    settings = settings_of(path, path.parent.glob("*settings*.csv"))
    if angles is None:
        angles = _angles_in(path, len(counts))
        angles = angles_of(settings, len(counts)) if angles is None else angles
        if angles is None:
            raise ValueError("holds no text file of angles; angles= takes them, in radians")
    angles = radians(angles, "rad", len(counts))
    said = {"rows": f"{picked.start}:{picked.stop}:{picked.step}"}
    return measured_projections(
        counts, angles, white=white, dark=dark, logged=logged, geometry=fan_geometry(settings),
        white_at=_white_at(kinds["white"], white, len(counts)), views=views, clockwise=clockwise, provenance=said,
    )  # fmt: skip


def read_stack(
    path: Path, rows: int | slice | None = None, *, angles: Any = None, white: Any = None, dark: Any = None,
    logged: bool = False, views: slice = slice(None), clockwise: bool = False,
) -> Measurement:  # fmt: skip
    """The measurement of one TIFF file with a page for each projection; ``white`` and ``dark`` are such files, too.
    Arguments as of :func:`read_projections`; parallel beams.

    Raises:
        ValueError: a file is broken, or something is missing.
    """
    if angles is None:
        raise ValueError("angles: a stack says none; angles= takes them, in radians")
    tifffile = package("tifffile", "ct")
    tifffile.logger().setLevel("CRITICAL")
    with tifffile.TiffFile(path) as file:
        shape = file.pages[0].shape
    picked = chosen_rows(rows, shape[0] if len(shape) == 2 else 1)
    counts, *fields = (None if p is None else torch.from_numpy(frames_of(Path(p), picked)) for p in (path, white, dark))
    assert counts is not None
    angles = radians(angles, "rad", len(counts))
    said = {"rows": f"{picked.start}:{picked.stop}:{picked.step}"}
    return measured_projections(
        counts, angles, white=fields[0], dark=fields[1], logged=logged, views=views, clockwise=clockwise,
        provenance=said,
    )  # fmt: skip


def _files(path: Path) -> list[Path]:
    inside = [p for p in (*path.glob("*"), *path.glob("*/*")) if p.suffix.lower() in _ENDINGS]
    return sorted((p for p in inside if not p.name.startswith(".")), key=_by_numbers)


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    """Order in which 10 comes after 9, and tilts of -2 before those of -1; ``scan-2`` has no sign."""
    return [(int(part), "") if k % 2 else (0, part) for k, part in enumerate(_NUMBER.split(str(path)))]


def _stacked(
    files: Sequence[Path], rows: int | slice | None, picked: slice | None
) -> tuple[slice | None, np.ndarray | None]:
    """Frames of files of one size, and the rows that were picked of the first one."""
    found: list[np.ndarray] = []
    for file in files:
        if picked is None:
            tifffile = package("tifffile", "ct")
            with named(file), tifffile.TiffFile(file) as opened:
                picked = chosen_rows(rows, opened.pages[0].shape[0])
        found.append(frames_of(file, picked))
        if found[-1].shape[1:] != found[0].shape[1:]:
            raise ValueError(f"{file.name}: {found[-1].shape[1:]} values, expected {found[0].shape[1:]}")
    return picked, np.concatenate(found) if found else None


def _white_at(files: Sequence[Path], white: torch.Tensor | None, views: int) -> list[float] | None:
    """At which view flat fields were taken, where all their names say it."""
    places = []
    for file in files:
        name = file.stem.lower() if _BEFORE.search(file.stem.lower()) or _AFTER.search(file.stem.lower()) else ""
        name = name or file.parent.name.lower()
        places.append(0.0 if _BEFORE.search(name) else views - 1.0 if _AFTER.search(name) else None)
    known = [p for p in places if p is not None]
    return known if white is not None and len(known) == len(white) else None


def _angles_in(path: Path, views: int) -> torch.Tensor | None:
    """Numbers of a text file of angles."""
    for file in sorted(path.glob("*.txt")):
        if _ANGLES.search(file.stem.lower()) and file.stat().st_size < 2**22:
            with named(file):
                text = file.read_text("utf-8-sig")
                unit = re.search(r"#.*\b(deg|rad)", text.lower())
                lines = (line.partition("#")[0] for line in text.splitlines())
                numbers = np.array(" ".join(lines).replace(",", " ").split(), dtype=np.float64)
                return radians(numbers, unit and unit[1], views)
    return None
