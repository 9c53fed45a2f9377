"""Losses of data together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...likelihood import Likelihood
from .measured import Estimator, MeasuredLoss

__all__ = ["Together"]


class Together(MeasuredLoss):
    """Sum of losses of data with weights, such as ``Together((1, SURE()), (1, Equivariant()))``.

    Raises:
        ValueError: there is none. TypeError: one is no (weight, loss).

    >>> from operators import Identity
    >>> from pnp.likelihood import Gaussian
    >>> from pnp.train.losses import BlindSpot, Splitting
    >>> y = torch.ones(1, 1, 8, 8)
    >>> Together((1.0, BlindSpot()), (0.5, Splitting()))(lambda y, _: 0 * y, y, Gaussian(Identity((8, 8))), [0]).item()
    1.5
    """

    def __init__(self, *terms: tuple[float, MeasuredLoss]) -> None:
        if not terms:
            raise ValueError("terms: expected at least one (weight, loss)")
        for term in terms:
            if not (isinstance(term, tuple) and len(term) == 2 and isinstance(term[1], MeasuredLoss)):
                raise TypeError(f"terms: expected (weight, loss) each, Together((1, SURE()), ...), got {term!r}")
        self.terms = terms
        self.assumes = tuple({name for _, loss in terms for name in loss.assumes})
        self.gain = next((loss.gain for _, loss in terms if loss.gain is not None), None)

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        return torch.stack([weight * loss(f, y, likelihood, seeds, other) for weight, loss in self.terms]).sum(0)

    def check(self, likelihood: Likelihood) -> None:
        for _, loss in self.terms:
            loss.check(likelihood)

    def groups(self, likelihood: Likelihood) -> Sequence[Any]:
        return [move for _, loss in self.terms for move in loss.groups(likelihood)]
