"""Noise, seeded: the same seed gives the same noise, whatever has been drawn before."""

import math

import torch
from torch import Tensor

from .linalg import column, dot

__all__ = ["gaussian_noise", "gaussian_noise_relative", "gaussian_noise_snr", "poisson_noise", "std_from_snr"]


def _standard_normal(y: Tensor, seed: int) -> Tensor:
    """Real or complex noise of variance one per real component; sample b of a batch has the seed ``seed + b``."""
    rows = []
    for b in range(y.shape[0]):
        g = torch.Generator().manual_seed(seed + b)
        shape = (*y.shape[1:], 2) if y.is_complex() else y.shape[1:]
        n = torch.randn(shape, generator=g, dtype=y.real.dtype)
        rows.append(torch.view_as_complex(n) if y.is_complex() else n)
    return torch.stack(rows).to(y.device)


def gaussian_noise(y: Tensor, std: float | Tensor, *, seed: int = 0) -> Tensor:
    """``y`` (B, ...) with white noise of standard deviation ``std``, a number or (B,), per real component.

    Complex data get independent real and imaginary parts, ``std`` each.

    >>> y = gaussian_noise(torch.zeros(1, 10000), 0.5)
    >>> 0.49 < y.std().item() < 0.51
    True
    """
    s = column(std, y)
    if not bool(((s >= 0) & torch.isfinite(s)).all()):
        raise ValueError(f"std: expected finite values >= 0, got {s.flatten().tolist()}")
    return y + s * _standard_normal(y, seed)


def std_from_snr(y: Tensor, snr_db: float) -> Tensor:
    r"""Noise level per real component, (B,), that gives data ``y`` the signal-to-noise ratio ``snr_db``.

    .. math:: s = 10^{-\mathrm{SNR}/20} \|y\| / \sqrt{M}

    in all; complex data have :math:`s / \sqrt2` in each part.

    >>> std_from_snr(torch.ones(1, 4), 20.0).item()
    0.10000000149011612
    """
    total = 10 ** (-snr_db / 20) * (dot(y, y) / math.prod(y.shape[1:])).sqrt()
    return total / math.sqrt(2) if y.is_complex() else total


def gaussian_noise_snr(y: Tensor, snr_db: float, *, seed: int = 0) -> Tensor:
    """``y`` with white noise at a signal-to-noise ratio in dB, for each sample; see :func:`std_from_snr`.

    >>> y = gaussian_noise_snr(torch.ones(1, 10000), 20.0)
    >>> 0.09 < (y - 1).std().item() < 0.11
    True
    """
    return gaussian_noise(y, std_from_snr(y, snr_db), seed=seed)


def gaussian_noise_relative(y: Tensor, delta: float, *, seed: int = 0) -> Tensor:
    r"""``y`` with white noise of exactly the norm :math:`\delta \|y\|`, for each sample (the course's convention).

    >>> y = torch.ones(2, 5)
    >>> [round(v, 5) for v in ((gaussian_noise_relative(y, 0.1) - y).norm(dim=1) / y.norm(dim=1)).tolist()]
    [0.1, 0.1]
    """
    if not (delta >= 0 and math.isfinite(delta)):
        raise ValueError(f"delta: expected a finite number >= 0, got {delta}")
    e = _standard_normal(y, seed)
    return y + column(delta * dot(y, y).sqrt() / dot(e, e).sqrt(), y) * e


def poisson_noise(y: Tensor, photons: float, *, seed: int = 0) -> Tensor:
    r"""Counting noise: :math:`\mathrm{Poisson}(N y) / N` for data ``y`` >= 0, N = ``photons`` at intensity one.

    >>> y = poisson_noise(torch.ones(1, 10000), 100.0)
    >>> 0.09 < y.std().item() < 0.11
    True
    """
    if not photons > 0:
        raise ValueError(f"photons: expected a positive number, got {photons}")
    if y.is_complex() or not bool((y >= 0).all()):
        raise ValueError("y: counts need real intensities >= 0")
    rows = [torch.poisson(photons * row, torch.Generator().manual_seed(seed + b)) for b, row in enumerate(y.cpu())]
    return torch.stack(rows).to(y.device) / photons
