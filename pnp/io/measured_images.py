"""Images that a scanner reconstructed, as measurements of themselves: denoising is what is left to do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators import Identity

from .dicom import is_dicom
from .images import read_images
from .measurement import Measurement
from .opening import package

__all__ = ["holds_dicom", "image_header", "measured_images", "read_series", "square_pixel"]

_DICOM = (".dcm", ".ima")
_BESIDE = ("", ".txt", ".json", ".csv", ".xml", ".md", ".pdf")
_WORDS = {"Modality": "modality", "Manufacturer": "manufacturer", "ManufacturerModelName": "instrument",
          "SeriesDescription": "series", "RescaleType": "units"}  # fmt: skip
_IN_MM = {"meter": 1e3, "micron": 1e-3}  # NIfTI's other units of length


def measured_images(path: Path, *, slices: slice = slice(None)) -> Measurement:
    """The measurement of a DICOM or NIfTI file: its frames or slices are the batch, in the file's units (Hounsfield for
    CT), y = x + noise. Magnitudes of MRI have Rician noise, nearly Gaussian from three times its deviation on."""
    images = read_images(path, channels=None)[slices]
    if not images:
        raise ValueError(f"slices: {slices} leaves none")
    return _identity(images, image_header(path))


def image_header(path: Path) -> dict[str, Any]:
    """What a DICOM or NIfTI file tells of its images: modality, units, millimetres; nothing of other files."""
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return _nifti_header(path)
    return _dicom_header(path) if name.endswith(_DICOM) or is_dicom(path) else {}


def square_pixel(header: Mapping[str, Any]) -> tuple[float, str] | None:
    """Side of a pixel and its unit that a header tells, where it is a square.

    >>> square_pixel({"pixel / mm": (0.7, 0.7)}), square_pixel({"pixel / mm": (0.7, 0.9)})
    ((0.7, 'mm'), None)
    """
    sides = header.get("pixel / mm")
    return (float(sides[0]), "mm") if sides and float(sides[0]) == float(sides[1]) else None


def holds_dicom(folder: Path) -> bool:
    """Whether a folder holds DICOM files, whatever their names, and no other data beside them."""
    found = _series(folder)
    there = {f for f in folder.iterdir() if f.is_file() and not f.name.startswith(".")}
    return bool(found) and all(f.suffix.lower() in _BESIDE for f in there - {*found})


def _series(folder: Path) -> list[Path]:
    """The DICOM files of a folder: those named so; where there are none, those that begin so."""
    files = sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
    return [f for f in files if f.suffix.lower() in _DICOM] or [f for f in files if is_dicom(f)]


def read_series(folder: Path, *, slices: slice = slice(None)) -> Measurement:
    """The measurement of a folder of DICOM files of one series, in the order of their places along the slice axis, or
    of their numbers where they tell no place.

    Raises:
        ValueError: files are of several series or sizes.
    """
    files = _series(folder)
    heads = [package("pydicom", "mri").dcmread(f, stop_before_pixels=True) for f in files]
    series = {str(h.get("SeriesInstanceUID", "")) for h in heads}
    if len(series) > 1:
        raise ValueError(f"holds {len(series)} series; put one into a folder")
    order = sorted(range(len(files)), key=lambda i: (_place(heads[i]), files[i].name))[slices]
    images = [image for i in order for image in read_images(files[i], channels=None)]
    if not images:
        raise ValueError(f"slices: {slices} leaves none")
    return _identity(images, _dicom_header(files[order[0]]))


def _place(head: Any) -> float:
    place, axes = head.get("ImagePositionPatient"), head.get("ImageOrientationPatient")
    if place is None or axes is None:
        return float(head.get("InstanceNumber") or 0)
    axes = np.array(axes, float)
    return float(np.cross(axes[:3], axes[3:]) @ np.array(place, float))


def _identity(images: Sequence[Tensor], said: dict[str, Any]) -> Measurement:
    shapes = {tuple(i.shape) for i in images}
    if len(shapes) > 1:
        raise ValueError(f"images of several sizes, {sorted(shapes)}")
    y = torch.stack([i.float() for i in images])
    field = {"CT": "ct", "MR": "mri"}.get(str(said.get("modality")), "natural")
    return Measurement(
        y, _seen, {"image_shape": tuple(y.shape[-2:]), "channels": y.shape[1], "field": field}, None, said
    )


def _seen(image_shape: tuple[int, int], channels: int, field: str) -> Identity:
    """The images themselves, of a field whose prior solvers take."""
    op = Identity(image_shape, channels=channels)
    op.field = field
    return op


def _dicom_header(path: Path) -> dict[str, Any]:
    head = package("pydicom", "mri").dcmread(path, stop_before_pixels=True)
    said: dict[str, Any] = {words: str(head[name].value) for name, words in _WORDS.items() if name in head}
    if said.get("modality") == "CT":
        said["units"] = "HU"
    if head.get("PixelSpacing"):  # it may be there and empty
        said["pixel / mm"] = tuple(float(v) for v in head.PixelSpacing)
    if "SliceThickness" in head:
        said["slice thickness / mm"] = float(head.SliceThickness or 0)
    return said


def _nifti_header(path: Path) -> dict[str, Any]:
    head = package("nibabel", "mri").load(path).header
    unit = _IN_MM.get(head.get_xyzt_units()[0], 1.0)
    return {"pixel / mm": tuple(float(f"{unit * float(v):.7g}") for v in head.get_zooms()[:3])}
