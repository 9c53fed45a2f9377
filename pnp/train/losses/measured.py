"""Losses of data alone: what they are given, and the noise in it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column

from ...likelihood import Gaussian, Likelihood

__all__ = [
    "Estimator",
    "MeasuredLoss",
    "check_loss",
    "deviation",
    "measured_op",
    "per_datum",
    "seen",
    "stream",
    "white",
]

Estimator = Callable[[Tensor, Likelihood], Tensor]
"""Data (B, ...) and their likelihood to images (B, C, H, W)."""


class MeasuredLoss:
    r"""Base of the losses of an estimator f that see data y alone, never an image.

    They are called with an estimator, data (B, ...), their likelihood and the seed of each sample's random numbers,
    and give a value for each sample, (B,). With the noise level :math:`\sigma_n` in the likelihood, values are in
    squares of it, so that they do not depend on units, and :meth:`expected` says of what they are the expectation.

    A subclass writes ``__call__``; ``assumes`` names what :func:`pnp.train.losses.assumptions.doubts_of` looks at:
    ``"white"`` noise, the right ``"level"``, ``"counts"``.
    """

    assumes: tuple[str, ...] = ()
    gain: float | None = None
    """Data of one count, where Gaussian noise comes on top of counts."""

    def __call__(self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None):
        """The loss of each sample, (B,).

        Args:
            f: estimator, (y, likelihood) -> images.
            y: data, (B, *out_shape).
            likelihood: how they scatter, and around what.
            seeds: of the samples' random numbers.
            other: a second measurement of the same images and its likelihood, where there is one.
        """
        raise NotImplementedError(f"{type(self).__name__} has to write __call__(f, y, likelihood, seeds)")

    def check(self, likelihood: Likelihood) -> None:
        """Raise where the loss is not for such data."""

    def groups(self, likelihood: Likelihood) -> Sequence[Any]:
        """Moves of images that the loss counts on, whose use is looked at once."""
        return ()


def check_loss(loss: Any) -> None:
    """Raise where ``loss`` is none of data alone."""
    if not isinstance(loss, MeasuredLoss):
        name = f"the class {loss.__name__}, not SURE() and the like" if isinstance(loss, type) else type(loss).__name__
        raise TypeError(f"loss: expected one of pnp.train.losses of data alone, got {name}")


def measured_op(likelihood: Likelihood) -> Any:
    """The operator of the data as they are, before noise is made even."""
    return likelihood.measured if isinstance(likelihood, Gaussian) else likelihood.op


def seen(likelihood: Likelihood, y: Tensor) -> Tensor:
    """Which data are measured, ones and zeros of the shape of ``y``, real.

    Raises:
        ValueError: ``y`` is no batch of such data.
    """
    op = measured_op(likelihood)
    if isinstance(op, LinearOperator) and tuple(y.shape[1:]) != tuple(op.out_shape):
        raise ValueError(f"y: expected data (B, {', '.join(map(str, op.out_shape))}), got {tuple(y.shape)}")
    known = op.measured
    ones = torch.ones_like(y.real)
    found = ones if known is None else known.to(y.device).expand_as(y) * ones
    if isinstance(likelihood, Gaussian) and likelihood.deviations is not None:
        found = found * torch.isfinite(likelihood.deviations.to(y.device))
    return found


def deviation(likelihood: Likelihood, y: Tensor, loss: str) -> Tensor:
    """Standard deviation of the noise of each datum, of the shape of ``y``, one where nothing is measured.

    Raises:
        ValueError: there is none, or it is zero; ``loss`` needs it.
    """
    if type(likelihood) is not Gaussian:
        raise ValueError(f"likelihood: {loss} is for Gaussian noise here, got {type(likelihood).__name__}")
    if likelihood.noise_std is None:
        raise ValueError(f"noise_std: {loss} needs it, Gaussian(op, noise_std); UNSURE and Splitting do not")
    std = likelihood.deviation(y).to(y.real).expand(y.shape)
    std = torch.where(seen(likelihood, y) > 0, std, torch.ones_like(std))
    if not bool((std > 0).all()):
        raise ValueError(f"noise_std: {loss} is for noisy data, expected > 0, got 0")
    return std


def per_datum(values: Tensor, known: Tensor) -> Tensor:
    """Mean over the measured real numbers of each sample, (B,), of squares ``|.|²`` or products, both real."""
    return values.flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)


def stream(seed: int) -> torch.Generator:
    """Random numbers of a sample: others than those of data that were simulated with the same seed."""
    return torch.Generator().manual_seed((seed * 1_000_003 + 60_029) % 2**63)


def white(like: Tensor, seeds: Sequence[int], *, signs: bool = False) -> Tensor:
    """White noise of deviation one per real component, each sample from its own seed, or random ``signs``."""
    rows, shape = [], (*like.shape[1:], 2) if like.is_complex() else tuple(like.shape[1:])
    for seed in seeds:
        own: dict[str, Any] = {"generator": stream(seed), "device": "cpu"}
        draw = 2.0 * torch.randint(2, shape, **own) - 1 if signs else torch.randn(shape, **own)
        rows.append(draw.to(like.real.dtype))
    found = torch.stack(rows).to(like.device)
    return torch.view_as_complex(found) if like.is_complex() else found


def real_count(y: Tensor, known: Tensor) -> Tensor:
    """Measured real numbers of each datum: two where data are complex."""
    return known * (2 if y.is_complex() else 1)


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Re a conj(b) of each datum."""
    return (a * b.conj()).real if a.is_complex() or b.is_complex() else a * b


def unit_square(y: Tensor, known: Tensor) -> Tensor:
    """Mean square of the data that are shown to an estimator, (B,): the unit where noise has no known level."""
    found = per_datum(known * y.detach().abs().square(), known)
    return torch.where(found > 0, found, torch.ones_like(found))


def as_weight(value: Tensor, like: Tensor) -> Tensor:
    """(B,) as a column that divides data."""
    return column(value, like)
