"""What a report should say about data and answer: noise that is fitted, scales that are not in the data."""

import math
from typing import Any

import torch
from torch import Tensor

from operators.linalg import dot

__all__ = ["fits_noise", "unseen_scales"]

_FITTED = 0.4
_UNSEEN = 0.02
_FINEST = 2.0  # pixels


def fits_noise(ratio: float, strength: float) -> str:
    """Says that the noise is in the answer, whose misfit is ``ratio`` times the noise, since the strength is low.

    Not told at the default strength: of a mask that keeps little, healthy answers come as close to what is kept.

    >>> fits_noise(0.2, 0.1)
    'the noise is in the answer: its misfit is 0.2 times the noise level; raise strength, which is 0.1'
    """
    if strength > 0.5 or not 0 <= ratio < _FITTED:
        return ""
    return (
        f"the noise is in the answer: its misfit is {ratio:.2g} times the noise level; raise strength, which is "
        f"{strength:.3g}"
    )


@torch.no_grad()
def unseen_scales(op: Any, gain: Tensor, image: Tensor) -> str:
    r"""Says which structures leave next to nothing in the data: wider than so many pixels, or finer.

    Tried on noise in octaves of wavelengths: its data have less than 2 % of what white noise of the same energy has,
    :math:`\|A b\|^2 < 0.02\, g \|b\|^2`, g the mean diagonal of A* A.
    """
    octaves = int(math.log2(max(image.shape[-2:]) / _FINEST))
    if octaves < 3 or image.ndim < 4:
        return ""

    def unseen(k: int) -> bool:
        one = _octave(image, k, octaves)
        data = op.A(one.expand_as(image))
        return bool((dot(data, data) < _UNSEEN * gain * dot(one, one)).any())

    wide = next((i for i in range(octaves) if not unseen(i)), octaves)
    if wide == octaves:
        return ""
    fine = next(i for i in range(octaves) if not unseen(octaves - 1 - i))
    told = []
    if wide:
        told.append(f"wider than {_FINEST * 2 ** (octaves - wide):.0f} pixels")
    if fine:
        told.append(f"finer than {_FINEST * 2**fine:.0f} pixels")
    return f"structures {' and '.join(told)} are not in the data: they are the denoiser's" if told else ""


def _octave(image: Tensor, k: int, octaves: int) -> Tensor:
    """Noise (1, C, H, W) of the k-th octave of wavelengths, coarsest first; in volumes the same in all slices, each
    with a random factor, so that the noise is white through them."""
    if image.ndim == 5:
        depth = torch.randn(image.shape[2], 1, 1, generator=torch.Generator().manual_seed(k), dtype=image.real.dtype)
        return _octave(image[:, :, 0], k, octaves)[:, :, None] * depth.to(image.device)
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64, device=image.device) for n in image.shape[-2:])
    frequency = torch.hypot(rows[:, None], columns) * _FINEST * 2.0 ** (octaves - k)
    noise = torch.randn(image[:1].shape, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    band = torch.fft.fft2(noise.to(image.device)) * ((frequency > 1) & (frequency <= 2))
    rows, columns = (torch.hann_window(n, dtype=torch.float64, device=image.device) for n in image.shape[-2:])
    return (torch.fft.ifft2(band).real * rows[:, None] * columns).to(image.dtype)  # borders hold every frequency
