"""Files of images of every kind: which reader takes which, and one shape for what they give."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .arrays import read_fits, read_nifti, read_numpy
from .dicom import is_dicom, read_dicom
from .fastmri import read_references
from .opening import located, named
from .raster import read_raster
from .tiff import read_tiff

__all__ = ["ENDINGS", "image_files", "read_images"]

_READERS: dict[str, Callable[[Path], list[np.ndarray]]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".webp"), read_raster),
    **dict.fromkeys((".tif", ".tiff"), read_tiff),
    **dict.fromkeys((".npy", ".npz"), read_numpy),
    **dict.fromkeys((".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz"), read_fits),
    **dict.fromkeys((".nii", ".nii.gz"), read_nifti),
    **dict.fromkeys((".dcm", ".ima"), read_dicom),
    **dict.fromkeys((".h5", ".hdf5"), read_references),
}
ENDINGS = frozenset(_READERS)


def ending(path: str | Path) -> str:
    """The end of a file's name by which its reader is known; empty: none is.

    >>> ending("M31.FITS.gz"), ending("notes.txt"), ending("a.b.png")
    ('.fits.gz', '', '.png')
    """
    last = [s.lower() for s in Path(path).suffixes[-2:]]
    return next((e for e in ("".join(last), last[-1] if last else "") if e in _READERS), "")


def image_files(folder: str | Path, *, recursive: bool = False) -> list[Path]:
    """The files of images in a folder, ``recursive``: and in those below, by name; hidden ones (macOS' ``._a.png``) are
    no images.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    found = root.rglob("*") if recursive else root.glob("*")
    hidden = (f for f in found if not any(part.startswith(".") for part in f.relative_to(root).parts))
    return sorted((f for f in hidden if ending(f) and f.is_file()), key=lambda f: f.relative_to(root).as_posix())


def read_images(path: str | Path, channels: int | None = 1) -> list[Tensor]:
    """The images of a file, (C, H, W) each: bytes as bytes, 16-bit PNG and TIFF over 65535, all else float32 as it
    is (fastMRI's references over the volume's maximum, DICOM in rescaled units, Hounsfield for CT).

    Arrays are (H, W), (C, H, W), (H, W, C) or a stack of these, C one or three, in (H, W, C) also two or four, whose
    last one is transparency and left out. A gray image repeats for three channels, colour becomes gray by ITU-R 601
    luma; ``channels=None`` leaves them as they are. FITS cubes, NIfTI volumes, DICOM files of several frames, TIFF
    stacks, animated PNG and WebP hold as many images. Pictures are turned upright as EXIF says, and where the smallest
    value is white (TIFF, DICOM) it becomes the largest.

    Raises:
        ImportError: a package for the format is missing. FileNotFoundError: no such file. ValueError: the file cannot
            be read, or declares more values than it can hold; it is named.
    """
    path = located(path)
    reader = _READERS.get(ending(path)) or (read_dicom if is_dicom(path) else None)
    if reader is None:
        raise ValueError(f"cannot read {path}: expected one of {', '.join(sorted(ENDINGS))}")
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    with named(path):
        images = [_channels(image, channels) for array in reader(path) for image in _shaped(array)]
        if not images:
            raise ValueError("there is no image in it")
    return images


def _shaped(array: np.ndarray) -> Sequence[np.ndarray]:
    """Images (1 or 3, H, W) of an array."""
    if np.iscomplexobj(array):
        raise ValueError("complex values; images are real")
    shape = array.shape
    if array.size and array.ndim == 2:
        return [array[None]]
    if array.size and array.ndim == 3:
        if shape[0] in (1, 3):
            return [array]
        if shape[-1] in (1, 2, 3, 4):
            return [_colours_first(array)]
        return [plane[None] for plane in array]
    if array.size and array.ndim == 4:
        if shape[1] in (1, 3):
            return list(array)
        if shape[-1] in (1, 2, 3, 4):
            return [_colours_first(image) for image in array]
    raise ValueError(f"an array of shape {shape} is not an image of 1 or 3 channels")


def _colours_first(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(image[..., : 1 if image.shape[-1] < 3 else 3], -1, 0)


def _channels(array: np.ndarray, channels: int | None) -> Tensor:
    with np.errstate(over="ignore"):
        image = torch.from_numpy(np.array(array if array.dtype == np.uint8 else array.astype(np.float32)))
    if not bool(torch.isfinite(image).all()):
        raise ValueError("values are not finite")
    if channels is None or image.shape[0] == channels:
        return image
    if channels == 3:
        return image.expand(3, -1, -1).contiguous()
    gray = torch.tensordot(torch.tensor([0.299, 0.587, 0.114], device="cpu"), image.float(), 1)[None]
    return gray.round().to(torch.uint8) if image.dtype == torch.uint8 else gray
