"""A folder of images in memory, and seeded crops of them."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from ..io import image_files, read_images
from .drawing import USUAL, Drawing

__all__ = [
    "ImageFolder",
    "Normalise",
    "as_float",
    "check_least",
    "check_units",
    "numbered_crop",
    "random_crop",
    "random_place",
    "squared",
    "unit_range",
]

Normalise = bool | Literal["maximum"]


class ImageFolder:
    """All images of a folder, (C, H, W) each, sizes may differ; see :func:`pnp.train.read_images`.

    Args:
        folder: its files, in the order of their names; hidden ones are left out.
        recursive: and those in the folders below.
        channels: 1 or 3.
        normalise: map each image from its smallest and largest value to [0, 1]; ``"maximum"``: divide it by
            its largest magnitude.
        skip_broken: leave out files that cannot be read, or are too small, with a warning that names them.
        least: pixels that the shorter side has at least.

    Raises:
        FileNotFoundError: the folder does not exist or holds no image.
        ValueError: a file cannot be read, or an image is too small; it is named.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        channels: int = 1,
        normalise: Normalise = False,
        skip_broken: bool = False,
        least: int = 1,
        recursive: bool = False,
    ) -> None:
        self.names: list[str] = []
        self.images: list[Tensor] = []
        for file in image_files(folder, recursive=recursive):
            try:
                found = read_images(file, channels)
                check_least(file, found, least)
            except ValueError as error:
                if not skip_broken:
                    raise
                warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
                continue
            name = file.relative_to(folder).as_posix()
            self.names += [name] if len(found) == 1 else [f"{name}[{i}]" for i in range(len(found))]
            self.images += [unit_range(x, normalise) for x in found]
        if not self.images:
            below = not recursive and Path(folder).is_dir() and image_files(folder, recursive=True)
            raise FileNotFoundError(f"no images in {folder}" + ("; those below it need recursive" if below else ""))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        """Image (C, H, W) as float32, bytes in [0, 1]."""
        return as_float(self.images[index])


def check_least(path: str | Path, images: Sequence[Tensor], least: int) -> None:
    """Raise where an image of a file has a side of fewer pixels than ``least``."""
    for image in images:
        if min(image.shape[-2:]) < least:
            height, width = image.shape[-2:]
            raise ValueError(f"{path}: an image of {height} x {width} pixels, smaller than {least} x {least}")


def check_units(images: Sequence[Tensor], names: Sequence[str]) -> None:
    """Raise where images are far from the range [0, 1], which recipes and their noise levels are for.

    Raises:
        ValueError: one has values below -1 or above 2, or all of them are constant up to 1/255, but not zero.
    """
    hint = "expected about [0, 1], which the noise levels are for; --normalise (normalise=True) maps images to it"
    widest, largest = 0.0, 0.0
    for image, name in zip(images, names):
        if image.dtype == torch.uint8:
            return
        low, high = float(image.min()), float(image.max())
        if low < -1 or high > 2:
            raise ValueError(f"{name}: values from {low:.4g} to {high:.4g}, {hint}")
        widest, largest = max(widest, high - low), max(largest, abs(low), abs(high))
    if largest > 0 and widest < 1 / 255:
        raise ValueError(f"{names[0]}: values within {widest:.2g}, and so are those of all other images, {hint}")


def unit_range(image: Tensor, normalise: Normalise) -> Tensor:
    """An image as :class:`ImageFolder` keeps it; a constant one becomes zero, or one by its largest magnitude."""
    if not normalise:
        return image
    image = as_float(image)
    tiny = torch.finfo(torch.float32).tiny
    if normalise == "maximum":
        return image / image.abs().amax().clamp_min(tiny)
    low, high = image.amin(), image.amax()
    return (image - low) / (high - low).clamp_min(tiny)


def as_float(image: Tensor) -> Tensor:
    """Bytes as float32 in [0, 1]; other images as they are."""
    return image.float() / 255 if image.dtype == torch.uint8 else image


def random_place(
    shape: Sequence[int], size: int | None, generator: torch.Generator, drawing: Drawing = USUAL
) -> Callable[..., Tensor]:
    """A square of ``size`` pixels in images of ``shape`` (H, W), in one of the orientations of ``drawing``, drawn from
    ``generator``: a function of images, and of the factor by which another image of the same has more pixels.
    ``size`` None: all of the image, flipped or not.

    Raises:
        ValueError: an image is smaller than a crop.
    """
    u = torch.rand(3, generator=generator, dtype=torch.float64, device="cpu").tolist()
    height, width = shape
    if size is not None and min(height, width) < size:
        raise ValueError(f"size: a crop of {size} pixels does not fit into an image of {height} x {width}")
    rows, columns = (height, width) if size is None else (size, size)
    if drawing.fixed:
        top, left, orientation = (height - rows) // 2, (width - columns) // 2, 0
    else:
        top, left = int(u[0] * (height - rows + 1)), int(u[1] * (width - columns + 1))
        orientation = int(u[2] * min(drawing.orientations, 8 if rows == columns else 4))
    flips = [axis for bit, axis in ((1, -1), (2, -2)) if orientation & bit]

    def place(image: Tensor, factor: int = 1) -> Tensor:
        lines, across = (slice(factor * a, factor * (a + n)) for a, n in ((top, rows), (left, columns)))
        crop = as_float(image[..., lines, across]).flip(flips)
        return crop.transpose(-1, -2) if orientation & 4 else crop

    return place


def random_crop(images: Sequence[Tensor], size: int | None, generator: torch.Generator) -> Tensor:
    """A square crop (C, size, size) of one of the images, which, where and how turned drawn from ``generator``;
    ``size`` None: a whole image. Bytes become floats in [0, 1].

    >>> images = [torch.full((1, 9, 12), 51, dtype=torch.uint8)]
    >>> round(random_crop(images, 8, torch.Generator().manual_seed(0)).mean().item(), 5)
    0.2
    """
    return numbered_crop(images, size, generator)[1]


def numbered_crop(
    images: Sequence[Tensor], size: int | None, generator: torch.Generator, drawing: Drawing = USUAL
) -> tuple[int, Tensor]:
    """Which image was drawn, and the crop of it."""
    if not len(images):
        raise ValueError("images: expected at least one")
    number = int(torch.randint(len(images), (1,), generator=generator, device="cpu"))
    image = images[number]
    return number, random_place(image.shape[-2:], size, generator, drawing)(image)


def squared(image: Tensor, size: int) -> Tensor:
    """The central square of an image (C, H, W), scaled to ``size`` pixels with averaging."""
    side = min(image.shape[-2:])
    top, left = ((n - side) // 2 for n in image.shape[-2:])
    square = image[..., top : top + side, left : left + side]
    if side == size:
        return square
    return F.interpolate(square[None], (size, size), mode="bilinear", antialias=True, align_corners=False)[0]
