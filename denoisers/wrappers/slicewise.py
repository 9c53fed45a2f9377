"""A denoiser of images on volumes."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..base import Wrapper, sigma_column

__all__ = ["Slicewise"]

_PIXELS = 2**16  # of the slices that are denoised at once


class Slicewise(Wrapper):
    r"""A denoiser of images on the slices of volumes (B, C, D, H, W), across one axis, or the mean over several.

    Solvers take denoisers of images on volumes like this one, slice by slice across the first axis. With ``axes=(0, 1,
    2)`` planes across all three are denoised, so that no direction is left to itself, at three times the price.

    Args:
        denoiser: of images, any callable ``(x, sigma)``.
        axes: across which slices are taken: 0 (depth), 1 (rows), 2 (columns).

    Raises:
        ValueError: there are no such axes.

    >>> Slicewise(lambda x, sigma: x / 2, axes=(0, 1, 2))(torch.ones(1, 1, 2, 3, 4), 0.1).unique().item()
    0.5
    """

    volumes = True

    def __init__(self, denoiser: Callable[..., Tensor], *, axes: Sequence[int] = (0,)) -> None:
        super().__init__(denoiser)
        if not axes or not set(axes) <= {0, 1, 2} or len(set(axes)) != len(axes):
            raise ValueError(f"axes: expected some of 0, 1, 2, got {axes!r}")
        self.axes = tuple(axes)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise volumes (B, C, D, H, W), or images (B, C, H, W) as the denoiser does; sigma a number or (B,)."""
        if x.ndim == 4:
            return self.denoiser(x, sigma)
        if x.ndim != 5:
            raise ValueError(f"x: expected volumes (B, C, D, H, W), got {tuple(x.shape)}")
        level = sigma_column(sigma, x).flatten()
        total = self._across(x, level, self.axes[0])
        for axis in self.axes[1:]:
            total = total + self._across(x, level, axis)
        return total / len(self.axes)

    def _across(self, x: Tensor, level: Tensor, axis: int) -> Tensor:
        planes = x.movedim(2 + axis, 1)  # (B, slices, C, ...)
        slab = max(1, _PIXELS // planes[0, 0].numel())
        samples = []
        for sample, sigma in zip(planes, level):
            parts = [self.denoiser(part.contiguous(), sigma.expand(len(part))) for part in sample.split(slab)]
            samples.append(torch.cat(parts))
        return torch.stack(samples).movedim(1, 2 + axis)
