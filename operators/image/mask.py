"""Pointwise operators: the identity, and images of which only some pixels are measured."""

import math

import torch
from torch import Tensor

from ..base import LinearOperator
from ..shapes import (
    Constant,
    as_mask,
    check_batch,
    check_number,
    check_precision,
    check_seed,
    constant_like,
    image_axes,
    with_channels,
)

__all__ = ["Identity", "Inpainting", "random_mask"]


class Identity(LinearOperator):
    """The image itself: denoising as an inverse problem, (B, C, H, W) -> (B, C, H, W).

    >>> Identity((2, 3))(torch.ones(1, 1, 2, 3)).sum().item()
    6.0
    """

    def __init__(self, image_shape: tuple[int, int], *, channels: int = 1, in_dtype: torch.dtype = torch.float32):
        super().__init__()
        self.in_shape = self.out_shape = image_axes(image_shape, channels)
        self.in_dtype = self.out_dtype = in_dtype

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        return x

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return y

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        return x

    def A_dagger(self, y: Tensor, **_) -> Tensor:
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        return y

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        return b / (1 + self._gamma(gamma, b))

    def norm(self) -> float:
        return 1.0


class Inpainting(LinearOperator):
    r"""Image of which the mask keeps some pixels: :math:`Ax = m \odot x`, zeros elsewhere, (B, C, H, W) -> same.

    Args:
        mask: (H, W), (C, H, W) or (1 | B, C, H, W): booleans, integers 0 and 1, or real weights >= 0.
        channels: of the image, where the mask has one.

    Raises:
        TypeError: the mask is neither a tensor nor an array.
        ValueError: it is zero everywhere (in a sample), negative, not finite, of a wrong shape, or holds integers
            above 1, as masks that were kept as pictures do (255).

    >>> op = Inpainting(torch.tensor([[True, False]]))
    >>> op(torch.tensor([[[[3.0, 4.0]]]])).tolist()
    [[[[3.0, 0.0]]]]
    """

    mask: Tensor

    def __init__(self, mask: Constant, *, channels: int = 1) -> None:
        super().__init__()
        full = with_channels(as_mask("mask", mask), channels)
        if not bool((full != 0).flatten(1).any(1).all()):
            raise ValueError("mask: zero everywhere, nothing is measured")
        self.register_buffer("mask", full.clone(), persistent=False)
        self.in_shape = self.out_shape = tuple(full.shape[1:])
        self.out_dtype = torch.float32

    @property
    def measured(self) -> Tensor:
        return self.mask.detach() > 0

    def A(self, x: Tensor) -> Tensor:
        return constant_like(self.mask, x, "mask") * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return self.A(y)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return constant_like(self.mask, x, "mask") ** 2 * x

    def A_dagger(self, y: Tensor, **_) -> Tensor:
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        mask = constant_like(self.mask, y, "mask")
        return torch.where(mask > 0, y / torch.where(mask > 0, mask, torch.ones_like(mask)), torch.zeros_like(y))

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        return b / (1 + self._gamma(gamma, b) * constant_like(self.mask, b, "mask") ** 2)

    def norm(self) -> float:
        return float(self.mask.detach().max())


def random_mask(image_shape: tuple[int, int], keep: float, *, seed: int = 0) -> Tensor:
    """Boolean mask (H, W) that keeps the share ``keep`` of the pixels, exactly, at random places.

    Raises:
        ValueError: ``keep`` is not in (0, 1], or so small that no pixel is kept.

    >>> random_mask((10, 10), 0.3).sum().item()
    30
    """
    size = math.prod(image_axes(image_shape))
    kept = round(keep * size) if 0 < check_number("keep", keep) <= 1 else 0
    if kept == 0:
        raise ValueError(f"keep: expected a share in (0, 1] that keeps at least one pixel, got {keep}")
    order = torch.randperm(size, generator=torch.Generator().manual_seed(check_seed(seed)), device="cpu")
    mask = torch.zeros(size, dtype=torch.bool, device="cpu")
    mask[order[:kept]] = True
    return mask.reshape(*image_shape)
