"""DICOM: every frame in the units that the file says, Hounsfield for CT."""

from pathlib import Path
from typing import Any

import numpy as np

from .opening import package, within
from .raster import upright

__all__ = ["is_dicom", "read_dicom"]


def is_dicom(path: Path) -> bool:
    """Whether a file begins as those of DICOM do, whose names often have no ending, such as IM000001; a DICOMDIR, which
    lists others, does not count."""
    if not path.is_file() or path.name.upper() == "DICOMDIR":
        return False
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path) -> list[np.ndarray]:
    """The frames of a file, (H, W) or (3, H, W), rescaled by the values of the file, shared by its frames, or of each
    (enhanced multi-frame). MONOCHROME1, whose smallest value is white, is turned round."""
    file = package("pydicom", "io").dcmread(path)
    count = int(file.get("NumberOfFrames") or 1)
    within(path, (count, file.Rows, file.Columns, file.SamplesPerPixel), (int(file.BitsAllocated) + 7) // 8)
    stored = file.pixel_array
    if file.PhotometricInterpretation == "PALETTE COLOR":
        stored = package("pydicom.pixels", "io").apply_color_lut(stored, file)
    values = stored.astype(np.float32)
    if file.PhotometricInterpretation == "MONOCHROME1":
        ends = (1 << int(file.BitsStored)) - 1  # sum of the smallest and the largest value that may be stored
        values = (-1 if file.PixelRepresentation else ends) - values
    frames = [upright(frame, 1) for frame in (values if count > 1 else [values])]
    if "ModalityLUTSequence" in file:
        apply = package("pydicom.pixels", "io").apply_modality_lut
        return [apply(frame.astype(stored.dtype), file) for frame in frames]
    return [frame * slope + offset for frame, (slope, offset) in zip(frames, _units(file, count), strict=True)]


def _units(file: Any, count: int) -> list[tuple[float, float]]:
    """Slope and offset of each frame: its own, those that frames share, or the file's."""
    shared = _transformation(file.get("SharedFunctionalGroupsSequence"), 0) or file
    own = file.get("PerFrameFunctionalGroupsSequence")
    found = []
    for number in range(count):
        source = _transformation(own, number) or shared
        slope, offset = source.get("RescaleSlope"), source.get("RescaleIntercept")
        found.append((1.0 if slope in (None, "") else float(slope), 0.0 if offset in (None, "") else float(offset)))
    return found


def _transformation(groups: Any, number: int) -> Any:
    """The rescaling in the functional groups of a frame, or nothing."""
    if not groups or number >= len(groups):
        return None
    sequence = groups[number].get("PixelValueTransformationSequence")
    return sequence[0] if sequence else None
