"""Images to files: pictures in bytes, arrays in single precision, provenance in each."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from denoisers.weights import refuse_existing
from denoisers.weights.writing import written

from .medical import write_dicom, write_nifti
from .opening import package
from .picture import write_picture
from .provenance import as_text

__all__ = ["WRITTEN", "ending_of", "write_images"]


class Beside(NamedTuple):
    """What is written with the values: ending, provenance, side of a pixel and its unit, range of a picture."""

    ending: str
    provenance: Mapping[str, Any]
    pixel: tuple[float, str] | None
    limits: tuple[float, float]
    bar: bool

    @property
    def text(self) -> str:
        return as_text(self.provenance) if self.provenance else ""


def ending_of(path: str | Path) -> str:
    """The end of a file's name by which its format is known; empty: none is.

    >>> ending_of("brain.nii.gz"), ending_of("brain.PNG"), ending_of("brain.doc")
    ('.nii.gz', '.png', '')
    """
    name = Path(path).name.lower()
    return next((e for e in sorted(WRITTEN, key=len, reverse=True) if name.endswith(e)), "")


def write_images(
    path: str | Path,
    images: Sequence[Tensor],
    *,
    overwrite: bool = False,
    provenance: Mapping[str, Any] | None = None,
    pixel: tuple[float, str] | None = None,
    limits: tuple[float, float] | None = None,
) -> list[Path]:
    """Write images (C, H, W), C one or three, and give the files.

    ``.npy``, ``.npz`` (array ``x``) and ``.fits`` take float32 of any range and a stack of images, ``.npz`` complex
    values, too; ``.tif`` float32, gray, a page for each; ``.nii`` and ``.nii.gz`` the slices of a volume, on disk
    (H, W, slices); ``.dcm`` gray images of 16 bits with a rescale to their units, a file for each of a series,
    ``NAME-0001.dcm`` and so on; ``.png`` and ``.jpg`` one image as bytes, cut to ``limits``.

    Args:
        provenance: of :func:`pnp.io.provenance.provenance`; every format but ``.npy`` keeps it.
        pixel: side of a pixel and its unit, ``(0.5, "mm")``, ``(1.5, "arcsec")``: pictures get a bar of a round length,
            DICOM and NIfTI their spacing.
        limits: lowest and highest value of a picture; ``None``: 0 and 1, as they are read again.

    Raises:
        ValueError: another ending, or the format does not take the images. FileExistsError: the file is there.

    >>> import tempfile
    >>> from pnp.io import read_images
    >>> file = Path(tempfile.mkdtemp()) / "a.npy"
    >>> _ = write_images(file, [torch.ones(1, 4, 5)])
    >>> read_images(file)[0].shape
    torch.Size([1, 4, 5])
    """
    path, ending = Path(path), ending_of(path)
    if not ending:
        raise ValueError(f"cannot write {path}: expected one of {', '.join(sorted(WRITTEN))}")
    arrays = [_array(path, x, complex=ending == ".npz") for x in images]
    if not arrays or len({a.shape for a in arrays}) > 1 or arrays[0].ndim != 3:
        raise ValueError(f"{path}: expected images (C, H, W) of one size, got {sorted({a.shape for a in arrays})}")
    if not arrays[0].size:
        raise ValueError(f"{path}: images of shape {arrays[0].shape} hold no pixels")
    if pixel is not None and not 0 < pixel[0] < math.inf:
        raise ValueError(f"pixel: expected a positive length and its unit, got {pixel!r}")
    if limits is not None and not (limits[0] <= limits[1] and math.isfinite(limits[1] - limits[0])):
        raise ValueError(f"limits: expected the lowest and the highest value, got {limits!r}")
    beside = Beside(ending, provenance or {}, pixel, limits or (0.0, 1.0), limits is not None)
    stack = np.stack(arrays)
    places = [path]
    if ending == ".dcm" and len(stack) > 1:
        places = [path.with_name(f"{path.stem}-{number:04d}{path.suffix}") for number in range(1, len(stack) + 1)]
    for place in places:
        refuse_existing(place, overwrite=overwrite)
    for number, place in enumerate(places):
        with written(place) as partial:
            if ending == ".dcm":
                write_dicom(partial, stack, number, beside)
            else:
                WRITTEN[ending](partial, stack, beside)
    return places


def _array(path: Path, x: Tensor, *, complex: bool) -> np.ndarray:
    x = x.detach().cpu().resolve_conj().resolve_neg()
    if not x.is_complex():
        return x.float().numpy()
    if not complex:
        raise ValueError(f"{path}: complex images are written as .npz; take their magnitudes, x.abs()")
    return x.to(torch.complex64).numpy()


def _npy(path: Path, stack: np.ndarray, beside: Beside) -> None:
    stack = stack[0] if len(stack) == 1 else stack
    with open(path, "wb") as file:
        np.save(file, stack[0] if len(stack) == 1 and stack.ndim == 3 else stack)


def _npz(path: Path, stack: np.ndarray, beside: Beside) -> None:
    with open(path, "wb") as file:
        np.savez(file, x=stack, provenance=np.array(beside.text.encode()))


def _fits(path: Path, stack: np.ndarray, beside: Beside) -> None:
    fits = package("astropy.io.fits", "io")
    planes = stack.reshape(-1, *stack.shape[-2:])
    header = fits.Header()
    if beside.text:
        header["HISTORY"] = beside.text
    fits.writeto(path, planes[0] if len(planes) == 1 else planes, header, overwrite=True)


def _tiff(path: Path, stack: np.ndarray, beside: Beside) -> None:
    if stack.shape[1] != 1:
        raise ValueError("TIFF is written of gray images; take .npy or .png for colours")
    tifffile = package("tifffile", "train")
    tifffile.imwrite(path, stack[:, 0], photometric="minisblack", description=beside.text or None, metadata=None)


WRITTEN: dict[str, Callable[[Path, np.ndarray, Any], Any]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".fits": _fits,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".nii": write_nifti,
    ".nii.gz": write_nifti,
    ".dcm": lambda path, stack, beside: write_dicom(path, stack, 0, beside),
    ".png": write_picture,
    ".jpg": write_picture,
    ".jpeg": write_picture,
}
