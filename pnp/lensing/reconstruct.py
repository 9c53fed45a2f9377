"""Mass maps by linear methods: Kaiser-Squires with smoothing, and the Wiener filter of masked, unevenly noisy shear."""

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisers.classical.power import PowerTable
from denoisers.classical.wiener import WienerDenoiser, filtered
from operators.base import LinearOperator
from operators.lensing.kaiser_squires import KaiserSquires
from operators.linalg import cg, column, dot
from operators.shapes import as_constant, check_batch

from ..report.remarks import other_scale

__all__ = ["smoothed_kaiser_squires", "wiener_reconstruction"]


def smoothed_kaiser_squires(op: KaiserSquires, y: Tensor, width: float) -> Tensor:
    r"""Kaiser and Squires' estimate times :math:`e^{-2 \pi^2 w^2 |f|^2}`, a Gaussian of standard deviation ``width``
    pixels: shear (B, 1, H, W) to convergence.

    >>> op = KaiserSquires((16, 16))
    >>> smoothed_kaiser_squires(op, op(torch.randn(1, 1, 16, 16)), 2.0).shape
    torch.Size([1, 1, 16, 16])
    """
    if not 0 <= width < math.inf:
        raise ValueError(f"width: expected finite pixels >= 0, got {width}")
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64, device=y.device) for n in y.shape[-2:])
    gain = torch.exp(-2 * math.pi**2 * width**2 * (rows[:, None] ** 2 + columns[None] ** 2))
    kappa = op.inverse(y)
    return filtered(kappa, gain.to(kappa.dtype))


def wiener_reconstruction(
    op: LinearOperator,
    y: Tensor,
    power: PowerTable | Tensor,
    noise_std: float | Tensor,
    *,
    rtol: float = 1e-5,
    max_iter: int = 500,
) -> Tensor:
    r"""Wiener filter: the mean of a Gaussian map of known power given the data.

    .. math:: \hat\kappa = (S^{-1} + A^* N^{-1} A)^{-1} A^* N^{-1} y
              = S^{1/2} (1 + S^{1/2} A^* N^{-1} A S^{1/2})^{-1} S^{1/2} A^* N^{-1} y

    by conjugate gradients on the second form, preconditioned as if all pixels had the same noise, which is exact where
    they have: :math:`(1 + g S)^{-1}`, g the mean diagonal of :math:`A^* N^{-1} A`.

    Args:
        op: from maps (B, 1, H, W).
        y: data.
        power: a :class:`denoisers.PowerTable`, or S, (H, W).
        noise_std: per real component of the data: a number, or values that broadcast to the data, infinite where
            nothing was measured.

    Raises:
        ValueError: the noise is not positive. RuntimeError: no convergence.

    Zaroubi, Hoffman, Fisher, Lahav 1995, doi:10.1086/176070.

    >>> op = KaiserSquires((8, 8))
    >>> wiener_reconstruction(op, op(torch.randn(1, 1, 8, 8)), torch.ones(8, 8), 0.1).shape
    torch.Size([1, 1, 8, 8])
    """
    check_batch("y", y, op.out_shape, op.out_dtype.is_complex)
    given = as_constant("noise_std", noise_std) if isinstance(noise_std, np.ndarray) else noise_std
    noise: Any = torch.as_tensor(given, device=y.device)
    try:
        fits = torch.broadcast_shapes(noise.shape, y.shape) == y.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"noise_std: shape {tuple(noise.shape)} does not broadcast to the data, {tuple(y.shape)}")
    if not bool((noise > 0).all()):
        raise ValueError("noise_std: expected positive values (infinite where nothing was measured)")
    weights = (1 / noise.double() ** 2).to(y.real.dtype)
    y = torch.where(weights > 0, y, 0)  # what was not measured may be NaN
    if not bool(torch.isfinite(y).all()):
        raise ValueError("y: holds NaN or infinite values where the noise is finite")
    right = op.A_adjoint(y * weights)
    prior = WienerDenoiser(power)
    if other := other_scale(op, prior):
        warnings.warn(f"wiener_reconstruction: {other}", RuntimeWarning, stacklevel=2)
    spectrum = prior.variances(right)
    root = spectrum.sqrt()
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, right.shape[1:], generator=generator, device="cpu").to(right) * 2 - 1
    gain = dot(signs.expand_as(right), op.weighted_normal(signs.expand_as(right), weights)) / signs.numel()
    inverse = 1 / (1 + column(gain, right) * spectrum)

    def matrix(u: Tensor) -> Tensor:
        return u + filtered(op.weighted_normal(filtered(u, root), weights), root)

    b = filtered(right, root)
    u, info = cg(matrix, b, rtol=rtol, max_iter=max_iter, precond=lambda r: filtered(r, inverse))
    if not bool((info.residual <= rtol).all()):
        raise RuntimeError(f"no convergence to {rtol} in {max_iter} iterations; give more, or a larger rtol")
    return filtered(u, root)
