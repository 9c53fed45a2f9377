"""TIFF: every page, of any type of numbers; black is zero."""

from pathlib import Path
from typing import Any

import numpy as np

from .opening import package, within
from .raster import frame, upright

__all__ = ["pages_of", "read_tiff", "stored"]

_PLAIN = (1, 8, 32946, 32773)  # none, deflate (two numbers), packbits: what tifffile decodes by itself
_WHITE, _BLACK, _RGB = 0, 1, 2
_FORMAT, _UNSIGNED = 339, 1  # the tag of the kind of numbers
_REDUCED_OR_MASK = 0b101


def read_tiff(path: Path) -> list[np.ndarray]:
    """The pages of a file, (H, W) or (3, H, W): bytes, 16-bit whole numbers over 65535, others as they are.

    Reduced copies and masks are no pages. Where the smallest value is white, whole numbers are turned round. Bands that
    are neither colours nor transparency are as many images.
    """
    tifffile = package("tifffile", "train")
    tifffile.logger().setLevel("CRITICAL")  # what it makes of broken tags; what matters is raised
    found: list[np.ndarray] = []
    with tifffile.TiffFile(path) as file:
        pages = pages_of(file)
        within(path, (sum(max(int(p.nbytes), 1) for p in pages),))
        for number, page in enumerate(pages):
            if int(page.subfiletype) & _REDUCED_OR_MASK:
                continue
            plain = page.compression in _PLAIN and page.photometric in (_WHITE, _BLACK, _RGB)
            if plain and page.bitspersample in (8, 16, 32, 64):
                found += _page(page)
            else:
                found.append(upright(_by_pillow(path, number), 1))
    return found


def pages_of(file: Any) -> list[Any]:
    """The pages of an open ``tifffile.TiffFile`` in their order; each names the next one, and broken files go round in
    circles.

    Raises:
        ValueError: they do.
    """
    pages, places = [], set()
    for page in file.pages:
        if page.offset in places:
            raise ValueError(f"page {len(pages)} is one of those before")
        places.add(page.offset)
        pages.append(page)
    return pages


def stored(path: Path, number: int, page: Any) -> np.ndarray:
    """The values (H, W) of a gray page as they are in the file, of any compression that tifffile or Pillow knows.

    Raises:
        ValueError: neither knows it.
    """
    try:
        return page.asarray()
    except ValueError as error:
        if "imagecodecs" not in str(error) or page.photometric != _BLACK:
            raise
    with package("PIL.Image", "train").open(path) as image:
        image.seek(number)
        values = np.asarray(image)
    if values.dtype == np.int32 and page.dtype == np.uint32:  # Pillow has no such mode
        values = values.view(np.uint32)
    if values.dtype != page.dtype:
        raise ValueError(f"{page.dtype} values in {page.compression.name} need the package imagecodecs")
    return values


def _page(page: Any) -> list[np.ndarray]:
    values = page.asarray()
    if page.samplesperpixel > 1 and page.planarconfig == 2:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 2 + (page.samplesperpixel > 1):
        raise ValueError(f"a page of shape {values.shape} is not an image")
    tag = page.tags.get(274)
    values = upright(values if values.ndim == 3 else values[..., None], tag and tag.value)
    values = _scaled(values, white=page.photometric == _WHITE)
    if page.photometric == _RGB:
        return [values[:3]]
    alpha = sum(int(kind) in (1, 2) for kind in page.extrasamples)
    return list(values[: len(values) - alpha])


def _scaled(values: np.ndarray, *, white: bool) -> np.ndarray:
    kind = values.dtype
    if white and kind.kind != "u":
        raise ValueError(f"the smallest value is white, of {kind} numbers, which have no largest one")
    if white:
        values = np.iinfo(kind).max - values
    return values.astype(np.float32) / 65535 if kind == np.uint16 else values


def _by_pillow(path: Path, number: int) -> np.ndarray:
    """Other compressions, colours and bits; Pillow turns pages upright."""
    with package("PIL.Image", "train").open(path) as image:
        image.seek(number)
        white, bits = image.tag_v2.get(262) == _WHITE, image.tag_v2.get(258, (1,))[0]
        values = frame(image)
        if image.mode == "I" and bits == 32 and image.tag_v2.get(_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED:
            values = np.where(values < 0, values + np.float32(2**32), values)  # Pillow has no mode for these
    if not image.mode.startswith("I;16"):
        return values
    values = values * (65535 / (2**bits - 1))
    return 1 - values if white else values
