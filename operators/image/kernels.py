"""Blur kernels, (h, w), of sum one."""

import math

import torch
from torch import Tensor

from ..shapes import check_number

__all__ = ["gaussian_kernel", "motion_kernel"]


def gaussian_kernel(std: float, size: int | None = None) -> Tensor:
    r"""Gaussian :math:`k_{ij} \propto \exp(-(i^2 + j^2) / 2 s^2)`, (size, size), with its mass at the centre.

    Args:
        std: standard deviation s in pixels. (The course's ``kernel_variance`` is its square.)
        size: odd number of taps; by default out to 3 standard deviations.

    >>> gaussian_kernel(1.0).shape
    torch.Size([7, 7])
    """
    if not 0 < check_number("std", std) < math.inf:
        raise ValueError(f"std: expected a positive finite number of pixels, got {std}")
    size = 2 * math.ceil(3 * std) + 1 if size is None else size
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size: expected an odd number of taps, got {size}")
    i = torch.arange(size, dtype=torch.float64, device="cpu") - size // 2
    line = torch.exp(-(i**2) / (2 * std**2))
    kernel = line[:, None] * line
    return (kernel / kernel.sum()).float()


def motion_kernel(length: float, angle: float, *, variant: str = "line") -> Tensor:
    r"""Uniform motion along a straight line, (size, size).

    Args:
        length: of the path in pixels.
        angle: in radians, from the column axis towards increasing rows (downwards).
        variant: ``"line"``: the path through the centre, its mass spread bilinearly over pixels, centred exactly.
            ``"ippy"``: the IPPy package's rasterisation, truncated towards zero: 7 px at 45 degrees has 6 cells.

    >>> motion_kernel(3, 0.0)[2].sum().item()
    1.0
    >>> int((motion_kernel(7, torch.pi / 4, variant="ippy") > 0).sum())
    6
    """
    if not 1 <= check_number("length", length) < math.inf:
        raise ValueError(f"length: expected at least one pixel and finite, got {length}")
    if not math.isfinite(check_number("angle", angle)):
        raise ValueError(f"angle: expected finite radians, got {angle}")
    if variant == "ippy":
        size = int(length)
        kernel, centre = torch.zeros(size, size, device="cpu"), size // 2
        for i in range(size):
            column = int(centre + (i - centre) * math.cos(angle))
            row = int(centre + (i - centre) * math.sin(angle))
            kernel[row, column] = 1
        return kernel / kernel.sum()
    if variant != "line":
        raise ValueError(f"variant: expected 'line' or 'ippy', got {variant!r}")
    radius = math.ceil(length / 2)
    pieces = 16 * math.ceil(length)
    # middles of equal pieces: samples at both ends would count twice and lengthen the path
    t = ((torch.arange(pieces, dtype=torch.float64, device="cpu") + 0.5) / pieces - 0.5) * length
    place = torch.stack((t * math.sin(angle), t * math.cos(angle)))[:, :, None]  # (2, samples, 1)
    taps = torch.arange(-radius, radius + 1, dtype=torch.float64, device="cpu")
    rows, columns = (1 - (place - taps).abs()).clamp_min(0)  # bilinear weights (samples, size)
    kernel = rows.T @ columns
    return (kernel / kernel.sum()).float()
