"""Cartesian magnetic resonance imaging."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt, Variant
from ..fourier.fft import fft2c, ifft2c
from ..kept import Kept
from ..shapes import Constant, as_constant, as_mask, check_batch, check_precision, constant_like
from .centre import off_centre
from .mistakes import map_mistakes

__all__ = ["MRI"]


def _check_mask(mask: Constant) -> Tensor:
    """Mask with four axes, (1 | B, 1 | coils, H, W), of real numbers, a copy."""
    mask = as_constant("mask", mask)
    if mask.ndim not in (2, 4):
        hint = ""
        if mask.ndim == 1 or (mask.ndim == 3 and mask.shape[-1] == 1):
            line = "mask" if mask.ndim == 1 else "mask.flatten()"
            hint = f"; a line of {mask.numel()} columns goes in as {line}.expand(H, {mask.numel()})"
        raise ValueError(f"mask: expected (H, W) or (B, coils, H, W), got {tuple(mask.shape)}{hint}")
    if mask.ndim == 4 and mask.shape[-1] == 1 and mask.shape[-2] > 1:
        raise ValueError(
            f"mask: {tuple(mask.shape)} is a line of {mask.shape[-2]} columns with an axis for real and imaginary part "
            f"(fastMRI's); it goes in as mask.flatten().expand(H, {mask.shape[-2]})"
        )
    mask = as_mask("mask", mask)
    mask = mask[None, None] if mask.ndim == 2 else mask
    if mask.numel() == 0 or not bool((mask != 0).flatten(1).any(1).all()):
        raise ValueError("mask: zero everywhere, nothing is measured")
    return mask


def check_maps(coil_maps: Constant, image_shape: tuple[int, int]) -> Tensor:
    """Coil maps with four axes, (1 | B, coils, H, W), a copy."""
    coil_maps = as_constant("coil_maps", coil_maps)
    if coil_maps.ndim not in (3, 4) or tuple(coil_maps.shape[-2:]) != image_shape:
        raise ValueError(
            f"coil_maps: expected (coils, H, W) or (B, coils, H, W) with H, W = {image_shape}, "
            f"got {tuple(coil_maps.shape)}"
        )
    if not bool(torch.isfinite(coil_maps).all()):
        raise ValueError("coil_maps: hold NaN or infinite values")
    maps = coil_maps.clone() if coil_maps.ndim == 4 else coil_maps[None].clone()
    if maps.numel() == 0 or not bool((maps != 0).flatten(1).any(1).all()):
        raise ValueError("coil_maps: zero everywhere, nothing is measured")
    return maps


def seen_by(coil_maps: Tensor | None) -> Tensor | None:
    """Where any coil sees, (1 | B, 1, ...); ``None``: everywhere."""
    if coil_maps is None:
        return None
    seen = (coil_maps.detach() != 0).any(1, keepdim=True)
    return None if bool(seen.all()) else seen


def _filtered(x: Tensor, response: Tensor) -> Tensor:
    """Images times a centred ``response`` in k-space: a circular convolution, which needs no shifts of the images."""
    return torch.fft.ifft2(torch.fft.ifftshift(response, (-2, -1)) * torch.fft.fft2(x))


class MRI(LinearOperator):
    r"""Cartesian MRI with one or several coils, native complex: :math:`(Ax)_c = m \odot F(s_c \odot x)`.

    Images (B, 1, H, W) complex -> k-space (B, coils, H, W) complex, zeros where nothing is sampled; F is unitary,
    with image centre and zero frequency at index n // 2. Real images are taken as complex ones. One coil, and full
    sampling, have a closed prox, one coil a closed pseudo-inverse; several coils with a mask use conjugate gradients.

    Args:
        mask: (H, W) or (1 | B, 1 | coils, H, W): booleans, integers 0 and 1, or real weights >= 0.
        coil_maps: sensitivities s, (coils, H, W) or (1 | B, coils, H, W), complex; ``None``: one coil, s = 1.

    Raises:
        TypeError: mask or maps are neither tensors nor arrays.
        ValueError: the mask is zero everywhere (in a sample), negative, not finite, or of integers above 1, or shapes
            do not fit.

    >>> op = MRI(torch.ones(4, 6))
    >>> x = torch.randn(1, 1, 4, 6, dtype=torch.complex64)
    >>> torch.allclose(op.A_adjoint(op(x)), x, atol=1e-6)
    True
    """

    field = "mri"

    in_dtype = torch.complex64
    mask: Tensor
    coil_maps: Tensor | None

    def __init__(self, mask: Constant, coil_maps: Constant | None = None) -> None:
        super().__init__()
        mask = _check_mask(mask)
        image_shape = (mask.shape[-2], mask.shape[-1])
        maps = None if coil_maps is None else check_maps(coil_maps, image_shape)
        coils = 1 if maps is None else maps.shape[1]
        if mask.shape[1] not in (1, coils):
            raise ValueError(f"mask: {mask.shape[1]} coils, but coil_maps have {coils}")
        if maps is not None and 1 not in (len(mask), len(maps)) and len(mask) != len(maps):
            raise ValueError(f"coil_maps: hold {len(maps)} samples, the mask {len(mask)}")
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("coil_maps", maps, persistent=False)
        self.in_shape = (1, *image_shape)
        self.out_shape = (coils, *image_shape)
        self.out_dtype = torch.complex64
        self._full = Kept()

    @property
    def measured(self) -> Tensor:
        return (self.mask.detach() > 0).expand(-1, *self.out_shape)

    @property
    def support(self) -> Tensor | None:
        return seen_by(self.coil_maps)

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        return off_centre(torch.where(self.measured, y, torch.zeros_like(y)))

    def variants(self, y: Tensor) -> Iterator[Variant]:
        if self.coil_maps is None:
            return
        mask, maps = self.mask.detach(), self.coil_maps.detach()
        rows, columns = (torch.arange(n, device=y.device) for n in y.shape[-2:])
        signs = 1 - 2 * ((rows[:, None] + columns) % 2)
        moved = "the image is not centred: fftshift is missing in the image, y * (-1)^(row + column) fits"
        yield Variant(Doubt("centre", moved), self, y * signs)
        if y.shape[-2] == y.shape[-1]:
            both = torch.where(mask.mT > 0, mask, torch.zeros_like(mask))
            swapped = torch.where(both > 0, y.mT, torch.zeros_like(y))
            words = "the axes of k-space are exchanged: y.mT fits"
            yield Variant(Doubt("geometry", words), MRI(both, maps), swapped)
        yield from map_mistakes(maps, ifft2c(self._mask(y) * y), y, lambda m: MRI(mask, m))

    def _mask(self, like: Tensor) -> Tensor:
        return constant_like(self.mask, like, "mask")

    def _maps(self, like: Tensor) -> Tensor | None:
        if self.coil_maps is None:
            return None
        return constant_like(self.coil_maps, like, "coil_maps")

    def A(self, x: Tensor) -> Tensor:
        maps = self._maps(x)
        return self._mask(x) * fft2c(x if maps is None else maps * x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        images, maps = ifft2c(self._mask(y) * y), self._maps(y)
        return images if maps is None else (maps.conj() * images).sum(1, keepdim=True)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        maps = self._maps(x)
        images = _filtered(x if maps is None else maps * x, self._mask(x) ** 2)
        return images if maps is None else (maps.conj() * images).sum(1, keepdim=True)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        g, mask, maps = self._gamma(gamma, b), self._mask(b), self._maps(b)
        if maps is None:
            return _filtered(b, 1 / (1 + g * mask**2))
        if not mask.requires_grad and self._is_full():  # else the derivative needs the mask in the graph
            return b / (1 + g * maps.abs().square().sum(1, keepdim=True))
        return super().solve_normal(b, gamma, **options)

    def _is_full(self) -> bool:
        """Whether everything is sampled, with the weight one; asked once for a mask, since a device is waited for."""
        return self._full(self.mask, None, lambda: bool((self.mask == 1).all()))

    def A_dagger(self, y: Tensor, **options) -> Tensor:
        check_batch("y", y, self.out_shape, complex_data=True)
        if self.coil_maps is not None:
            return super().A_dagger(y, **options)
        mask = self._mask(y)
        taken = mask > 0
        return ifft2c(torch.where(taken, y / torch.where(taken, mask, torch.ones_like(mask)), torch.zeros_like(y)))

    def norm(self) -> float:
        return float(self.mask.detach().max()) if self.coil_maps is None else super().norm()
