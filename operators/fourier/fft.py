"""Centred orthonormal Fourier transforms: zero frequency and image centre in the middle, at index n // 2."""

import torch
from torch import Tensor

from ..shapes import check_precision

__all__ = ["centred_fft", "fft2c", "ifft2c"]

_AXES = (-2, -1)


def centred_fft(x: Tensor, axes: tuple[int, ...], *, inverse: bool = False) -> Tensor:
    """Centred unitary FFT over some axes; index n // 2 is the origin on both sides.

    >>> round(centred_fft(torch.ones(2, 4), (-1,))[0, 2].real.item(), 5)
    2.0
    """
    check_precision("y" if inverse else "x", x)
    transform = torch.fft.ifftn if inverse else torch.fft.fftn
    return torch.fft.fftshift(transform(torch.fft.ifftshift(x, axes), dim=axes, norm="ortho"), axes)


def fft2c(x: Tensor) -> Tensor:
    """Centred unitary FFT over the last two axes; index n // 2 is the origin on both sides.

    >>> round(fft2c(torch.ones(1, 1, 4, 4))[0, 0, 2, 2].real.item(), 5)
    4.0
    """
    check_precision("x", x)
    return torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(x, _AXES), norm="ortho"), _AXES)


def ifft2c(y: Tensor) -> Tensor:
    """Inverse, and adjoint, of :func:`fft2c`."""
    check_precision("y", y)
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(y, _AXES), norm="ortho"), _AXES)
