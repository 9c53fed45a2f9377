"""The Wiener filter: the best linear denoiser of stationary images of known power, and exact for Gaussian ones."""

import torch
from torch import Tensor

from ..base import Denoiser, check_images, sigma_column
from .power import PowerTable

__all__ = ["WienerDenoiser"]


class WienerDenoiser(Denoiser):
    r"""Wiener filter of images of zero mean, (B, 1, H, W), in the units of the power, periodic borders.

    .. math:: \hat x = F^* \frac{S}{S + \sigma^2} F y

    Its power is in the images' own units, which solvers leave as they are: PnP-ADMM ends at the Wiener filter for the
    operator's data. Wiener 1949.

    Args:
        power: a :class:`PowerTable`, or S itself, (H, W), variances of the orthonormal Fourier coefficients.

    >>> denoiser = WienerDenoiser(torch.full((4, 4), 3.0))
    >>> denoiser(torch.ones(1, 1, 4, 4), 1.0).mean().item()
    0.75
    """

    channels = 1
    own_units = True

    def __init__(self, power: PowerTable | Tensor) -> None:
        super().__init__()
        if isinstance(power, Tensor):
            if power.ndim != 2 or not bool((power >= 0).all() & torch.isfinite(power).all()):
                raise ValueError(f"power: expected finite values >= 0, (H, W), got shape {tuple(power.shape)}")
            self.register_buffer("grid", power.double())
            self.table = None
        elif isinstance(power, PowerTable):
            self.grid, self.table = None, power
        else:
            raise TypeError(f"power: expected a PowerTable or a torch.Tensor, got {type(power).__name__}")

    grid: Tensor | None

    def variances(self, x: Tensor) -> Tensor:
        """S for images like ``x``, (H, W), in their precision."""
        shape = (x.shape[-2], x.shape[-1])
        grid = self.grid if self.table is None else self.table.variances(shape)
        assert grid is not None
        if tuple(grid.shape) != shape:
            raise ValueError(f"x: the power is for images of {tuple(grid.shape)}, got {shape}")
        return grid.to(x.device, x.dtype)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, 1, H, W); ``sigma`` a number or (B,)."""
        check_images(x, 1)
        s = self.variances(x)
        return filtered(x, s / (s + sigma_column(sigma, x) ** 2).clamp_min(torch.finfo(x.dtype).tiny))


def filtered(x: Tensor, gain: Tensor) -> Tensor:
    """Real images through a Fourier filter with real gains (H, W) or (B, 1, H, W), periodic borders."""
    return torch.fft.ifft2(torch.fft.fft2(x) * gain).real
