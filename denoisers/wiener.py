"""The Wiener filter: the best linear denoiser of stationary images of known power, and exact for Gaussian ones."""

import math

import torch
from torch import Tensor

from .base import Denoiser, check_images, sigma_column

__all__ = ["PowerTable", "WienerDenoiser"]


class PowerTable(torch.nn.Module):
    r"""Power spectrum of an isotropic map on the flat sky, :math:`C_\ell` at some multipoles, for maps of any size.

    Between the multipoles it is interpolated in logarithms; beyond the last ones it is constant.

    Args:
        ell: multipoles > 0, rising, (N,).
        power: :math:`C_\ell` > 0, (N,).
        pixel_scale: side of a pixel in arcmin; the pixels' footprint damps the power.

    Raises:
        ValueError: values do not fit.
    """

    ell: Tensor
    power: Tensor
    pixel_scale: Tensor

    def __init__(self, ell: Tensor, power: Tensor, pixel_scale: float) -> None:
        super().__init__()
        ell, power = (torch.as_tensor(v, dtype=torch.float64) for v in (ell, power))
        if ell.ndim != 1 or ell.shape != power.shape or len(ell) < 2 or not bool((ell[0] > 0) & (ell.diff() > 0).all()):
            raise ValueError("ell: expected at least two rising positive values, as many as power")
        if not bool((power > 0).all() & torch.isfinite(power).all()) or not 0 < pixel_scale < math.inf:
            raise ValueError("power, pixel_scale: expected positive finite values")
        self.register_buffer("ell", ell)
        self.register_buffer("power", power)
        self.register_buffer("pixel_scale", torch.tensor(float(pixel_scale), dtype=torch.float64))
        self._grids: dict[tuple[int, int], Tensor] = {}

    def variances(self, image_shape: tuple[int, int]) -> Tensor:
        r"""Variance of each coefficient of the orthonormal Fourier transform, :math:`C_\ell / A_\mathrm{pix}` times the
        footprint squared, (H, W) in double precision. The mean has none.

        >>> table = PowerTable(torch.tensor([10.0, 1e5]), torch.tensor([1e-8, 1e-8]), 1.0)
        >>> table.variances((4, 4)).shape, table.variances((4, 4))[0, 0].item()
        (torch.Size([4, 4]), 0.0)
        """
        key = (int(image_shape[0]), int(image_shape[1]))
        if key not in self._grids or self._grids[key].device != self.ell.device:
            self._grids[key] = self._variances(key)
        return self._grids[key]

    def _variances(self, shape: tuple[int, int]) -> Tensor:
        radians = math.radians(float(self.pixel_scale) / 60)
        cycles = [torch.fft.fftfreq(n, dtype=torch.float64, device=self.ell.device) for n in shape]
        k = 2 * math.pi * torch.hypot(cycles[0][:, None], cycles[1][None]) / radians
        x, xs, ys = (
            k.clamp(float(self.ell[0]), float(self.ell[-1])).log(),
            self.ell.double().log(),
            self.power.double().log(),
        )
        i = torch.searchsorted(xs, x.contiguous()).clamp(1, len(xs) - 1)
        share = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
        power = torch.exp(ys[i - 1] + share * (ys[i] - ys[i - 1])) / radians**2
        power = power * (torch.sinc(cycles[0])[:, None] * torch.sinc(cycles[1])[None]) ** 2
        power[0, 0] = 0.0
        return power


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
