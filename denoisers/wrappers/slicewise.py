"""A denoiser of images on volumes."""

from collections.abc import Callable, Sequence

from torch import Tensor

from ..base import Wrapper, sigma_column

__all__ = ["Slicewise"]

_PIXELS = 2**15  # of the slices that are denoised at once: a network's features need many times as much


class Slicewise(Wrapper):
    r"""A denoiser of images on the slices of volumes (B, C, D, H, W), across one axis, or the mean over several.

    Solvers take denoisers of images on volumes like this one, slice by slice across the first axis. With ``axes=(0, 1,
    2)`` planes across all three are denoised, so that no direction is left to itself, at three times the price.

    Args:
        denoiser: of images, any callable ``(x, sigma)``.
        axes: across which slices are taken: 0 (depth), 1 (rows), 2 (columns).

    Raises:
        ValueError: there are no such axes.

    >>> import torch
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
        return self.each_slab(x, lambda sample, part: self.denoiser(part, level[sample].expand(len(part))))

    def each_slab(self, x: Tensor, function: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The volume of ``function(sample, slices)`` for slabs of slices (n, C, ...) across each axis, their mean."""
        total: Tensor | None = None
        for axis in self.axes:
            planes = x.movedim(2 + axis, 1)  # (B, slices, C, ...)
            slab = max(1, _PIXELS // planes[0, 0].numel())
            for sample in range(len(x)):
                for start in range(0, planes.shape[1], slab):
                    slices = slice(start, start + slab)
                    part = function(sample, planes[sample, slices].contiguous())
                    total = part.new_zeros(x.shape) if total is None else total
                    total.movedim(2 + axis, 1)[sample, slices] += part
        assert total is not None
        return total / len(self.axes) if len(self.axes) > 1 else total
