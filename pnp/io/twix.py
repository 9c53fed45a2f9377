"""Siemens raw data (twix, ``meas_*.dat``), from VB to XA."""

import contextlib
import io
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .grid import Grid, Readout, on_grid
from .measurement import Measurement
from .opening import package, within
from .pulseq import points_of
from .scans import cartesian_scan, trajectory_scan

__all__ = ["is_twix", "read_twix"]

_MOST = 64  # measurements of a file


def is_twix(path: Path) -> bool:
    """Whether a file begins with the length of a header, as twix files do: text begins with a larger number."""
    first = np.fromfile(path, "<u4", 1)
    return len(first) == 1 and int(first[0]) < path.stat().st_size


def read_twix(
    path: Path,
    *,
    slices: slice = slice(None),
    contrast: int = 0,
    repetition: int = 0,
    phase: int = 0,
    set: int = 0,
    measurement: int = -1,
    noise: str | Path | None = None,
    oversampling: bool = False,
    trajectory: Tensor | str | Path | None = None,
    image_shape: tuple[int, int] | None = None,
    coil_maps: Tensor | None = None,
) -> Measurement:
    """The measurement of a twix file: slices are the batch, readouts run down the rows, averages are summed up.

    Where the file has a noise scan, the data are whitened with it. Readout oversampling is removed. Coil maps are
    estimated, with separate reference lines where there are some. Volumes are split along their readout into slices.

    Args:
        slices: of those of the file, in the order they were numbered, or of the places along the readout of volumes.
        contrast, repetition, phase, set: which of them (contrast: Eco of the loop counters).
        measurement: which of the file's; the last one is that of the image.
        noise: another file that holds the noise scan.
        oversampling: keep it.
        trajectory: points (2, M) of all samples in radians per pixel, rows first, or a Pulseq file; default Cartesian.
        image_shape: of a trajectory's images; default a square of half the samples of a readout.
        coil_maps: (coils, H, W) on the encoded grid, or of each slice; default estimated.

    Raises:
        ValueError: the file is broken, or holds nothing of what is asked for; it is named.
        ImportError: pymapvbvd is missing.
    """
    scans = _scans(path)
    if not -len(scans) <= measurement < len(scans):
        raise ValueError(f"measurement: {measurement}, the file has {len(scans)}")
    scan = scans[measurement]
    if "image" not in scan:
        raise ValueError("holds no image data")
    asked = {"Eco": contrast, "Rep": repetition, "Phs": phase, "Set": set}
    image, reference = scan["image"], scan.get("refscan")
    covariance = _covariance(scans, path)
    if noise is not None and (covariance := _covariance(_scans(Path(noise)), Path(noise))) is None:
        raise ValueError(f"noise: {noise} holds no noise scan")
    said: dict[str, Any] = {"instrument": "Siemens", "measurement": f"{measurement % len(scans)} of {len(scans)}"}
    said["noise scan"] = covariance is not None
    found = list(_lines(image, path, asked, image=True))
    if not found:
        raise ValueError("holds no image data of these " + ", ".join(f"{k} {v}" for k, v in asked.items()))
    coils, columns = int(image.NCha), int(image.NCol)
    if trajectory is not None:
        y = _samples(found, slices)
        shape = (columns // 2, columns // 2) if image_shape is None else image_shape
        return trajectory_scan(y, points_of(trajectory, shape), shape, said, covariance=covariance, coil_maps=coil_maps)
    further = [] if reference is None else [
        r for r in _lines(reference, path, asked, image=False) if r.samples.shape == found[0].samples.shape
    ]  # fmt: skip
    matrix, middle = _matrix(scan, [*found, *further], image)
    size = matrix[0] if oversampling else round(matrix[0] / _oversampling(scan, columns))
    grid = Grid(matrix, middle, coils, 1 + max(r.layer for r in found))
    total, count, calibration = on_grid(path, [*found, *further], grid, slices, size)
    size = size if matrix[2] == 1 else total.shape[-2]
    return cartesian_scan(
        total, count, {**said, "encoded matrix": matrix}, covariance=covariance, size=size, calibration=calibration,
        coil_maps=coil_maps,
    )  # fmt: skip


def _scans(path: Path) -> list[Any]:
    """The file's measurements, their loop counters and headers; of values nothing is read."""
    with open(path, "rb") as file:
        first, second = (int(n) for n in np.fromfile(file, "<u4", 2))
    if first < 10000 and not 1 <= second <= _MOST:
        raise ValueError(f"says that it holds {second} measurements")
    reader = package("mapvbvd", "mri")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("error")  # it warns of files that end early, and reads on
        try:
            found = reader.mapVBVD(str(path), quiet=True)
        except Exception as error:
            words = " ".join(str(error).split()) or type(error).__name__
            warnings.simplefilter("ignore")
            traceback.clear_frames(error.__traceback__)  # it leaves the file open
            raise ValueError(words) from None
    return found if isinstance(found, list) else [found]


def _lines(part: Any, path: Path, asked: dict[str, int], *, image: bool) -> Iterator[Readout]:
    """Readouts of the counters that are asked for."""
    chosen = np.ones(int(part.NAcq), bool)
    for name, number in asked.items():
        chosen &= getattr(part, name) == number
    within(path, (int(chosen.sum()), int(part.NCha), int(part.NCol)), 8)
    for number in np.flatnonzero(chosen):
        samples = _values(part, path, int(number))
        centre = int(part.centerCol[number])
        before, after = (int(n) for n in part.cutOff[number])
        kept = slice(before, samples.shape[1] - after)
        samples, centre = samples[:, kept], centre - before
        if part.IsReflected[number]:
            samples = samples[:, ::-1]
        steps = int(part.Lin[number]), int(part.Par[number])
        yield Readout(int(part.Sli[number]), steps, centre, samples, image)


def _values(part: Any, path: Path, number: int) -> np.ndarray:
    """Samples (coils, columns) of a readout, behind the headers of the readout and of each channel."""
    info = part.freadInfo
    ahead = info.szChannelHeader // 8  # in complex values
    coils, columns = int(part.NCha), int(part.NCol)
    values = np.fromfile(path, "<c8", coils * (columns + ahead), offset=int(part.memPos[number]) + info.szScanHeader)
    if values.size != coils * (columns + ahead):
        raise ValueError(f"ends within readout {number}")
    samples = values.reshape(coils, -1)[:, ahead:]
    if not np.isfinite(np.ascontiguousarray(samples).view(np.float32)).all():
        raise ValueError(f"values of readout {number} are not finite")
    return samples


def _covariance(scans: list[Any], path: Path) -> Tensor | None:
    from ..corrections.mri import noise_covariance

    part = next((s["noise"] for s in reversed(scans) if "noise" in s), None)
    if part is None:
        return None
    within(path, (int(part.NAcq), int(part.NCha), int(part.NCol)), 8)
    scan = np.concatenate([_values(part, path, n) for n in range(int(part.NAcq))], 1)
    return noise_covariance(torch.from_numpy(scan))


def _samples(found: list[Readout], slices: slice) -> Tensor:
    """All samples of each slice, one readout after the other, (B, coils, M)."""
    layers = sorted({r.layer for r in found})[slices]
    rows = [np.concatenate([r.samples for r in found if r.layer == layer], 1) for layer in layers]
    if not rows or len({row.shape for row in rows}) > 1:
        raise ValueError(f"slices: {slices} leaves {'none' if not rows else 'some of other numbers of samples'}")
    return torch.from_numpy(np.stack(rows))


def _told(scan: Any, buffer: str, key: Any) -> float | None:
    """A number of the header, if it is there."""
    try:
        value = float(scan["hdr"][buffer][key])
    except (KeyError, TypeError, ValueError):
        return None
    return value if 0 < value < 2**15 else None


def _oversampling(scan: Any, columns: int) -> float:
    factor, base = _told(scan, "Dicom", "flReadoutOSFactor"), _told(scan, "MeasYaps", ("sKSpace", "lBaseResolution"))
    if factor is None:
        factor = 2.0 if base is not None and columns >= 2 * base else 1.0
    return max(factor, 1.0)


def _matrix(scan: Any, found: list[Readout], image: Any) -> tuple[tuple[int, int, int], tuple[int | None, int | None]]:
    """Samples of a readout, steps of both phase encodings, and which of these are the middle: what the header says, or
    what readouts need."""
    reach = max(max(r.centre, r.samples.shape[1] - r.centre) for r in found)
    base = _told(scan, "MeasYaps", ("sKSpace", "lBaseResolution")) or 0
    width = max(2 * reach, round(base * _oversampling(scan, int(image.NCol))))
    middle = int(image.centerLin[0]), int(image.centerPar[0])
    sizes = []
    for axis, key in enumerate(("lPhaseEncodingLines", "lPartitions")):
        last = max(r.steps[axis] for r in found)
        if axis == 1 and last == 0:
            return (width, sizes[0], 1), (middle[0], None)
        needed = 2 * max(middle[axis], last - middle[axis] + 1)
        sizes.append(max(needed, round(_told(scan, "MeasYaps", ("sKSpace", key)) or 0)))
    return (width, *sizes), middle
