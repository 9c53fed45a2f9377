"""Protocol of super-resolution: MATLAB's bicubic resizing, luma, score without the border."""

import math

import torch
from torch import Tensor

from .metrics import psnr

__all__ = ["imresize", "luma", "superres_inputs", "superres_psnr"]


def _cubic(t: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2."""
    t = t.abs()
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t <= 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def _resizer(size: int, scale: float) -> Tensor:
    """Matrix (ceil(size scale), size) of one axis: a kernel as wide as a new pixel where it shrinks, mirrored ends."""
    out = math.ceil(size * scale)
    stretch = min(scale, 1.0)
    centres = (torch.arange(out, dtype=torch.float64, device="cpu") + 0.5) / scale - 0.5
    reach = math.ceil(2 / stretch) + 1
    taps = centres.floor().long()[:, None] + torch.arange(-reach, reach + 1, device="cpu")
    weights = _cubic(stretch * (centres[:, None] - taps))
    weights = weights / weights.sum(1, keepdim=True)
    taps = taps.remainder(2 * size)  # half-sample mirror: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...
    taps = torch.where(taps < size, taps, 2 * size - 1 - taps)
    return torch.zeros(out, size, dtype=torch.float64, device="cpu").scatter_add_(1, taps, weights)


def imresize(x: Tensor, scale: float) -> Tensor:
    """Bicubic resizing of images (B, C, H, W) as MATLAB's ``imresize``: anti-aliased where it shrinks.

    Gives (B, C, ceil(H scale), ceil(W scale)); neither clipped nor rounded. Keys 1981,
    doi:10.1109/TASSP.1981.1163711.

    Raises:
        ValueError: ``scale`` is not positive. TypeError: ``x`` is not a floating point tensor.

    >>> imresize(torch.rand(1, 1, 10, 9), 1 / 3).shape
    torch.Size([1, 1, 4, 3])
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"x: expected floating point images, got {getattr(x, 'dtype', type(x).__name__)}")
    if not scale > 0:
        raise ValueError(f"scale: expected a positive number, got {scale}")
    rows, columns = (_resizer(n, scale).to(x) for n in x.shape[-2:])
    return rows @ x @ columns.mT


def luma(x: Tensor) -> Tensor:
    """Luma (B, 1, H, W) of colour images (B, 3, H, W) in [0, 1], ITU-R BT.601 with its range 16/255 ... 235/255.

    >>> round(luma(torch.ones(1, 3, 1, 1)).item() * 255, 3)
    235.0
    """
    weights = x.new_tensor([65.481, 128.553, 24.966]).view(3, 1, 1) / 255
    return (weights * x).sum(-3, keepdim=True) + 16 / 255


def superres_inputs(x: Tensor, scale: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of images (B, C, H, W) in [0, 1]: cropped to a multiple of ``scale``, shrunk, and enlarged again, the latter two
    rounded to 8 bits; what networks for enlarged (SRCNN) and for small images (SRResNet) are given.

    Raises:
        ValueError: ``scale`` is not a whole number from 1 on, or larger than the image; intensities leave [0, 1].
        TypeError: no floating point images.

    >>> [tuple(v.shape[-2:]) for v in superres_inputs(torch.rand(1, 3, 20, 31), 3)]
    [(18, 30), (6, 10), (18, 30)]
    """
    _check_scale(scale)
    _check_range("x", x)
    height, width = (n - n % scale for n in x.shape[-2:])
    if not (height and width):
        raise ValueError(f"scale: {scale} is more than the image's sides, {tuple(x.shape[-2:])}")
    x = x[..., :height, :width]
    small = _eight_bits(imresize(x, 1 / scale))
    return x, small, _eight_bits(imresize(small, scale))


def superres_psnr(estimate: Tensor, truth: Tensor, scale: int) -> Tensor:
    """PSNR (B,) in dB of the luma, clipped to [0, 1], without ``scale`` pixels along the border; peak 1.

    Images (B, C, H, W) of one shape; three channels are colour, of which the luma is taken, others count as they are.

    Raises:
        ValueError: shapes differ, the truth leaves [0, 1], or nothing is left within the border; ``scale`` as above.

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258 (their evaluation code).

    >>> round(superres_psnr(torch.full((1, 1, 9, 9), 0.1), torch.zeros(1, 1, 9, 9), 3).item(), 3)
    20.0
    """
    _check_scale(scale)
    _check_range("truth", truth)
    if estimate.shape != truth.shape:
        raise ValueError(f"estimate, truth: shapes differ, {tuple(estimate.shape)} and {tuple(truth.shape)}")
    if min(truth.shape[-2:]) <= 2 * scale:
        raise ValueError(f"truth: nothing is left of {tuple(truth.shape[-2:])} without {scale} pixels along the border")
    inside = (..., slice(scale, -scale), slice(scale, -scale))
    a, b = ((luma(v) if v.shape[1] == 3 else v)[inside].clamp(0, 1) for v in (estimate, truth))
    return psnr(a, b)


def _check_scale(scale: int) -> None:
    if not isinstance(scale, int) or scale < 1:
        raise ValueError(f"scale: expected a whole number from 1 on, got {scale!r}")


def _check_range(name: str, x: Tensor) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"{name}: expected floating point images, got {getattr(x, 'dtype', type(x).__name__)}")
    if x.numel() and not (x.amin() >= -1e-3 and x.amax() <= 1 + 1e-3):
        raise ValueError(f"{name}: expected intensities in [0, 1], got {float(x.amin()):.3g} to {float(x.amax()):.3g}")


def _eight_bits(x: Tensor) -> Tensor:
    return (255 * x.clamp(0, 1)).round() / 255
