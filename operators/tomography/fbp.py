"""Filters and angular weights of filtered backprojection."""

import math

import torch
from torch import Tensor

__all__ = ["angle_weights", "filter_sinogram"]


def filter_sinogram(y: Tensor, spacing: float, name: str = "ram-lak") -> Tensor:
    r"""Sinogram (..., detectors), each row convolved with the ramp filter, :math:`|\omega| / 2 \pi` times a window.

    The ramp is the band-limited one in space, sampled, so a constant keeps its value; rows are padded to twice their
    length. Windows: ``"ram-lak"`` 1, ``"shepp-logan"`` sinc, ``"cosine"``, ``"hamming"``, ``"hann"``.

    Raises:
        ValueError: the filter's name is unknown.

    Kak, Slaney 1988, doi:10.1137/1.9780898719277, (61) of chapter 3.
    """
    length = 2 ** math.ceil(math.log2(2 * y.shape[-1]))
    return torch.fft.irfft(torch.fft.rfft(y, n=length) * _response(length, name).to(y) / spacing, n=length)[
        ..., : y.shape[-1]
    ]


def _response(length: int, name: str) -> Tensor:
    n = torch.arange(length, dtype=torch.float64)
    n = torch.minimum(n, length - n)
    ramp = torch.where(n % 2 == 1, -1 / (math.pi * n.clamp_min(1)) ** 2, torch.zeros_like(n))
    ramp[0] = 0.25
    f = torch.arange(length // 2 + 1, dtype=torch.float64) / length  # cycles per bin
    windows = {
        "ram-lak": torch.ones_like(f),
        "shepp-logan": torch.sinc(f),
        "cosine": torch.cos(math.pi * f),
        "hamming": 0.54 + 0.46 * torch.cos(2 * math.pi * f),
        "hann": 0.5 + 0.5 * torch.cos(2 * math.pi * f),
    }
    if name not in windows:
        raise ValueError(f"filter: expected one of {', '.join(windows)}, got {name!r}")
    return torch.fft.rfft(ramp).real * windows[name]


def angle_weights(angles: Tensor) -> Tensor:
    """Share of the half circle that each angle stands for: half the way to both neighbours, modulo pi.

    Gaps of more than twice the median, such as the missing wedge of a limited-angle scan, count as the median.

    >>> angle_weights(torch.tensor([0.0, 1.0, 2.0]) * torch.pi / 3).mul(3 / torch.pi)
    tensor([1.0000, 1.0000, 1.0000], dtype=torch.float64)
    """
    same = 1e-5  # closer angles are one: half a turn apart, in single precision
    turned = torch.remainder(angles.double() + same, math.pi)
    ordered, order = turned.sort()
    group = (ordered.diff(prepend=ordered[:1]) > same).cumsum(0)
    which = torch.empty_like(group)
    which[order] = group
    counts = group.bincount()
    places = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, group, ordered) / counts
    gaps = (places.roll(-1) - places) % math.pi
    if len(places) == 1:
        return torch.full_like(turned, math.pi / len(turned))
    typical = gaps.median()
    gaps = torch.where(gaps > 2 * typical, typical, gaps)
    return ((gaps + gaps.roll(1)) / 2 / counts)[which]
