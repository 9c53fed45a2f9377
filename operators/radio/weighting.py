"""Weights of visibilities for dirty images: between most sensitive and sharpest."""

import torch
from torch import Tensor

from ..fourier.nufft import check_points
from ..shapes import Constant, as_constant, check_number

__all__ = ["unflagged", "visibility_weights"]


def visibility_weights(
    points: Constant,
    image_shape: tuple[int, int],
    scheme: str = "natural",
    *,
    robust: float = 0.0,
    natural: Constant | None = None,
) -> Tensor:
    r"""Weights (M,) of Fourier samples at ``points`` (2, M), radians per pixel.

    ``"natural"``: w, one by default or ``natural`` (1 / variance). ``"uniform"``: w over the sum W of the weights in
    the sample's cell of the grid that belongs to the image, conjugate samples included. ``"briggs"``: between both,

    .. math:: \frac{w}{1 + W f^2}, \qquad f^2 = \frac{(5 \cdot 10^{-R})^2}{\sum_k W_k^2 / \sum_m w_m}

    with R = ``robust``, from 2 (natural) to -2 (uniform); k runs over the cells of half a plane, which hold each sample
    once, so R is that of CASA and WSClean. Weights ``natural`` <= 0 are those of flagged samples, as UVFITS files have
    them; they become zero.

    Raises:
        ValueError: the scheme is unknown, or ``points`` or ``natural`` does not fit.

    Briggs 1995, PhD thesis, New Mexico Institute of Mining and Technology, section 3.

    >>> p = torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    >>> visibility_weights(p, (8, 8), "uniform").tolist()
    [0.5, 0.5, 1.0]
    """
    points = check_points(points)
    count = points.shape[1]
    ones = torch.ones(count, dtype=torch.float64, device=points.device)
    w = ones if natural is None else unflagged(natural, count, "natural")
    if scheme == "natural":
        return w
    if scheme not in ("uniform", "briggs"):
        raise ValueError(f"scheme: expected 'natural', 'uniform' or 'briggs', got {scheme!r}")
    if not abs(check_number("robust", robust)) < torch.inf:
        raise ValueError(f"robust: expected a finite number, got {robust}")
    sizes = torch.tensor(image_shape, dtype=torch.float64, device=points.device)[:, None]

    def cells(p: Tensor) -> Tensor:
        row, column = torch.round(p.double() * sizes / (2 * torch.pi)).long().remainder(sizes.long())
        return row * image_shape[1] + column

    here, there = cells(points), cells(-points)
    total = torch.zeros(image_shape[0] * image_shape[1], dtype=torch.float64, device=points.device)
    total.index_add_(0, here, w).index_add_(0, there, w)
    total[here[here == there]] /= 2  # a sample in its own conjugate's cell counts once
    density = total[here]
    if scheme == "uniform":
        return torch.where(density > 0, w / density.clamp_min(torch.finfo(torch.float64).tiny), density)
    squares = (w * density).sum()  # of the cells of half a plane: each holds its samples' weight as often as it has any
    return w / (1 + density * (5 * 10.0**-robust) ** 2 * w.sum() / squares)


def unflagged(weights: Constant, count: int, name: str) -> Tensor:
    """Weights (count,) in double precision, zero where they are not positive.

    Raises:
        TypeError: neither a tensor nor an array.
        ValueError: a wrong shape, values that are not finite, or none that is positive.
    """
    weights = as_constant(name, weights)
    w = weights.double().clamp_min(0)
    if w.shape != (count,) or not bool(torch.isfinite(weights).all()) or not float(w.sum()) > 0:
        raise ValueError(f"{name}: expected {count} finite weights, some of them > 0, got shape {tuple(w.shape)}")
    return w
