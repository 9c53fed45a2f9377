"""Volumes and series of medical images: NIfTI and DICOM, in the units of their headers."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from .opening import package

__all__ = ["millimetres", "write_dicom", "write_nifti"]

_IN_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "µm": 1e-3}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def millimetres(pixel: tuple[float, str] | None) -> float | None:
    """The side of a pixel, where it is a length.

    >>> millimetres((0.05, "cm")), millimetres((1.5, "arcsec"))
    (0.5, None)
    """
    return None if pixel is None or pixel[1] not in _IN_MM else float(pixel[0]) * _IN_MM[pixel[1]]


def write_nifti(path: Path, stack: np.ndarray, beside: Any) -> None:
    """A volume (slices, 1, H, W) as (H, W, slices), the order in which :func:`pnp.io.read_images` reads it."""
    nibabel = package("nibabel", "io")
    if stack.shape[1] != 1:
        raise ValueError("NIfTI is written of gray images; take .npy or .png for colours")
    side = millimetres(beside.pixel)
    image = nibabel.Nifti1Image(np.moveaxis(stack[:, 0], 0, -1), np.diag([side or 1.0, side or 1.0, 1.0, 1.0]))
    image.header.set_xyzt_units("mm" if side else "unknown")
    if beside.text:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", beside.text.encode()))
    data = image.to_bytes()
    if beside.ending == ".nii.gz":
        import gzip

        data = gzip.compress(data, mtime=0)
    path.write_bytes(data)


def write_dicom(path: Path, stack: np.ndarray, number: int, beside: Any) -> None:
    """Image ``number`` of a series (N, 1, H, W), 16 bits with the slope and intercept that all of them share.

    Secondary capture (PS3.3 A.8.1), derived, without patient data; identifiers follow from values and provenance, so
    that the same series has the same.
    """
    pydicom = package("pydicom", "io")
    if stack.shape[1] != 1:
        raise ValueError("DICOM is written of gray images; take .png for colours")
    slope, low = _rescale(stack)
    stored = np.clip(np.rint((stack[number, 0].astype(np.float64) - low) / slope), 0, 65535).astype("<u2")
    digest = hashlib.sha256(stack.tobytes() + beside.text.encode()).hexdigest()
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = _SECONDARY_CAPTURE
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[digest, f"image {number}"])
    meta.TransferSyntaxUID = _LITTLE_ENDIAN
    file = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.StudyInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[digest, "study"])
    file.SeriesInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[digest, "series"])
    file.PatientName = file.PatientID = file.PatientBirthDate = file.PatientSex = ""
    file.StudyDate = file.StudyTime = file.StudyID = file.AccessionNumber = file.ReferringPhysicianName = ""
    data = beside.provenance.get("data", {})
    file.Modality, file.ConversionType = data.get("modality", "OT"), "WSD"
    file.ImageType = ["DERIVED", "SECONDARY"]
    file.SeriesNumber, file.InstanceNumber = 1, number + 1
    file.Manufacturer = "pnp"
    software = beside.provenance.get("software", {})
    file.SoftwareVersions = str(software.get("pnp", ""))
    file.DerivationDescription = beside.text[:1024]
    file.ImageComments = beside.text[:10240]
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.Rows, file.Columns = stored.shape
    file.BitsAllocated = file.BitsStored = 16
    file.HighBit, file.PixelRepresentation = 15, 0
    file.RescaleSlope, file.RescaleIntercept, file.RescaleType = f"{slope:.10g}", f"{low:.10g}", data.get("units", "US")
    if side := millimetres(beside.pixel):
        file.PixelSpacing = [f"{side:.10g}", f"{side:.10g}"]
        file.ImagePositionPatient = ["0", "0", f"{number:d}"]
        file.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    file.PixelData = stored.tobytes()
    file["PixelData"].VR = "OW"
    file.save_as(path, enforce_file_format=True)


def _rescale(stack: np.ndarray) -> tuple[float, float]:
    """Slope and intercept as they are written, in 16 characters, so that nothing is lost twice."""
    if not np.isfinite(stack).all():
        raise ValueError("values are not finite")
    low, high = float(f"{float(stack.min()):.10g}"), float(stack.max())
    slope = (high - low) / 65535
    return float(f"{slope:.10g}") if slope > 0 else 1.0, low
