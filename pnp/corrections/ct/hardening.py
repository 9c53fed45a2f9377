"""Beam hardening: many energies make line integrals bend, a polynomial straightens them."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["correct_hardening", "fit_hardening"]


def correct_hardening(y: Tensor, coefficients: Any) -> Tensor:
    r"""Straightened line integrals, :math:`\sum_{k=1}^{K} a_k y^k`, of the shape of y.

    Soft rays are absorbed first, so that the logarithm grows less than the path: objects of one material look hollow.
    ``coefficients`` a_1 ... a_K come from :func:`fit_hardening`, or from a wedge of the material.

    Raises:
        ValueError: ``coefficients`` are none, or not finite.

    Herman 1979, doi:10.1088/0031-9155/24/1/008.

    >>> correct_hardening(torch.tensor([0.0, 1.0, 2.0]), [1.0, 0.5]).tolist()
    [0.0, 1.5, 4.0]
    """
    a = torch.as_tensor(coefficients, dtype=torch.float64)
    if a.ndim != 1 or not len(a) or not bool(torch.isfinite(a).all()):
        raise ValueError(f"coefficients: expected finite numbers a_1 ... a_K, got {coefficients!r}")
    total = torch.zeros_like(y)
    for one in reversed(a.tolist()):
        total = (total + one) * y
    return total


def fit_hardening(y: Tensor, length: Tensor, degree: int = 3) -> Tensor:
    r"""Coefficients a_1 ... a_K of :func:`correct_hardening` that turn y into path lengths, by least squares.

    .. math:: \min_a \sum \Big( \sum_{k=1}^{K} a_k y^k - L \Big)^2

    Args:
        y: line integrals of an object of one material.
        length: L, how far each ray goes through it, of the same shape: a wedge's thickness, or ``op(mask)`` of a first
            image in which the object is 1.
        degree: K.

    Returns:
        (K,) in double precision; corrected values have the unit of ``length`` then, the material is 1.

    Raises:
        ValueError: an argument does not fit, or y has too few different values.

    >>> y = torch.linspace(0, 2, 9)
    >>> [round(a, 4) for a in fit_hardening(y, 3 * y + y**2, degree=2).tolist()]
    [3.0, 1.0]
    """
    if y.shape != length.shape:
        raise ValueError(f"length: expected {tuple(y.shape)}, as y, got {tuple(length.shape)}")
    if not (isinstance(degree, int) and degree >= 1):
        raise ValueError(f"degree: expected an int >= 1, got {degree!r}")
    y, length = y.detach().double().flatten(), length.detach().double().flatten()
    unit = y.abs().max() if y.numel() else y.sum()
    if not 0 < float(unit) < float("inf") or not bool(torch.isfinite(length).all()):
        raise ValueError("y: expected finite values, not all zero, and finite lengths")
    powers = torch.arange(1, degree + 1, dtype=torch.float64, device=y.device)
    matrix = (y / unit)[:, None] ** powers
    if int(torch.linalg.matrix_rank(matrix)) < degree:
        raise ValueError(f"y: has too few different values for a polynomial of degree {degree}")
    return torch.linalg.lstsq(matrix, length[:, None]).solution[:, 0] / unit**powers
