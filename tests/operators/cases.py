"""Small operators that write ``A`` alone: the base class derives the rest."""

import torch
from torch import Tensor

from operators.base import LinearOperator


class MaskedFFT(LinearOperator):
    """Masked 2-D Fourier samples of a real image, (B, 1, H, W) -> (B, 1, H, W) complex."""

    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.in_shape = (1, *mask.shape)

    def A(self, x):
        return self.mask * torch.fft.fft2(x, norm="ortho")


class ComplexFFT(MaskedFFT):
    """The same of a complex image."""

    in_dtype = torch.complex64


class Convolution(LinearOperator):
    """Valid convolution with a trainable kernel, (B, 1, H, W) -> (B, 2, H - 2, W - 1)."""

    def __init__(self, image_shape: tuple[int, int] = (5, 6), seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.kernel = torch.nn.Parameter(torch.randn(2, 1, 3, 2, dtype=torch.float64, generator=g))
        self.in_shape = (1, *image_shape)

    def A(self, x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, self.kernel.to(x.dtype))


class ComplexMap(LinearOperator):
    """Trainable complex map, stored as real (..., 2), on a complex image (B, 1, H, W)."""

    in_dtype = torch.complex64

    def __init__(self, image_shape: tuple[int, int] = (3, 4), seed: int = 0) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.map = torch.nn.Parameter(torch.randn(2, *image_shape, 2, dtype=torch.float64, generator=g))
        self.in_shape = (1, *image_shape)

    def A(self, x: Tensor) -> Tensor:
        maps = torch.view_as_complex(self.map).to(x.real.dtype.to_complex())
        return torch.fft.fft2(maps * x, norm="ortho")[..., :-1]


class BatchMask(LinearOperator):
    """Pointwise weights with a batch axis, (1 or B, C, H, W)."""

    weights: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.in_shape = tuple(weights.shape[1:])

    def A(self, x: Tensor) -> Tensor:
        return self.weights.to(x.real.dtype) * x


def mask(h: int = 5, w: int = 6) -> Tensor:
    """A fixed pattern that keeps two thirds."""
    return (torch.arange(h * w).reshape(h, w) * 7) % 3 > 0
