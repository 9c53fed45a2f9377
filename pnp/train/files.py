"""Files of images: raster, npy, npz, FITS, DICOM, HDF5 in fastMRI's layout. Broken ones are named."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from operators.shapes import as_constant

__all__ = ["ENDINGS", "Slice", "read_fastmri", "read_images", "read_measurements"]


def _package(name: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"reading this file needs {name}: pip install 'pnp-imaging[{extra}]'") from error


def _raster(path: Path) -> list[np.ndarray]:
    with _package("PIL.Image", "train").open(path) as image:
        if image.mode.startswith("I;16"):
            return [np.asarray(image, dtype=np.float32) / 65535]
        if image.mode in ("I", "F"):
            return [np.asarray(image, dtype=np.float32)]
        return [np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))]


def _numpy(path: Path) -> list[np.ndarray]:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return [loaded]
    with loaded:
        return [loaded[name] for name in loaded.files]


def _fits(path: Path) -> list[np.ndarray]:
    data = _package("astropy.io.fits", "io").getdata(path)
    if getattr(data, "ndim", 0) < 2 or data.dtype.names:
        raise ValueError("its first data unit is no image")
    return list(data.astype(data.dtype.newbyteorder("=")).reshape(-1, *data.shape[-2:]))  # a cube: plane by plane


def _dicom(path: Path) -> list[np.ndarray]:
    file = _package("pydicom", "io").dcmread(path)
    slope, offset = (getattr(file, name, None) for name in ("RescaleSlope", "RescaleIntercept"))
    values = file.pixel_array.astype(np.float32)
    if file.PhotometricInterpretation == "MONOCHROME1":  # the smallest value is white
        ends = (1 << int(file.BitsStored)) - 1  # sum of the smallest and the largest value that may be stored
        values = (-1 if file.PixelRepresentation else ends) - values
    values = values * float(1 if slope in (None, "") else slope) + float(0 if offset in (None, "") else offset)
    return [values] if values.ndim == 2 or file.SamplesPerPixel > 1 else list(values)


class Slice(NamedTuple):
    """A slice: centred k-space (coils, H, W) complex, the reference image (1, h, w), the volume's maximum."""

    kspace: Tensor
    target: Tensor
    maximum: float


def read_fastmri(path: str | Path) -> list[Slice]:
    """All slices of a file in fastMRI's layout: ``kspace`` (slices, [coils,] H, W) with ``reconstruction_rss`` or
    ``reconstruction_esc`` (slices, h, w) and the attribute ``max``. Zbontar et al. 2018, arXiv:1811.08839.

    Raises:
        ValueError: the file is broken, a part is missing or holds NaN; it is named. ImportError: h5py is missing.
    """
    with _named(path):
        return _slices(path)


def _slices(path: str | Path) -> list[Slice]:
    with _package("h5py", "io").File(path) as file:
        kspace = torch.from_numpy(file["kspace"][()].astype(np.complex64))
        kind = "reconstruction_rss" if "reconstruction_rss" in file else "reconstruction_esc"
        target = torch.from_numpy(file[kind][()].astype(np.float32))
        maximum = float(file.attrs.get("max", target.max()))
    kspace = kspace[:, None] if kspace.ndim == 3 else kspace
    if not (torch.isfinite(torch.view_as_real(kspace)).all() and torch.isfinite(target).all()):
        raise ValueError("values are not finite")
    return [Slice(k, t[None], maximum) for k, t in zip(kspace, target, strict=True)]


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Errors say which file cannot be read; readers of broken ones raise anything."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def read_measurements(folder: str | Path) -> list[tuple[Tensor, Tensor]]:
    """Pairs (y, x) of a folder's npz files, arrays ``y`` (data without batch, real or complex) and ``x`` (C, H, W), for
    :class:`pnp.train.Pairs` with ``turn=False`` and a :class:`pnp.Reconstructor`.

    Raises:
        FileNotFoundError: no folder, or no such file in it. ValueError: a file is broken or holds NaN; it is named.
    """
    files = sorted(Path(folder).glob("*.npz"))
    if not files:
        raise FileNotFoundError(f"no npz files in {folder}")
    pairs = []
    for path in files:
        with _named(path), np.load(path, allow_pickle=False) as loaded:
            pair = [as_constant(name, loaded[name]) for name in ("y", "x")]
            pair = [v.to(torch.complex64 if v.is_complex() else torch.float32) for v in pair]
            for name, value in zip("yx", pair):
                if not bool(torch.isfinite(torch.view_as_real(value) if value.is_complex() else value).all()):
                    raise ValueError(f"values of {name} are not finite")
            pairs.append((pair[0], pair[1]))
    return pairs


def _fastmri(path: Path) -> list[np.ndarray]:
    return [(s.target / s.maximum).numpy() for s in _slices(path)]


_READERS: dict[str, Callable[[Path], list[np.ndarray]]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"), _raster),
    **dict.fromkeys((".npy", ".npz"), _numpy),
    **dict.fromkeys((".fits", ".fit"), _fits),
    **dict.fromkeys((".dcm", ".ima"), _dicom),
    **dict.fromkeys((".h5", ".hdf5"), _fastmri),
}
ENDINGS = frozenset(_READERS)


def read_images(path: str | Path, channels: int = 1) -> list[Tensor]:
    """The images of a file, (C, H, W) each: bytes as bytes, 16-bit raster files over 65535, all else float32 as it
    is (fastMRI's references over the volume's maximum, DICOM in rescaled units, Hounsfield for CT).

    Arrays are (H, W), (C, H, W) or (H, W, 3); gray images repeat for three channels, colour becomes gray by ITU-R
    601 luma. FITS cubes and DICOM files of several frames hold as many images; DICOM's MONOCHROME1, whose smallest
    value is white, is turned round.

    Raises:
        ImportError: a package for the format is missing. ValueError: the file cannot be read; it is named.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"cannot read {path}: expected one of {', '.join(sorted(ENDINGS))}")
    with _named(path):
        images = [_shaped(array, channels) for array in reader(path)]
        if not images:
            raise ValueError("there is no image in it")
    return images


def _shaped(array: np.ndarray, channels: int) -> Tensor:
    if np.iscomplexobj(array):
        raise ValueError("complex values; images are real")
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3 and array.shape[-1] in (3, 4) and array.shape[0] not in (1, 3):
        array = np.moveaxis(array[..., :3], -1, 0)
    if array.ndim != 3 or array.shape[0] not in (1, 3) or array.size == 0:
        raise ValueError(f"an array of shape {array.shape} is no image of 1 or 3 channels")
    image = torch.from_numpy(np.array(array if array.dtype == np.uint8 else array.astype(np.float32)))
    if not bool(torch.isfinite(image).all()):
        raise ValueError("values are not finite")
    if image.shape[0] == channels:
        return image
    if channels == 3:
        return image.expand(3, -1, -1).contiguous()
    gray = torch.tensordot(torch.tensor([0.299, 0.587, 0.114]), image.float(), 1)[None]
    return gray.round().to(torch.uint8) if image.dtype == torch.uint8 else gray
