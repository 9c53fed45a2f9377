"""Data as a likelihood says that they scatter, from numbered streams."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..likelihood import Gaussian, Likelihood, Poisson, Transmission
from ..streams import normal, poisson

__all__ = ["data_noise", "simulated"]

_STREAM = 2**40  # apart from the streams of solvers that draw noise themselves


def _rows(v: Tensor, draws: Sequence[int], one: Any) -> Tensor:
    """``one(rows, number)`` for the rows of each draw; several draws have one row each."""
    return torch.cat([one(part, _STREAM + k) for part, k in zip(v.chunk(len(draws)), draws, strict=True)])


def taken(likelihood: Likelihood, y: Tensor) -> Tensor:
    """Which data were measured, booleans that broadcast to ``y``; zeros are no data where the operator does not say."""
    known = likelihood.op.measured
    return y != 0 if known is None else known


def data_noise(likelihood: Gaussian, y: Tensor, seed: int, draws: Sequence[int], *, clean: Tensor) -> Tensor:
    """Noise of Gaussian data of the shape of ``clean``, in the units of y, none where nothing was measured."""
    std = likelihood.deviation(y)
    std = torch.where(torch.isfinite(std), std, torch.zeros_like(std))
    measured = taken(likelihood, y) | (clean != 0 if likelihood.op.measured is None else torch.zeros_like(y.real) != 0)
    noise = _rows(clean, draws, lambda part, k: normal(part, seed, k))
    return torch.where(measured, std * noise, torch.zeros_like(noise))


def simulated(likelihood: Likelihood, x: Tensor, y: Tensor, seed: int, draws: Sequence[int]) -> Tensor:
    """Data of images ``x``, noise and all, as ``y`` are data: for each draw one image, or one draw of a batch.

    A likelihood of a user's own writes ``simulate(v, seed, step)``, data around v = Ax.

    Raises:
        TypeError: it is not known how data of this likelihood scatter.
    """
    own = getattr(likelihood, "simulate", None)
    if isinstance(likelihood, Gaussian) and own is None:
        v = likelihood.measured.A(x)
        return v + data_noise(likelihood, y, seed, draws, clean=v)
    v = likelihood.op.A(x)
    if own is not None:
        return _rows(v, draws, lambda part, k: own(part, seed, k))
    if isinstance(likelihood, Poisson):
        n = likelihood.photons
        rate = n * (v + likelihood.background.to(v)).clamp_min(0)
        return _rows(rate, draws, lambda part, k: poisson(part, seed, k)) / n
    if isinstance(likelihood, Transmission):
        rate = likelihood.photons.to(v) * (-v).exp() + likelihood.background.to(v)
        return _rows(rate, draws, lambda part, k: poisson(part, seed, k))
    raise TypeError(
        f"solver: it is not known how data of {type(likelihood).__name__} scatter; give it a method "
        "simulate(v, seed, step), or take method='sampling'"
    )
