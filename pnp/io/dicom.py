"""DICOM: every frame in the units that the file says, Hounsfield for CT."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators import Identity

from .measurement import Measurement
from .opening import package, within
from .raster import upright

__all__ = ["measured_dicom", "read_dicom"]


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


def measured_dicom(path: Path) -> Measurement:
    """Frames of a file as measured images (frames, 1, H, W), CT in Hounsfield units, to be denoised: data of an
    :class:`Identity` in the field of CT or MRI. Colours are refused."""
    images = read_dicom(path)
    header = package("pydicom", "io").dcmread(path, stop_before_pixels=True)
    if any(image.ndim != 2 for image in images):
        raise ValueError("frames are in colour, expected gray ones")
    kind = str(header.get("Modality", ""))
    field = {"CT": "ct", "MR": "mri"}.get(kind, "natural")
    said = {"modality": kind, "units": "HU" if kind == "CT" else str(header.get("RescaleType", "") or "as stored")}
    spacing = header.get("PixelSpacing")
    if spacing:
        said["pixel spacing / mm"] = " × ".join(str(v) for v in spacing)
    y = torch.from_numpy(np.stack(images)).float()[:, None]
    return Measurement(y, _seen, {"image_shape": tuple(y.shape[-2:]), "field": field}, None, said)


def _seen(image_shape: tuple[int, int], field: str) -> Identity:
    op = Identity(image_shape)
    op.field = field
    return op


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
