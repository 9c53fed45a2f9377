"""Phase retrieval: intensities of Fourier transforms behind coded masks."""

import torch
from torch import Tensor

from ..base import LinearOperator
from ..nonlinear import Operator
from ..shapes import Constant, as_constant, constant_like, image_axes
from .fft import fft2c, ifft2c

__all__ = ["PhaseRetrieval"]


class PhaseRetrieval(Operator):
    r"""Intensities of coded diffraction, :math:`y_k = |F(m_k x)|^2`, complex images (B, 1, H, W) to (B, K, H, W).

    What is not measured is a phase common to all pixels: x and :math:`e^{i \varphi} x` have the same data.

    Args:
        masks: (K, H, W), complex or real; two or more random phases make images unique in practice.
        start: power iterations of the spectral estimate that solvers begin with.

    Candes, Li, Soltanolkotabi 2015, doi:10.1016/j.acha.2014.09.004 (masks), doi:10.1109/TIT.2015.2399924 (start).

    >>> op = PhaseRetrieval(torch.exp(2j * torch.pi * torch.rand(4, 8, 8)))
    >>> op(torch.ones(1, 1, 8, 8) + 0j).shape
    torch.Size([1, 4, 8, 8])
    """

    in_dtype = torch.complex64
    masks: Tensor

    def __init__(self, masks: Constant, *, start: int = 60) -> None:
        super().__init__()
        masks = as_constant("masks", masks)
        if masks.ndim != 3:
            raise ValueError(f"masks: expected (K, H, W), got {tuple(masks.shape)}")
        _, height, width = image_axes((masks.shape[-2], masks.shape[-1]))
        self.in_shape, self.out_shape = (1, height, width), tuple(masks.shape)
        self.out_dtype, self.start = torch.float32, int(start)
        self.register_buffer("masks", masks + 0j, persistent=False)

    def wave(self, x: Tensor) -> Tensor:
        """What a detector would see of the wave itself, complex (B, K, H, W)."""
        return fft2c(constant_like(self.masks[None], x, "masks") * x)

    def back(self, y: Tensor) -> Tensor:
        """Adjoint of :meth:`wave`."""
        return (constant_like(self.masks[None], y, "masks").conj() * ifft2c(y)).sum(1, keepdim=True)

    def A(self, x: Tensor) -> Tensor:
        seen = self.wave(x)
        return seen.real**2 + seen.imag**2

    def linearised(self, x: Tensor) -> LinearOperator:
        r""":math:`\delta \mapsto 2\, \mathrm{Re}\, \overline{F m_k x}\, F m_k \delta`."""
        return _Intensity(self, x)

    def first_image(self, y: Tensor) -> Tensor:
        """Spectral estimate: the leading eigenvector of :math:`\\sum_k m_k^* F^* y_k F m_k`, of the data's power."""
        kind = torch.complex128 if y.dtype == torch.float64 else torch.complex64
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(1, *self.in_shape, generator=generator, dtype=torch.complex128, device="cpu").to(y.device, kind)
        x = x.expand(y.shape[0], *self.in_shape)
        with torch.no_grad():
            weights = y / y.mean((1, 2, 3), keepdim=True).clamp_min(torch.finfo(y.dtype).tiny)
            weights = weights.clamp(max=9)  # a few bright places are no direction
            for _ in range(self.start):
                x = self.back(weights * self.wave(x))
                x = x / x.abs().square().sum((1, 2, 3), keepdim=True).sqrt()
            power = self.A(x).sum((1, 2, 3), keepdim=True)
            return x * (y.sum((1, 2, 3), keepdim=True) / power).clamp_min(0).sqrt()


class _Intensity(LinearOperator):
    in_dtype = torch.complex64

    def __init__(self, op: PhaseRetrieval, x: Tensor) -> None:
        super().__init__()
        self.op, self.in_shape, self.out_shape, self.out_dtype = op, op.in_shape, op.out_shape, op.out_dtype
        self.register_buffer("wave", 2 * op.wave(x), persistent=False)

    wave: Tensor

    def A(self, x: Tensor) -> Tensor:
        return (constant_like(self.wave, x, "x").conj() * self.op.wave(x)).real

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.op.back(constant_like(self.wave, y + 0j, "x") * y)
