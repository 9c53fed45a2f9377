"""Maps on the flat sky: random ones with a given power, and what is counted in them."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from denoisers.classical.power import PowerTable
from denoisers.classical.wiener import filtered

from .convergence import convergence_power

__all__ = [
    "LognormalMaps",
    "convergence_table",
    "correlation",
    "gaussian_map",
    "lognormal_map",
    "peak_counts",
    "radial_power",
]


def wavenumbers(image_shape: tuple[int, int], pixel_scale: float) -> Tensor:
    """Multipole of each Fourier coefficient of a map, (H, W), 2 pi over the wavelength in radians; pixels in arcmin."""
    rows, columns = (2 * math.pi * torch.fft.fftfreq(n, dtype=torch.float64, device="cpu") for n in image_shape)
    return torch.hypot(rows[:, None], columns[None]) / math.radians(pixel_scale / 60)


def gaussian_map(grid: Tensor, generator: torch.Generator) -> Tensor:
    """A Gaussian random map (1, H, W) whose orthonormal Fourier coefficients have the variances ``grid`` (H, W)."""
    white = torch.randn(grid.shape, generator=generator, dtype=torch.float64, device="cpu")
    return filtered(white, grid.sqrt())[None]


def lognormal_map(grid: Tensor, shift: float, generator: torch.Generator) -> Tensor:
    r"""A lognormal random map (1, H, W) with the power ``grid`` and mean zero.

    .. math:: \kappa = s\,(e^{g - \sigma_g^2 / 2} - 1), \qquad \xi_g = \ln(1 + \xi_\kappa / s^2)

    Args:
        grid: variances of the coefficients, see :meth:`denoisers.PowerTable.variances`.
        shift: s > 0, the depth of the emptiest place; about 0.03 for sources at redshift 1.
        generator: random numbers.

    Taruya et al. 2002, doi:10.1086/340048; Xavier, Abdalla, Joachimi 2016, doi:10.1093/mnras/stw874.

    >>> grid = PowerTable(torch.tensor([1e2, 1e5]), torch.tensor([1e-8, 1e-11]), 1.0).variances((32, 32))
    >>> x = lognormal_map(grid, 0.03, torch.Generator().manual_seed(0))
    >>> x.shape, x.min().item() > -0.03
    (torch.Size([1, 32, 32]), True)
    """
    if not shift > 0:
        raise ValueError(f"shift: expected a positive number, got {shift}")
    covariance = torch.fft.ifft2(grid).real
    gaussian = torch.log1p((covariance / shift**2).clamp_min(-0.99))
    spectrum = torch.fft.fft2(gaussian).real.clamp_min(0)  # what no lognormal field can have is left out
    variance = float(spectrum.mean())
    return shift * (torch.exp(gaussian_map(spectrum, generator) - variance / 2) - 1)


class LognormalMaps(Sequence[Tensor]):
    """As many convergence maps (1, H, W) as one likes, each made from its number when it is asked for.

    Args:
        count: how many.
        image_shape, pixel_scale: of the maps; arcmin.
        redshift: of the sources.
        shift: depth of the emptiest place.
        first: number of the first map.

    >>> maps = LognormalMaps(5, (16, 16), 1.0)
    >>> len(maps), torch.equal(maps[3], maps[3])
    (5, True)
    """

    def __init__(
        self,
        count: int,
        image_shape: tuple[int, int],
        pixel_scale: float,
        *,
        redshift: float = 1.5,
        shift: float = 0.04,
        first: int = 0,
    ) -> None:
        self.size, self.shift, self.first = count, shift, first
        self.grid = convergence_table(pixel_scale, redshift).variances(image_shape)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.size))]
        if not -self.size <= index < self.size:
            raise IndexError(index)
        index %= self.size
        return lognormal_map(self.grid, self.shift, torch.Generator().manual_seed(self.first + index)).float()


@lru_cache(maxsize=8)
def convergence_table(pixel_scale: float, redshift: float = 1.5) -> PowerTable:
    """Power of the convergence of sources at one redshift, as the Wiener filter takes it."""
    ell = torch.logspace(1.0, 5.3, 80, dtype=torch.float64, device="cpu")
    return PowerTable(ell, torch.from_numpy(convergence_power(ell.numpy(), redshift=redshift)), pixel_scale)


def radial_power(x: Tensor, pixel_scale: float, *, bins: int = 12) -> tuple[Tensor, Tensor]:
    r"""Multipoles and power :math:`C_\ell` of maps (B, 1, H, W), means over rings of equal logarithmic width:
    (bins,), the mean multipole of a ring's coefficients, and (B, bins); NaN for rings without any. The footprint of the
    pixels is in the power.

    Raises:
        ValueError: fewer than 2 x 2 pixels, or a pixel scale that is not positive.
    """
    check_maps(x, 2)
    if not 0 < pixel_scale < math.inf:
        raise ValueError(f"pixel_scale: expected a positive number of arcmin, got {pixel_scale}")
    ell = wavenumbers((x.shape[-2], x.shape[-1]), pixel_scale)
    power = torch.fft.fft2(x.double(), norm="ortho").abs().square() * math.radians(pixel_scale / 60) ** 2
    low, high = float(ell.flatten().sort().values[1]), math.pi / math.radians(pixel_scale / 60)
    ends = math.log10(low * 0.999), math.log10(high * 1.001)
    edges = torch.logspace(*ends, bins + 1, dtype=torch.float64, device="cpu")
    ring = torch.bucketize(ell, edges) - 1
    centres = torch.stack([ell[ring == b].mean() for b in range(bins)])
    return centres, torch.stack([power[..., ring == b].mean(-1)[:, 0] for b in range(bins)], -1)


def peak_counts(x: Tensor, thresholds: Tensor | Sequence[float]) -> Tensor:
    """Number of local maxima, higher than each of their eight neighbours, of maps (B, 1, H, W) above each threshold,
    (B, T). Pixels of the border have not all neighbours and do not count.

    Raises:
        ValueError: maps of fewer than 3 x 3 pixels.
    """
    check_maps(x, 3)
    height, width = x.shape[-2:]
    around = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    neighbours = torch.stack([x[..., i : i + height - 2, j : j + width - 2] for i, j in around])
    inside = x[..., 1:-1, 1:-1]
    peaks = torch.where(inside > neighbours.amax(0), inside, torch.full_like(inside, float("-inf"))).flatten(1)
    return (peaks[:, None] > torch.as_tensor(thresholds).reshape(-1).to(x)[None, :, None]).sum(-1)


def check_maps(x: Tensor, side: int) -> None:
    """Raise unless ``x`` holds real maps (B, 1, H, W) of ``side`` pixels each way at least."""
    if x.ndim != 4 or x.shape[1] != 1 or x.is_complex() or min(x.shape[-2:]) < side:
        raise ValueError(f"x: expected real maps (B, 1, H, W) of {side} x {side} pixels or more, got {tuple(x.shape)}")


def correlation(x: Tensor, ref: Tensor) -> Tensor:
    """Pearson's coefficient of each sample, (B,)."""
    a, b = (v.double().flatten(1) - v.double().flatten(1).mean(1, keepdim=True) for v in (x, ref))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
