"""Which signs a catalogue's ellipticities have, from the maps themselves."""

import math
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from ..shapes import Constant, as_constant
from .kaiser_squires import KaiserSquires, LensingConvention

__all__ = ["ShearSigns", "shear_signs"]


class ShearSigns(NamedTuple):
    """What :func:`shear_signs` found.

    Attributes:
        sign: for :class:`LensingConvention`.
        excess: of E over B modes with these signs, in standard deviations of noise.
        other: the same with the other sign of gamma2.
        skewness: of the E modes, how far the third moment is above zero, in standard deviations: masses are peaks.
    """

    sign: tuple[int, int]
    excess: float
    other: float
    skewness: float

    @property
    def sure(self) -> bool:
        """Whether both choices stand out of the noise: gamma2's by four standard deviations, the common one by two."""
        return self.excess > 4 and self.excess > self.other + 2 and self.skewness > 2


def shear_signs(y: Tensor, *, mask: Constant | None = None, x_axis: str = "columns") -> ShearSigns:
    r"""The signs of gamma1 and gamma2 that make E modes of shear, complex (B, 1, H, W), and peaks of masses.

    Of the four choices two have more E than B modes, as lensing makes none of the latter; of those two, which differ
    by the sign of the convergence, one has its long tail upwards. Few or noisy galaxies tell neither: then a warning,
    and :attr:`ShearSigns.sure` is False.

    Args:
        mask: where shear is measured, (H, W), as of :class:`KaiserSquires`.
        x_axis: as of :class:`LensingConvention`.

    Raises:
        TypeError, ValueError: as of :class:`KaiserSquires`.

    Crittenden, Natarajan, Pen, Theuns 2002, doi:10.1086/338838 (E and B modes).

    >>> lumps = (torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.98).float()
    >>> y = KaiserSquires((64, 64))(lumps)
    >>> shear_signs(y.conj()).sign
    (1, -1)
    """
    if not isinstance(y, Tensor) or not y.is_complex() or y.ndim != 4:
        got = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"y: expected complex shear (B, 1, H, W), got {got}")
    shape, found = (y.shape[-2], y.shape[-1]), []
    mask = None if mask is None else as_constant("mask", mask)
    seen = 1.0 if mask is None else float(mask.double().mean())
    for second in (1, -1):
        convention = LensingConvention(x_axis=x_axis, sign=(1, second))
        modes = KaiserSquires(shape, convention=convention, mask=mask).modes(y.to(torch.complex128))
        excess, ring = _excess(torch.fft.fft2(modes.real).abs() ** 2, torch.fft.fft2(modes.imag).abs() ** 2)
        if not bool(torch.isfinite(modes).all()):
            raise ValueError("y: holds NaN or infinite values; mask= says where shear is measured")
        found.append((excess * math.sqrt(seen), second, modes.real, ring))
    (other, *_), (excess, second, kappa, ring) = sorted(found, key=lambda f: f[0])
    frequencies = _frequencies(shape).to(y.device)
    smooth = torch.fft.ifft2(torch.fft.fft2(kappa) * torch.exp(-0.5 * (frequencies / ring) ** 2)).real
    skewness = _third_moment(smooth)
    first = 1 if skewness >= 0 else -1
    signs = ShearSigns((first, first * second), excess, other, abs(skewness))
    if not signs.sure:
        warnings.warn(f"shear_signs: the map tells too little to be sure, {signs}", stacklevel=2)
    return signs


def _frequencies(shape: tuple[int, int]) -> Tensor:
    """Cycles per pixel of each Fourier coefficient, (H, W)."""
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64, device="cpu") for n in shape)
    return torch.hypot(rows[:, None], columns[None])


def _excess(e: Tensor, b: Tensor) -> tuple[float, float]:
    """How far the power of E modes is above that of B modes, in standard deviations, below the frequency where it is
    farthest, and that frequency; powers (B, 1, H, W)."""
    frequencies = _frequencies((e.shape[-2], e.shape[-1])).to(e.device)
    lowest = 1 / max(e.shape[-2:])
    edges = torch.logspace(math.log10(2.5 * lowest), math.log10(0.5), 12, dtype=torch.float64, device=e.device)
    best, where, difference, variance = -math.inf, 0.5, 0.0, 0.0
    for low, high in zip([0.0, *edges[:-1].tolist()], edges.tolist()):
        inside = (frequencies > low) & (frequencies <= high) & (frequencies > 0)
        if not bool(inside.any()):
            continue
        ring_e, ring_b = e[..., inside], b[..., inside]
        unit = (ring_e + ring_b).mean().clamp_min(torch.finfo(e.dtype).tiny)
        change = (ring_e - ring_b) / unit
        difference += float(change.sum())
        variance += 2 * float(change.square().sum())  # coefficients come in pairs of the same size
        if difference / math.sqrt(max(variance, 1e-300)) > best:
            best, where = difference / math.sqrt(max(variance, 1e-300)), high
    return best, where


def _third_moment(x: Tensor, blocks: int = 4) -> float:
    """Mean cube of maps about their mean over its standard deviation, from ``blocks`` x ``blocks`` parts."""
    cubes = (x - x.mean((-2, -1), keepdim=True)) ** 3
    parts = torch.stack([c.mean() for row in cubes.tensor_split(blocks, -2) for c in row.tensor_split(blocks, -1)])
    return float(parts.mean() / (parts.std() / math.sqrt(len(parts))).clamp_min(1e-300))
