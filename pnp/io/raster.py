"""PNG, JPEG, WebP and other pictures that Pillow reads: every frame, upright, with all 16 bits."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from .opening import package, within

__all__ = ["frame", "read_raster", "upright"]

_NATIVE, _OTHER = ("16L", "16B") if sys.byteorder == "little" else ("16B", "16L")
_ORDERS = {"16B": ("16B", "16L"), "16L": ("16L", "16B"), "16N": (_NATIVE, _OTHER)}


def read_raster(path: Path) -> list[np.ndarray]:
    """The frames of a picture, (H, W) or (3, H, W): bytes, or 16 bits over 65535. Transparency is left out."""
    pillow = package("PIL.Image", "train")
    with pillow.open(path) as image:
        frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)  # cameras add previews
        within(path, (frames, *image.size), 8)
        found = []
        for number in range(frames):
            image.seek(number)
            values = frame(image)
            found.append(upright(values, image.getexif().get(274, 1)))
    return found


def frame(image: Any) -> np.ndarray:
    """Values of an opened picture's frame, (H, W) or (H, W, 3).

    Pillow keeps 8 of 16 bits of colours, and of gray with transparency: the others are asked for by themselves.
    """
    rawmode = _rawmode(image)
    kind, _, order = rawmode.partition(";")
    if kind == "LA" and order == "16B":  # four bytes per pixel, as those of RGBA
        _ask_for(image, "RGBA")
        values = np.asarray(image).astype(np.float32)
        return (256 * values[..., 0] + values[..., 1]) / 65535
    if image.mode in ("RGB", "RGBA") and order in _ORDERS:
        high, low = (_decoded(image, f"{kind};{_ORDERS[order][i]}") for i in (0, 1))
        return (256 * high + low)[..., :3] / 65535
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return np.asarray(image).astype(np.float32) / 65535
    if image.mode in ("I", "F"):
        return np.asarray(image).astype(np.float32)
    return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA", "La") else "RGB"))


def _rawmode(image: Any) -> str:
    """How the pixels lie in the file, where it is one way for all of them."""
    found = {t.args if isinstance(t.args, str) else t.args[0] for t in image.tile if t.args}
    return str(found.pop()) if len(found) == 1 else ""


def _ask_for(image: Any, rawmode: str) -> None:
    image.tile = [t._replace(args=rawmode if isinstance(t.args, str) else (rawmode, *t.args[1:])) for t in image.tile]


def _decoded(image: Any, rawmode: str) -> np.ndarray:
    """Of each 16 bits the byte that ``rawmode`` takes for the higher one."""
    with package("PIL.Image", "train").open(image.filename) as again:
        again.seek(image.tell())
        _ask_for(again, rawmode)
        return np.asarray(again).astype(np.float32)


def upright(values: np.ndarray, orientation: Any) -> np.ndarray:
    """An image (H, W) or (H, W, C) with rows from top to bottom, columns from left to right, and colours first;
    ``orientation`` is 1 to 8 as in EXIF and TIFF, where other numbers mean nothing.

    >>> upright(np.array([[1, 2], [3, 4]]), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.moveaxis(values, -1, 0) if values.ndim == 3 else values
