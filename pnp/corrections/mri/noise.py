"""Noise of receiver coils: how strong it is in each, and what they share."""

import math

import torch
from torch import Tensor

from operators.shapes import Constant, as_constant

__all__ = ["border_samples", "noise_covariance"]


def noise_covariance(samples: Constant) -> Tensor:
    r"""Covariance of the coils' noise, :math:`\Psi_{cd} = \langle n_c \overline{n_d} \rangle`, (coils, coils).

    The noise level per real component of coil c, as ``noise_std`` counts it, is :math:`\sqrt{\Psi_{cc} / 2}`. Computed
    in double precision; the mean is not taken off, noise has none.

    Args:
        samples: noise without signal, complex (coils, ...): a noise scan, or :func:`border_samples`.

    Raises:
        TypeError: no array. ValueError: not complex, not finite, or fewer samples than four for each coil.

    Pruessmann, Weiger, Boernert, Boesiger 2001, doi:10.1002/mrm.1241, appendix A.

    >>> noise = torch.complex(*torch.randn(2, 3, 20000, generator=torch.Generator().manual_seed(0)))
    >>> noise_covariance(noise).diag().real.round().tolist()
    [2.0, 2.0, 2.0]
    """
    samples = as_constant("samples", samples)
    if samples.ndim < 2 or not samples.is_complex():
        raise ValueError(f"samples: expected complex (coils, ...), got {samples.dtype} {tuple(samples.shape)}")
    n = samples.flatten(1).to(torch.complex128)
    if n.shape[1] < 4 * len(n):
        raise ValueError(f"samples: {n.shape[1]} for {len(n)} coils, expected {4 * len(n)} at least")
    if not bool(torch.isfinite(n).all()):
        raise ValueError("samples: hold NaN or infinite values")
    unit = n.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    n = n / unit  # keeps squares within range
    return (n @ n.mH) / n.shape[1] * unit**2


def border_samples(y: Tensor, *, share: float = 0.05) -> Tensor:
    """Samples (coils, n) from the corners of k-space (B, coils, H, W), those farthest from its middle, where measured:
    noise, as far as the signal has died away there.

    Fine detail of the object stays in them, so levels come out high rather than low; a noise scan is better. Places
    that are zero in all coils are not measured.

    Args:
        share: of the measured places that is taken, 0 < share <= 0.5.

    Raises:
        ValueError: not complex (B, coils, H, W), nothing measured, or a share out of range.

    >>> border_samples(torch.ones(1, 2, 20, 20) + 0j, share=0.1).shape
    torch.Size([2, 40])
    """
    if y.ndim != 4 or not y.is_complex():
        raise ValueError(f"y: expected complex (B, coils, H, W), got {y.dtype} {tuple(y.shape)}")
    if not 0 < share <= 0.5:
        raise ValueError(f"share: expected 0 < share <= 0.5, got {share}")
    rows, columns = (((torch.arange(n, device=y.device) - n // 2) / n) ** 2 for n in y.shape[-2:])
    far = (rows[:, None] + columns).expand(len(y), -1, -1)
    measured = (y != 0).any(1)
    if not bool(measured.any()):
        raise ValueError("y: zero everywhere, nothing is measured")
    count = math.ceil(share * int(measured.sum()))
    order = torch.where(measured, far, torch.full_like(far, -1)).flatten().argsort(descending=True, stable=True)
    return y.transpose(0, 1).flatten(1)[:, order[:count]]
