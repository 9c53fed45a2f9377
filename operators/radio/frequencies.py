"""Many frequencies in one image: baselines in metres as wavelengths of each channel, and the spectrum of sources."""

import torch
from torch import Tensor

from ..shapes import Constant, as_constant

__all__ = ["in_wavelengths", "spectral_gain"]

_LIGHT = 299_792_458.0  # m / s


def in_wavelengths(baselines: Constant, frequencies: Constant) -> Tensor:
    r"""Baselines of all channels in wavelengths, :math:`b\,\nu / c`, (d, N F): the F channels of a baseline together.

    Visibilities (N, F), flattened, are those of :class:`operators.RadioInterferometry` with ``uv`` the first two of
    these rows and ``w`` the third: multi-frequency synthesis.

    Args:
        baselines: metres, (d, N).
        frequencies: Hz, (F,).

    Raises:
        TypeError, ValueError: shapes or values do not fit.

    >>> in_wavelengths(torch.tensor([[300.0], [0.0]]), torch.tensor([1.4e9, 0.7e9])).round().tolist()
    [[1401.0, 700.0], [0.0, 0.0]]
    """
    b, nu = as_constant("baselines", baselines).double(), _frequencies(frequencies)
    if b.ndim != 2 or not bool(torch.isfinite(b).all()):
        raise ValueError(f"baselines: expected finite metres (d, N), got {tuple(b.shape)}")
    return (b[..., None] * (nu.to(b.device) / _LIGHT)).flatten(1)


def spectral_gain(frequencies: Constant, index: float, reference: float, *, baselines: int = 1) -> Tensor:
    r"""What a spectral index makes of a sky at the frequency ``reference``, :math:`(\nu / \nu_0)^\alpha`, (N F,) for N
    ``baselines``: ``Weighted(spectral_gain(...)) @ op`` measures that sky in all channels.

    >>> spectral_gain(torch.tensor([1e9, 2e9]), -1.0, 1e9, baselines=2).tolist()
    [1.0, 0.5, 1.0, 0.5]
    """
    if not 0 < reference < float("inf"):
        raise ValueError(f"reference: expected a positive number of Hz, got {reference!r}")
    return ((_frequencies(frequencies) / reference) ** index).repeat(baselines)


def _frequencies(frequencies: Constant) -> Tensor:
    nu = as_constant("frequencies", frequencies).double()
    if nu.ndim != 1 or not bool((torch.isfinite(nu) & (nu > 0)).all()):
        raise ValueError(f"frequencies: expected positive, finite Hz (F,), got shape {tuple(nu.shape)}")
    return nu
