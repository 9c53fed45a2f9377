"""2DeteCT: folders of one slice, a sinogram of counts, flat and dark fields as TIFF, settings as text."""

import re
from pathlib import Path
from typing import Any

import torch

from .measurement import Measurement
from .projections import measured_projections
from .scan_settings import angles_of, fan_geometry, settings_of
from .tiff_counts import frames_of

__all__ = ["holds_2detect", "read_2detect"]

# of the scanner, where no settings lie beside the files (its data descriptor, table 2)
_PUBLISHED = {"sod": "431.019989", "sdd": "529.000488", "detpixsize": "0.0748"}
_SHIFTED = (range(1, 2831), range(5521, 5871))  # slices before the detector was changed: it was off by two of its bins


def holds_2detect(path: Path) -> bool:
    """Whether a folder holds a sinogram of counts with its fields."""
    return all((path / f"{name}.tif").is_file() for name in ("sinogram", "dark", "flat1"))


def read_2detect(
    path: Path, *, joined: int = 2, every: int = 1, views: slice = slice(None), clockwise: bool = False
) -> Measurement:
    """The measurement of a folder in the layout of 2DeteCT: ``sinogram.tif`` (views, detectors) of counts,
    ``dark.tif``, ``flat1.tif`` from before and ``flat2.tif`` from after, perhaps settings in text files; fan beam,
    millimetres.

    Args:
        joined: neighbouring bins that are added; the authors' images are of two.
        every: one of so many views is kept. The last view of a full turn repeats the first one, and is left out.
        views: some of these, ``slice(0, 90)``.
        clockwise: they turn the other way than in the authors' own reconstructions.

    Raises:
        ValueError: a file is missing, or does not fit.

    Kiss, Coban, Batenburg, van Leeuwen, Lucka 2023, doi:10.1038/s41597-023-02484-6.
    """
    for name, value in (("joined", joined), ("every", every)):
        if not (isinstance(value, int) and value >= 1):
            raise ValueError(f"{name}: expected an int >= 1, got {value!r}")
    settings = settings_of(path, sorted(path.parent.glob("*settings*.csv")))
    if fan_geometry(settings) is None:
        settings = {**settings, **_PUBLISHED}

    def read(name: str) -> torch.Tensor:
        frames = frames_of(path / f"{name}.tif")
        counts = torch.from_numpy(frames[0] if len(frames) == 1 else frames.mean(0))
        bins = counts.shape[1] // joined * joined
        return counts[:, :bins].unflatten(1, (-1, joined)).sum(-1)

    counts = read("sinogram")
    flats = [name for name in ("flat1", "flat2") if (path / f"{name}.tif").is_file()]
    white = torch.stack([read(name).mean(0) for name in flats])
    dark = read("dark").mean(0, keepdim=True)
    angles = angles_of(settings, len(counts))
    if angles is None:
        angles = 2 * torch.pi * torch.linspace(0, 1, len(counts), dtype=torch.float64, device="cpu")
    kept = slice(0, len(counts), every)
    if len(counts) > 1 and abs(float(angles[-1] - angles[0]) - 2 * torch.pi) < 1e-6:
        kept = slice(0, len(counts) - 1, every)
    geometry: dict[str, Any] = fan_geometry(settings, joined) or {}
    number = re.search(r"slice0*(\d+)", str(path))
    if number and any(int(number.group(1)) in numbers for numbers in _SHIFTED):
        geometry["offset"] = -2 * geometry["detector_spacing"] / joined
    white_at = [0, len(counts) - 1][: len(flats)]
    at = [place / every for place in white_at]
    return measured_projections(
        counts[kept][:, None], angles[kept], white=white[:, None], dark=dark[:, None], logged=False,
        geometry=geometry, white_at=at, views=views, clockwise=clockwise,
        provenance={"joined bins": joined, "every": every},
    )  # fmt: skip
