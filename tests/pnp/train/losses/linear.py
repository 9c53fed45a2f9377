"""Linear estimators with known errors, and the mean of a loss over many draws of the noise."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pnp.train.losses import MeasuredLoss

SHAPE = (8, 8)


def image(dtype: torch.dtype = torch.float64) -> Tensor:
    """A fixed image (1, 1, 8, 8), positive."""
    g = torch.Generator().manual_seed(5)
    x = 1 + torch.rand(1, 1, *SHAPE, generator=g, dtype=torch.float64)
    if dtype.is_complex:
        return torch.complex(x, torch.rand(1, 1, *SHAPE, generator=g, dtype=torch.float64))
    return x.to(dtype)


def smoothing(share: float = 0.6) -> Tensor:
    """A matrix (64, 64): a share of each pixel, the rest from four neighbours unevenly, periodic."""
    eye = torch.eye(64, dtype=torch.float64).reshape(64, *SHAPE)
    other = 0.4 * eye.roll(1, -1) + 0.3 * eye.roll(-1, -1) + 0.2 * eye.roll(1, -2) + 0.1 * eye.roll(-1, -2)
    return (share * eye + (1 - share) * other).reshape(64, 64).T.contiguous()


def applied(matrix: Tensor) -> Callable[..., Tensor]:
    """The estimator y -> matrix y, of data as large as images."""
    return lambda y, likelihood=None: (y.flatten(1) @ matrix.to(y.dtype).T).reshape(-1, 1, *SHAPE)


def mean_of(loss: MeasuredLoss, f: Any, data: Tensor, likelihood: Any, *, other: Any = None) -> tuple[float, float]:
    """Mean of the loss over the draws ``data`` (n, ...), and the standard error of the mean."""
    values = loss(f, data, likelihood, range(len(data)), other).detach().double()
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def agrees(found: tuple[float, float], expected: float, *, precision: float) -> bool:
    """Whether a mean is the expected one within four standard errors, and these are small enough to say so."""
    assert 4 * found[1] < precision * max(abs(expected), 1e-12), f"too few draws: {found}, expected {expected}"
    assert abs(found[0] - expected) < 4 * found[1], f"{found}, expected {expected}"
    return True
