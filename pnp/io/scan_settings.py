"""Text files beside a scan that say its geometry: ``key = value``, ``key: value`` or ``key;type;value;unit`` a line."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

__all__ = ["angles_of", "fan_geometry", "settings_of"]

_LINES, _BYTES = 2000, 2**20
_SOURCE = ("sod", "distancesourceorigin", "sourceobjectdistance", "sourcetoobject")
_DETECTOR = ("sdd", "distancesourcedetector", "sourcedetectordistance", "sourcetodetector")
_BIN = ("pixelsizepost", "detpixsize", "detectorpixelsize", "pixelsize")
_FIRST = ("startangle", "anglefirst", "firstangle")
_STEP = ("angleinterval", "anglestep", "rotationstep")
_LAST = ("lastangle", "anglelast")


def settings_of(folder: Path, others: Iterable[Path] = ()) -> dict[str, str]:
    """Settings in the text files (.txt, .csv, .cfg, .ini) of a folder, then in ``others``: lower-case names without
    blanks and units, the first value of each.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "scan.txt").write_text("[GEOMETRY]\\nDistanceSourceOrigin=410.66\\nSDD;float;529.0;mm\\n")
    >>> settings_of(folder)
    {'distancesourceorigin': '410.66', 'sdd': '529.0'}
    """
    inside = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".txt", ".csv", ".cfg", ".ini"))
    found: dict[str, str] = {}
    for path in (*inside, *others):
        if not path.is_file() or path.name.startswith(".") or path.stat().st_size > _BYTES:
            continue
        for line in path.read_text(errors="replace").splitlines()[:_LINES]:
            cells = [c.strip() for c in line.split(";")]
            if len(cells) < 3:
                cells = [c.strip() for c in re.split(r"[=:]", line, maxsplit=1)]
                cells = [cells[0], "", cells[-1]] if len(cells) == 2 else []
            if cells and cells[0] and cells[2]:
                name = re.sub(r"\(.*?\)|\[.*?\]|[^a-z0-9]", "", cells[0].lower())
                found.setdefault(name, cells[2])
    return found


def _number(settings: dict[str, str], names: tuple[str, ...]) -> float | None:
    for name in names:
        if name in settings:
            match = re.match(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?", settings[name])
            if match is None or not math.isfinite(value := float(match.group())):
                raise ValueError(f"{name}: expected a number, got {settings[name]!r:.60}")
            return value
    return None


def fan_geometry(settings: dict[str, str], joined: int = 1) -> dict[str, Any] | None:
    """Arguments of :class:`operators.FanBeam` for settings that say source, detector and bins, ``joined`` of them to
    one; ``None`` where none of the distances is said, which means parallel beams.

    >>> fan_geometry({"sod": "400.0", "sdd": "500 mm", "detpixsize": "0.1"})["pixel_size"]
    0.08
    """
    source, detector, width = (_number(settings, names) for names in (_SOURCE, _DETECTOR, _BIN))
    if source is None and detector is None:
        return None
    if source is None or detector is None or width is None or not 0 < source < detector or not width > 0:
        raise ValueError(
            f"settings: expected 0 < source to object < source to detector, and a width of bins; "
            f"got {source}, {detector} and {width}"
        )
    return {
        "source_distance": source,
        "detector_distance": detector - source,
        "detector_spacing": joined * width,
        "pixel_size": joined * width * source / detector,
    }


def angles_of(settings: dict[str, str], views: int) -> torch.Tensor | None:
    """Angles in radians, from degrees of the first one, and the step or the last one; ``None`` where these are not
    said.

    >>> angles_of({"anglefirst": "0", "anglelast": "180"}, 3).tolist()
    [0.0, 1.5707963267948966, 3.141592653589793]
    """
    first, step, last = (_number(settings, names) for names in (_FIRST, _STEP, _LAST))
    if step is None and last is not None and first is not None:
        step = (last - first) / max(views - 1, 1)
    if step is None:
        return None
    return torch.deg2rad((first or 0.0) + step * torch.arange(views, dtype=torch.float64, device="cpu"))
