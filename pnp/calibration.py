"""Between the user's intensities and the denoiser's."""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

__all__ = ["Calibration", "calibrate"]


class Calibration(NamedTuple):
    """Affine map of each sample between image units and [0, 1]: x = offset + scale * unit, both (B,)."""

    scale: Tensor
    offset: Tensor


def calibrate(x: Tensor, mode: Literal["auto"] | tuple[float, float] | None) -> Calibration:
    """Calibration of images from a rough estimate ``x`` of them, one pair per sample.

    ``"auto"``: the 1st and 99th percentile become 0 and 1; for complex images only a scale, from the magnitude. A
    constant image has scale |x|, an image of zeros scale 1. ``(scale, offset)``: these numbers. ``None``: (1, 0).

    >>> [v.item() for v in calibrate(torch.linspace(2, 4, 101).reshape(1, 1, 1, -1), "auto")]
    [1.9600000381469727, 2.0199999809265137]
    """
    ones = torch.ones(x.shape[0], dtype=x.real.dtype, device=x.device)
    if mode is None:
        return Calibration(ones, 0 * ones)
    if mode != "auto":
        try:
            scale, offset = (float(v) for v in mode)
        except (TypeError, ValueError):
            raise ValueError(f"calibration: expected 'auto', None or (scale, offset), got {mode!r}") from None
        if not 0 < scale < math.inf or not math.isfinite(offset):
            raise ValueError(f"calibration: expected a positive finite scale and a finite offset, got {mode!r}")
        return Calibration(scale * ones, offset * ones)
    flat = x.detach().flatten(1)
    flat = flat.abs() if x.is_complex() else flat
    ordered = flat.sort(1).values
    low = ordered[:, round(0.01 * (flat.shape[1] - 1))]
    high = ordered[:, round(0.99 * (flat.shape[1] - 1))]
    if x.is_complex():
        low = torch.zeros_like(low)
    largest = flat.abs().amax(1)
    spread = torch.where(high - low > 1e-6 * largest, high - low, largest)
    flatness = high - low <= 1e-6 * largest
    return Calibration(torch.where(spread > 0, spread, ones), torch.where(flatness, torch.zeros_like(low), low))
