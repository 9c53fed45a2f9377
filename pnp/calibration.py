"""Between the user's units and the denoiser's: intensities, complex values, channels."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from denoisers.base import Denoiser
from operators.linalg import column

__all__ = ["Calibration", "calibrate", "denoise", "describe_split"]


_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Calibration(NamedTuple):
    """Affine map of each sample between image units and [0, 1]: x = offset + scale * unit, both (B,)."""

    scale: Tensor
    offset: Tensor


def calibrate(x: Tensor, mode: Literal["auto"] | tuple[float, float] | None) -> Calibration:
    """Calibration of images from a rough estimate ``x`` of them, one pair a sample.

    ``"auto"``: the 1st and 99th percentile become 0 and 1; for complex images only a scale, from the magnitude. A
    constant image has scale |x|, an image of zeros scale 1. ``(scale, offset)``: these numbers. ``None``: (1, 0).

    >>> [v.item() for v in calibrate(torch.linspace(2, 4, 101).reshape(1, 1, 1, -1), "auto")]
    [1.9600000381469727, 2.0199999809265137]
    """
    ones = torch.ones(x.shape[0], dtype=x.real.dtype, device=x.device)
    if mode is None:
        return Calibration(ones, 0 * ones)
    if mode != "auto":
        scale, offset = mode
        if not scale > 0:
            raise ValueError(f"calibration: expected a positive scale, got {scale}")
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


def describe_split(denoiser: Denoiser, x: Tensor) -> str:
    """How :func:`denoise` hands an image to the denoiser, in words, for the report."""
    parts = ["real and imaginary part as two samples"] if x.is_complex() and not denoiser.takes_complex else []
    if denoiser.channels == 1 and x.shape[1] != 1:
        parts.append("channel by channel")
    return ", ".join(parts) or "as it is"


def denoise(denoiser: Denoiser, x: Tensor, sigma: Tensor, calibration: Calibration) -> Tensor:
    """``denoiser`` on images (B, C, H, W) in the user's units, real or complex; sigma (B,) in the same units.

    Raises:
        ValueError: the denoiser does not take that number of channels.
    """
    if x.is_complex() and not denoiser.takes_complex:
        twice = Calibration(calibration.scale.repeat(2), 0 * calibration.offset.repeat(2))
        parts = denoise(denoiser, torch.cat((x.real, x.imag)), sigma.repeat(2), twice)
        return torch.complex(*parts.contiguous().chunk(2))
    batch, channels = x.shape[:2]
    if denoiser.channels == 1 and channels != 1:
        each = Calibration(*(v.repeat_interleave(channels) for v in calibration))
        single = denoise(
            denoiser, x.reshape(batch * channels, 1, *x.shape[2:]), sigma.repeat_interleave(channels), each
        )
        return single.reshape(x.shape)
    if denoiser.channels not in (None, channels):
        raise ValueError(f"denoiser: takes {denoiser.channels} channels, the operator's images have {channels}")
    scale, offset = column(calibration.scale, x), column(calibration.offset, x)
    own = next((p.dtype for p in denoiser.parameters() if p.is_floating_point()), x.real.dtype)
    noisy = ((x - offset) / scale).to(own.to_complex() if x.is_complex() else own)
    clean = denoiser(noisy, (sigma / calibration.scale).to(own))
    if not isinstance(clean, Tensor):
        raise TypeError(f"denoiser: returned {type(clean).__name__} instead of a torch.Tensor")
    if clean.shape != noisy.shape or clean.dtype.is_complex != x.is_complex() or clean.real.dtype not in _FLOATS:
        raise ValueError(f"denoiser: returned {clean.dtype} {tuple(clean.shape)} for {own} {tuple(noisy.shape)}")
    return offset + scale * clean.to(x.dtype)
