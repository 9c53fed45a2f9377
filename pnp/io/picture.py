"""Pictures of images: bytes, a bar of a round length, the range of gray, provenance."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from .opening import package

__all__ = ["round_length", "write_picture"]

_STRIP = 18  # pixels below the image


def round_length(width: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is at most a third of the width.

    >>> round_length(90.0), round_length(0.7)
    (20.0, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(width / 3))
    return float(f"{power * max(m for m in (1, 2, 5) if m * power <= width / 3 * (1 + 1e-9)):.6g}")


def write_picture(path: Path, stack: np.ndarray, beside: Any) -> None:
    """One image; below it, where limits or a pixel's side are known, a strip with the range and the bar."""
    if len(stack) > 1:
        raise ValueError(f"a picture holds one image, got {len(stack)}; take .npy, .nii, .fits or .tif")
    if not np.isfinite(stack).all():
        raise ValueError("values are not finite")
    low, high = beside.limits
    if not low < high:
        low, high = low - 0.5, low + 0.5
    values = np.clip((stack[0].astype(np.float64) - low) / (high - low), 0, 1)
    bytes_ = np.moveaxis(np.rint(255 * values).astype(np.uint8), 0, -1)
    image = package("PIL.Image", "train").fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)
    if beside.bar or beside.pixel is not None:
        image = _with_strip(image, beside, (low, high))
    if beside.ending != ".png":
        image.save(path, format="jpeg", **({"comment": beside.text} if beside.text else {}))
        return
    info = package("PIL.PngImagePlugin", "train").PngInfo()
    if beside.text:
        info.add_text("provenance", beside.text)
    if beside.bar:
        info.add_text("limits", f"{low!r} {high!r}")
    image.save(path, format="png", pnginfo=info)


def _with_strip(image: Any, beside: Any, limits: tuple[float, float]) -> Any:
    """The picture with a black strip below it: bar and length on the left, range on the right."""
    pillow, draw_kind = package("PIL.Image", "train"), package("PIL.ImageDraw", "train")
    width, height = image.size
    whole = pillow.new(image.mode, (width, height + _STRIP))
    whole.paste(image, (0, 0))
    draw = draw_kind.Draw(whole)
    white: Any = 255 if image.mode == "L" else (255, 255, 255)
    end = 4
    if beside.pixel is not None:
        side, unit = beside.pixel
        length = round_length(width * side)
        bar = max(1, round(length / side))
        draw.rectangle((4, height + 7, 3 + bar, height + 10), fill=white)
        words = f"{length:g} {unit}"
        draw.text((8 + bar, height + 3), words, fill=white)
        end = 12 + bar + draw.textlength(words)
    if beside.bar:
        words = f"{limits[0]:.3g} to {limits[1]:.3g}"
        place = width - 4 - draw.textlength(words)
        if place >= end:  # a narrow image has room for the bar alone
            draw.text((place, height + 3), words, fill=white)
    return whole
