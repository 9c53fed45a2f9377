"""A folder of images in memory, and seeded crops of them."""

from pathlib import Path

import torch
from torch import Tensor

__all__ = ["ImageFolder", "random_crops", "read_image"]

_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def read_image(path: str | Path, channels: int) -> Tensor:
    """8-bit image file as (C, H, W) bytes; gray by ITU-R 601 luma when ``channels`` is 1.

    Raises:
        ImportError: Pillow is missing. ValueError: the file cannot be read; it is named.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("reading images needs Pillow: pip install 'pnp-imaging[train]'") from error
    try:
        with Image.open(path) as image:
            converted = image.convert("L" if channels == 1 else "RGB")
            pixels = torch.frombuffer(bytearray(converted.tobytes()), dtype=torch.uint8)
            return pixels.reshape(converted.height, converted.width, channels).permute(2, 0, 1).contiguous()
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"cannot read the image {path}: {error}") from error


class ImageFolder:
    """All images of a folder, (C, H, W) bytes each, sizes may differ.

    Raises:
        FileNotFoundError: the folder does not exist or holds no image.
        ValueError: a file cannot be read.
    """

    def __init__(self, folder: str | Path, *, channels: int = 1) -> None:
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"no folder {folder}")
        files = sorted(f for f in Path(folder).glob("*") if f.suffix.lower() in _ENDINGS)
        if not files:
            raise FileNotFoundError(f"no images in {folder}")
        self.names = [f.name for f in files]
        self.images = [read_image(f, channels) for f in files]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        """Image (C, H, W) as float32 in [0, 1]."""
        return self.images[index].float() / 255


def random_crops(images: list[Tensor], count: int, size: int, generator: torch.Generator) -> Tensor:
    """``count`` square crops (count, C, size, size) in [0, 1], each from an image, at a place and in one of the
    eight orientations drawn from ``generator``.

    Raises:
        ValueError: an image is smaller than a crop.

    >>> images = [torch.full((1, 9, 12), 51, dtype=torch.uint8)]
    >>> round(random_crops(images, 2, 8, torch.Generator().manual_seed(0)).mean().item(), 5)
    0.2
    """
    crops = []
    for _ in range(count):
        u = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        image = images[int(u[0] * len(images))]
        height, width = image.shape[-2:]
        if min(height, width) < size:
            raise ValueError(f"size: a crop of {size} pixels does not fit into an image of {height} x {width}")
        top, left = int(u[1] * (height - size + 1)), int(u[2] * (width - size + 1))
        crop = image[:, top : top + size, left : left + size]
        orientation = int(u[3] * 8)
        if orientation & 1:
            crop = crop.flip(-1)
        if orientation & 2:
            crop = crop.flip(-2)
        if orientation & 4:
            crop = crop.transpose(-1, -2)
        crops.append(crop)
    return torch.stack(crops).float() / 255
