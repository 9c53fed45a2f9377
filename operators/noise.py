"""Noise, seeded: the same seed gives the same noise, whatever has been drawn before.

Sample b of a batch is drawn with ``seed + b``, so that it gets the same noise alone. For independent trials with
batches of B, space the seeds by B.
"""

import math

import torch
from torch import Tensor

from .linalg import column, dot
from .shapes import check_number, check_seed

__all__ = [
    "gaussian_noise",
    "gaussian_noise_relative",
    "gaussian_noise_snr",
    "poisson_noise",
    "std_from_snr",
    "transmission_noise",
]


def _check(y: Tensor) -> None:
    if not isinstance(y, Tensor):
        raise TypeError(f"y: expected a torch.Tensor, got {type(y).__name__}")
    if not (y.is_floating_point() or y.is_complex()):
        raise TypeError(f"y: expected floating point data, got {y.dtype}; convert with y.float()")
    if y.ndim == 0 or y.numel() == 0:
        raise ValueError(f"y: expected a batch of data (B, ...), got shape {tuple(y.shape)}")


def _norm(y: Tensor) -> Tensor:
    """Norm of each sample, (B,), with squares that stay within range in any unit."""
    size = y.abs().flatten(1).amax(1)
    unit = torch.where(size > 0, size, torch.ones_like(size))
    scaled = y / column(unit, y)
    return unit * dot(scaled, scaled).sqrt()


def _standard_normal(y: Tensor, seed: int) -> Tensor:
    """Real or complex noise of variance one per real component; sample b has the seed ``seed + b``."""
    rows, seed = [], check_seed(seed)
    for b in range(y.shape[0]):
        g = torch.Generator().manual_seed(seed + b)
        shape = (*y.shape[1:], 2) if y.is_complex() else y.shape[1:]
        n = torch.randn(shape, generator=g, dtype=y.real.dtype, device="cpu")
        rows.append(torch.view_as_complex(n) if y.is_complex() else n)
    return torch.stack(rows).to(y.device)


def gaussian_noise(y: Tensor, std: float | Tensor, *, seed: int = 0) -> Tensor:
    """``y`` (B, ...) with white noise of standard deviation ``std``, a number or (B,), per real component.

    Complex data get independent real and imaginary parts, ``std`` each.

    >>> y = gaussian_noise(torch.zeros(1, 10000), 0.5)
    >>> 0.49 < y.std().item() < 0.51
    True
    """
    _check(y)
    try:
        s = column(std, y)
    except (TypeError, ValueError) as error:
        raise type(error)(f"std: {error}") from None
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
    _check(y)
    if not math.isfinite(check_number("snr_db", snr_db)):
        raise ValueError(f"snr_db: expected a finite number of decibels, got {snr_db}")
    total = 10 ** (-snr_db / 20) / math.sqrt(math.prod(y.shape[1:])) * _norm(y)
    return total / math.sqrt(2) if y.is_complex() else total


def gaussian_noise_snr(y: Tensor, snr_db: float, *, seed: int = 0) -> Tensor:
    """``y`` with white noise at a signal-to-noise ratio in dB, for each sample; see :func:`std_from_snr`.

    >>> y = gaussian_noise_snr(torch.ones(1, 10000), 20.0)
    >>> 0.09 < (y - 1).std().item() < 0.11
    True
    """
    return gaussian_noise(y, std_from_snr(y, snr_db), seed=seed)


def gaussian_noise_relative(y: Tensor, delta: float, *, seed: int = 0) -> Tensor:
    r"""``y`` with white noise of exactly the norm :math:`\delta \|y\|`, for each sample (as in the IPPy course).

    >>> y = torch.ones(2, 5)
    >>> [round(v, 5) for v in ((gaussian_noise_relative(y, 0.1) - y).norm(dim=1) / y.norm(dim=1)).tolist()]
    [0.1, 0.1]
    """
    if not 0 <= check_number("delta", delta) < math.inf:
        raise ValueError(f"delta: expected a finite number >= 0, got {delta}")
    _check(y)
    e = _standard_normal(y, seed)
    return y + column(delta * _norm(y) / _norm(e), y) * e


def poisson_noise(y: Tensor, photons: float, *, seed: int = 0) -> Tensor:
    r"""Counting noise: :math:`\mathrm{Poisson}(N y) / N` for data ``y`` >= 0, N = ``photons`` at intensity one.

    >>> y = poisson_noise(torch.ones(1, 10000), 100.0)
    >>> 0.09 < y.std().item() < 0.11
    True
    """
    _check(y)
    if not 0 < check_number("photons", photons) < math.inf:
        raise ValueError(f"photons: expected a positive finite number, got {photons}")
    if y.is_complex() or not bool(((y >= 0) & torch.isfinite(y)).all()):
        raise ValueError("y: counts need real finite intensities >= 0")
    seed = check_seed(seed)
    rows = [torch.poisson(photons * row, torch.Generator().manual_seed(seed + b)) for b, row in enumerate(y.cpu())]
    return torch.stack(rows).to(y.device) / photons


def transmission_noise(y: Tensor, photons: float, *, seed: int = 0) -> Tensor:
    r"""Low-dose X-ray data: :math:`-\ln(\max(k, 1) / I_0)` with counts :math:`k \sim \mathrm{Poisson}(I_0 e^{-y})`.

    The standard deviation of a ray is about :math:`e^{y/2} / \sqrt{I_0}`; ``Weighted`` whitens it. Rays without a
    count are set to one count.

    Args:
        y: line integrals of the attenuation, a pure number: sinograms of an image in 1/mm with ``pixel_size`` in mm.
        photons: :math:`I_0`, counts of a bin without an object.
        seed: of sample 0; sample b has ``seed + b``.

    Raises:
        ValueError: ``y`` is complex or not finite, or ``photons`` is not positive.

    >>> y = transmission_noise(torch.full((1, 10000), 2.0), 1e4)
    >>> round(y.mean().item(), 2), 0.026 < y.std().item() < 0.028  # exp(1) / 100
    (2.0, True)
    """
    _check(y)
    if y.is_complex() or not bool(torch.isfinite(y).all()):
        raise ValueError("y: line integrals are real and finite")
    counts = poisson_noise((-y.double()).exp(), photons, seed=seed) * photons
    return -(counts.clamp(min=1) / photons).log().to(y.dtype)
