"""Cartesian magnetic resonance imaging."""

import torch
from torch import Tensor

from .base import LinearOperator
from .fourier import fft2c, ifft2c

__all__ = ["MRI"]


def _check_maps(coil_maps: Tensor, image_shape: tuple[int, int]) -> Tensor:
    """Coil maps with four axes, (1 | B, coils, H, W), a copy."""
    if coil_maps.ndim not in (3, 4) or tuple(coil_maps.shape[-2:]) != image_shape:
        raise ValueError(
            f"coil_maps: expected (coils, H, W) or (B, coils, H, W) with H, W = {image_shape}, "
            f"got {tuple(coil_maps.shape)}"
        )
    if not bool(torch.isfinite(torch.view_as_real(coil_maps + 0j)).all()):
        raise ValueError("coil_maps: hold NaN or infinite values")
    return coil_maps.reshape(-1, *coil_maps.shape[-3:]).clone()


class MRI(LinearOperator):
    r"""Cartesian MRI with one or several coils, native complex: :math:`(Ax)_c = m \odot F(s_c \odot x)`.

    Images (B, 1, H, W) complex -> k-space (B, coils, H, W) complex, zeros where nothing is sampled; F is unitary,
    with image centre and zero frequency at index n // 2. Real images are taken as complex ones. One coil, and full
    sampling, have a closed prox; several coils with a mask use conjugate gradients.

    Args:
        mask: (H, W) or (1 | B, 1 | coils, H, W): booleans, or weights >= 0.
        coil_maps: sensitivities s, (coils, H, W) or (1 | B, coils, H, W), complex; ``None``: one coil, s = 1.

    Raises:
        ValueError: the mask is zero everywhere, negative or not finite, or shapes do not fit.

    >>> op = MRI(torch.ones(4, 6))
    >>> x = torch.randn(1, 1, 4, 6, dtype=torch.complex64)
    >>> torch.allclose(op.A_adjoint(op(x)), x, atol=1e-6)
    True
    """

    in_dtype = torch.complex64
    mask: Tensor
    coil_maps: Tensor | None

    def __init__(self, mask: Tensor, coil_maps: Tensor | None = None) -> None:
        super().__init__()
        if mask.ndim not in (2, 4):
            raise ValueError(f"mask: expected (H, W) or (B, coils, H, W), got {tuple(mask.shape)}")
        mask = mask if mask.is_floating_point() else mask.to(torch.float32)
        if mask.is_complex() or not bool((torch.isfinite(mask) & (mask >= 0)).all()):
            raise ValueError("mask: expected booleans or finite real weights >= 0")
        mask = mask.reshape(-1, *mask.shape[-3:]) if mask.ndim == 4 else mask[None, None]
        if not bool((mask != 0).flatten(1).any(1).all()):
            raise ValueError("mask: zero everywhere, nothing is measured")
        image_shape = tuple(mask.shape[-2:])
        maps = None if coil_maps is None else _check_maps(coil_maps, (mask.shape[-2], mask.shape[-1]))
        coils = 1 if maps is None else maps.shape[1]
        if mask.shape[1] not in (1, coils):
            raise ValueError(f"mask: {mask.shape[1]} coils, but coil_maps have {coils}")
        self.register_buffer("mask", mask.clone(), persistent=False)
        self.register_buffer("coil_maps", maps, persistent=False)
        self.in_shape = (1, *image_shape)
        self.out_shape = (coils, *image_shape)
        self.out_dtype = torch.complex64

    def _maps(self, like: Tensor) -> Tensor | None:
        return None if self.coil_maps is None else self.coil_maps.to(like.real.dtype.to_complex())

    def A(self, x: Tensor) -> Tensor:
        maps = self._maps(x)
        return self.mask.to(x.real.dtype) * fft2c(x if maps is None else maps * x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        images, maps = ifft2c(self.mask.to(y.real.dtype) * y), self._maps(y)
        return images if maps is None else (maps.conj() * images).sum(1, keepdim=True)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        maps = self._maps(x)
        images = ifft2c(self.mask.to(x.real.dtype) ** 2 * fft2c(x if maps is None else maps * x))
        return images if maps is None else (maps.conj() * images).sum(1, keepdim=True)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        g, mask, maps = self._gamma(gamma, b), self.mask.to(b.real.dtype), self._maps(b)
        if maps is None:
            return ifft2c(fft2c(b) / (1 + g * mask**2))
        if bool((mask == 1).all()):
            return b / (1 + g * maps.abs().square().sum(1, keepdim=True))
        return super().solve_normal(b, gamma, **options)

    def norm(self) -> float:
        return float(self.mask.detach().max()) if self.coil_maps is None else super().norm()
