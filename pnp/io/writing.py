"""Images to files: pictures in bytes, arrays in single precision."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisers.weights import refuse_existing
from denoisers.weights.writing import written

from .opening import package

__all__ = ["WRITTEN", "write_images"]


def write_images(path: str | Path, images: Sequence[Tensor], *, overwrite: bool = False) -> None:
    """Write images (C, H, W), C one or three: ``.npy`` and ``.fits`` take float32 of any range and a stack of images;
    ``.tif`` float32, gray, a page for each; ``.png`` and ``.jpg`` one image, [0, 1] as bytes, cut to that range.

    Raises:
        ValueError: another ending, or the format does not take the images. FileExistsError: the file is there.

    >>> import tempfile
    >>> from pnp.io import read_images
    >>> file = Path(tempfile.mkdtemp()) / "a.npy"
    >>> write_images(file, [torch.ones(1, 4, 5)])
    >>> read_images(file)[0].shape
    torch.Size([1, 4, 5])
    """
    path = Path(path)
    write = WRITTEN.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"cannot write {path}: expected one of {', '.join(sorted(WRITTEN))}")
    arrays = [x.detach().cpu().float().numpy() for x in images]
    if not arrays or len({a.shape for a in arrays}) > 1:
        raise ValueError(f"{path}: expected images of one size, got {sorted({a.shape for a in arrays})}")
    refuse_existing(path, overwrite=overwrite)
    with written(path) as partial:
        write(partial, np.stack(arrays), path.suffix.lower())


def _npy(path: Path, stack: np.ndarray, ending: str) -> None:
    stack = stack[0] if len(stack) == 1 else stack
    with open(path, "wb") as file:
        np.save(file, stack[0] if len(stack) == 1 and stack.ndim == 3 else stack)


def _fits(path: Path, stack: np.ndarray, ending: str) -> None:
    planes = stack.reshape(-1, *stack.shape[-2:])
    package("astropy.io.fits", "io").writeto(path, planes[0] if len(planes) == 1 else planes, overwrite=True)


def _tiff(path: Path, stack: np.ndarray, ending: str) -> None:
    if stack.shape[1] != 1:
        raise ValueError("TIFF is written of gray images; take .npy or .png for colours")
    package("tifffile", "train").imwrite(path, stack[:, 0], photometric="minisblack")


def _picture(path: Path, stack: np.ndarray, ending: str) -> None:
    if len(stack) > 1:
        raise ValueError(f"{ending} holds one image, got {len(stack)}; take .npy, .fits or .tif")
    bytes_ = torch.from_numpy(stack[0]).clamp(0, 1).mul(255).round().to(torch.uint8).movedim(0, -1).numpy()
    image = package("PIL.Image", "train").fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)
    image.save(path, format="png" if ending == ".png" else "jpeg")


WRITTEN: dict[str, Callable[[Path, np.ndarray, str], Any]] = {
    ".npy": _npy,
    ".fits": _fits,
    ".tif": _tiff,
    ".tiff": _tiff,
    ".png": _picture,
    ".jpg": _picture,
    ".jpeg": _picture,
}
