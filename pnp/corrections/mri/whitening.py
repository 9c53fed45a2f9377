"""Prewhitening: coils of which each has noise of its own level, and of its own, become coils of unit noise."""

from typing import overload

import torch
from torch import Tensor

from operators.mri import CoilMatrix
from operators.shapes import Constant, as_constant

from ...io.measurement import Measurement
from .combined import Combined, recombined

__all__ = ["whiten", "whitening_matrix"]


def whitening_matrix(covariance: Constant) -> CoilMatrix:
    r"""The combination of coils after which noise is white, of deviation 1 in each real component,
    :math:`W \Psi W^* = 2 I`: :math:`W = \sqrt2 R^{-1/2} D^{-1}` with the deviations D and the correlations R of
    :math:`\Psi = D R D`. Of all such combinations it leaves coils the most like what they were.

    Args:
        covariance: (coils, coils), of :func:`noise_covariance`.

    Raises:
        TypeError: no array. ValueError: not square, Hermitian and positive: a coil without noise is dead, and is named.

    Kessy, Lewin, Strimmer 2018, doi:10.1080/00031305.2016.1277159 (ZCA-cor).

    >>> whitening_matrix(torch.tensor([[2.0, 0.0], [0.0, 8.0]]) + 0j).matrix.real.tolist()
    [[1.0, 0.0], [0.0, 0.5]]
    """
    psi = as_constant("covariance", covariance)
    if psi.ndim != 2 or len(psi) != psi.shape[1] or not len(psi):
        raise ValueError(f"covariance: expected (coils, coils), got {tuple(psi.shape)}")
    psi = psi.detach().to(torch.complex128)
    if not bool(torch.isfinite(psi).all()):
        raise ValueError("covariance: holds NaN or infinite values")
    power = psi.diag().real
    dead = [c for c, p in enumerate(power.tolist()) if p <= 0]
    if dead:
        raise ValueError(f"covariance: no noise in coils {dead}; leave them out")
    levels = power.sqrt()
    scaled = psi / levels[:, None] / levels  # correlations, so that coils of any level are inverted equally well
    if float((scaled - scaled.mH).abs().max()) > 1e-5:
        raise ValueError("covariance: not Hermitian")
    values, vectors = torch.linalg.eigh((scaled + scaled.mH) / 2)
    if float(values[0]) < 1e-7 * float(values[-1]):
        raise ValueError("covariance: singular, coils are copies of others, or samples were too few")
    return CoilMatrix((vectors * (2 / values).sqrt()) @ vectors.mH / levels)


@overload
def whiten(y: Tensor, covariance: Constant) -> Combined: ...
@overload
def whiten(y: Measurement, covariance: Constant) -> Measurement: ...
def whiten(y: Tensor | Measurement, covariance: Constant) -> Combined | Measurement:
    """Data (B, coils, ...) whose noise is white with ``noise_std`` 1, and the matrix that makes the operator agree:

        white = whiten(y, noise_covariance(noise))
        op = white.matrix @ MRI(mask, coil_maps)
        x = PnPADMM(op, noise_std=1.0)(white.y)

    Of a :class:`pnp.io.Measurement` the coil maps go along, and ``noise_std`` is 1; maps that were estimated from the
    data are estimated again, from less noise, and images keep their scale.

    Args:
        y: data, or a measurement.
        covariance: (coils, coils), of :func:`noise_covariance`.

    Raises:
        ValueError: data of other coils, or a covariance that cannot be inverted, see :func:`whitening_matrix`.

    Pruessmann, Weiger, Boernert, Boesiger 2001, doi:10.1002/mrm.1241, appendix A; Roemer, Edelstein, Hayes, Souza,
    Mueller 1990, doi:10.1002/mrm.1910160203.

    >>> from pnp.corrections.mri import noise_covariance
    >>> noise = torch.complex(*torch.randn(2, 2, 20000, generator=torch.Generator().manual_seed(0)))
    >>> noise[1] *= 16
    >>> white = whiten(noise.reshape(1, 2, 100, 200), noise_covariance(noise))
    >>> white.y.real.std((2, 3)).round(decimals=1).tolist()
    [[1.0, 1.0]]
    """
    matrix = whitening_matrix(covariance)
    if isinstance(y, Measurement):
        return recombined(y, matrix, "prewhitened", again=True, noise_std=1.0)
    return Combined(matrix(y), matrix)
