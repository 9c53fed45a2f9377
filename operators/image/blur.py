"""Convolution of images."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt
from ..kept import Kept
from ..shapes import Constant, as_constant, check_batch, constant_like, image_axes
from .kernel_doubts import kernel_doubts

__all__ = ["Blur", "check_kernel", "kernel_axes", "kernel_spectrum"]


def kernel_spectrum(kernel: Tensor, image_shape: tuple[int, int]) -> Tensor:
    """Transfer function (..., H, W // 2 + 1) of a kernel (..., h, w) whose origin is its tap (h // 2, w // 2)."""
    h, w = kernel.shape[-2:]
    padded = F.pad(kernel, (0, image_shape[1] - w, 0, image_shape[0] - h))
    return torch.fft.rfft2(padded.roll((-(h // 2), -(w // 2)), (-2, -1)))


def check_kernel(kernel: Constant, image_shape: tuple[int, int]) -> Tensor:
    """A kernel (h, w), (C, h, w) or (1 | B, C, h, w) with four axes; raise where it does not fit the image."""
    kernel = as_constant("kernel", kernel)
    if kernel.ndim not in (2, 3, 4) or kernel.is_complex():
        raise ValueError(f"kernel: expected real (h, w), (C, h, w) or (B, C, h, w), got {tuple(kernel.shape)}")
    if kernel.shape[-2] > image_shape[0] or kernel.shape[-1] > image_shape[1]:
        raise ValueError(f"kernel: {tuple(kernel.shape[-2:])} is larger than the image, {tuple(image_shape)}")
    if not bool(torch.isfinite(kernel).all()) or not bool((kernel != 0).any()):
        raise ValueError("kernel: expected finite values that are not all zero")
    kernel = kernel if kernel.is_floating_point() else kernel.to(torch.float32)
    return kernel.reshape(*[1] * (4 - kernel.ndim), *kernel.shape)


def kernel_axes(kernel: Tensor, image_shape: tuple[int, int], channels: int) -> tuple[int, int, int]:
    """(C, H, W) of the images that a kernel (1 | B, C, h, w) filters; C is the kernel's where that is not one."""
    axes = image_axes(image_shape, channels)
    if kernel.shape[1] != 1 and channels not in (1, kernel.shape[1]):
        raise ValueError(f"channels: {channels} does not fit a kernel of {kernel.shape[1]} channels")
    return (max(channels, kernel.shape[1]), *axes[1:])


class Blur(LinearOperator):
    r"""Convolution :math:`(Ax)_p = \sum_q k_q x_{p - q}`, (B, C, H, W) -> (B, C, H, W), origin at tap (h//2, w//2).

    Pixels beyond the border of a photograph were blurred into it: for measured images take ``"valid"``, where the image
    is larger than the data. A wrong border is not noise, and deconvolution magnifies it all over the image.

    A true convolution: the kernel is the image of a point. (Networks, and the IPPy package, correlate: flip the
    kernel for theirs.)

    Args:
        kernel: (h, w), (C, h, w) or (1 | B, C, h, w), real, no larger than the image.
        image_shape: (H, W).
        channels: of the image, where the kernel has one; each is blurred independently.
        boundary: ``"circular"``: the image continues periodically; adjoint, normal and prox in closed form by FFT.
            ``"zero"``: it is surrounded by zeros ("same" convolution). ``"valid"``: data (B, C, H - h + 1, W - w + 1)
            are those pixels alone that see nothing beyond the image, which is (H, W) = data + kernel - 1. Both have
            their prox by conjugate gradients.

    Raises:
        TypeError: a kernel that is not a tensor.
        ValueError: one that does not fit, or an unknown boundary.

    >>> from operators.image.kernels import gaussian_kernel
    >>> op = Blur(gaussian_kernel(1.0), (16, 16))
    >>> round(op(torch.ones(1, 1, 16, 16)).mean().item(), 5)
    1.0
    """

    kernel: Tensor

    def __init__(
        self, kernel: Constant, image_shape: tuple[int, int], *, channels: int = 1, boundary: str = "circular"
    ) -> None:
        super().__init__()
        self.image_shape = image_axes(image_shape)[1:]
        full = check_kernel(kernel, self.image_shape)
        if boundary not in ("circular", "zero", "valid"):
            raise ValueError(f"boundary: expected 'circular', 'zero' or 'valid', got {boundary!r}")
        self.boundary = boundary
        self.register_buffer("kernel", full.clone(), persistent=False)
        self.in_shape = self.out_shape = kernel_axes(full, image_shape, channels)
        if boundary == "valid":
            self.out_shape = (self.in_shape[0], *(n - k + 1 for n, k in zip(self.image_shape, full.shape[-2:])))
        self.out_dtype = torch.float32
        self._spectrum = Kept(values=True)

    def _grid(self) -> tuple[int, int]:
        if self.boundary != "zero":
            return self.image_shape  # what wraps around is cut away from valid data
        h, w = self.kernel.shape[-2:]
        return self.image_shape[0] + h - 1, self.image_shape[1] + w - 1  # room for the zeros around the image

    def spectrum(self, like: Tensor) -> Tensor:
        """Transfer function in the precision of ``like``."""
        kernel = constant_like(self.kernel, like, "kernel")
        return self._spectrum(self.kernel, kernel.dtype, lambda: kernel_spectrum(kernel, self._grid()))

    def _filter(self, x: Tensor, spectrum: Tensor) -> Tensor:
        grid = self._grid()
        out = torch.fft.irfft2(torch.fft.rfft2(x, s=grid) * spectrum, s=grid)
        return out[..., : self.image_shape[0], : self.image_shape[1]]

    def _first(self) -> tuple[int, int]:
        """Pixel of the image at which valid data begin: taps reach h - 1 - h // 2 before it, h // 2 after it."""
        h, w = self.kernel.shape[-2:]
        return h - 1 - h // 2, w - 1 - w // 2

    def A(self, x: Tensor) -> Tensor:
        check_batch("x", x, self.in_shape, complex_data=False)  # a Fourier transform would cut or pad silently
        y = self._filter(x, self.spectrum(x))
        if self.boundary != "valid":
            return y
        (top, left), (height, width) = self._first(), self.out_shape[1:]
        return y[..., top : top + height, left : left + width]

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_batch("y", y, self.out_shape, complex_data=False)
        if self.boundary == "valid":
            top, left = self._first()
            missing = [n - k for n, k in zip(self.image_shape, y.shape[-2:])]
            y = F.pad(y, (left, missing[1] - left, top, missing[0] - top))
        return self._filter(y, self.spectrum(y).conj())

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if self.boundary != "circular":
            return self.A_adjoint(self.A(x))
        return self._filter(x, self.spectrum(x).abs() ** 2)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        if self.boundary != "circular":
            return super().solve_normal(b, gamma, **options)
        return self._filter(b, 1 / (1 + self._gamma(gamma, b) * self.spectrum(b).abs() ** 2))

    def preconditioner(self, gamma: Tensor):
        if self.boundary == "zero":
            return None

        def apply(r: Tensor) -> Tensor:  # the periodic problem's inverse: wrong only along the border
            return self._filter(r, 1 / (1 + gamma * self.spectrum(r).abs() ** 2))

        return apply

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        return kernel_doubts(y, self.kernel)

    def norm(self) -> float:
        if self.boundary != "circular":
            return super().norm()
        return float(self.spectrum(self.kernel.double()).detach().abs().max())
