"""Two measurements of the same image: one is predicted from the other."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...likelihood import Likelihood
from .measured import Estimator, MeasuredLoss, measured_op, seen
from .splitting import misfit

__all__ = ["Noise2Noise"]


class Noise2Noise(MeasuredLoss):
    r"""Two measurements of one image with independent noise; operators and levels may differ.

    .. math:: \frac{1}{M} \|A_2 f(y_1, A_1) - y_2\|^2 - \sigma_2^2

    Its expectation is the error of f(y_1) in the second one's data. Galaxies that are split in two make two shear maps
    (:func:`pnp.train.losses.halves`), pulses, scans or exposures any two data. Both directions count where ``both``.

    Assumes: noise of mean zero (in the data's units), independent between the two; of any distribution.

    Args:
        both: the mean of predicting the second from the first and the first from the second.

    Raises:
        ValueError: on use: there is no second measurement.

    Lehtinen et al. 2018, arXiv:1803.04189.

    >>> import torch
    >>> from operators import Identity
    >>> from pnp.likelihood import Gaussian
    >>> like = Gaussian(Identity((4, 4)), 1.0)
    >>> zeros = torch.zeros(1, 1, 4, 4)
    >>> Noise2Noise()(lambda y, _: y, zeros, like, [0], (zeros, like)).item()
    -1.0
    """

    def __init__(self, *, both: bool = True) -> None:
        self.both = both

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        if other is None:
            raise ValueError("other: Noise2Noise needs a second measurement of the same images, (y, likelihood)")
        second, its = other
        value = self._from(f(y, likelihood), second, its)
        return (value + self._from(f(second, its), y, likelihood)) / 2 if self.both else value

    @staticmethod
    def _from(x: Tensor, y: Tensor, likelihood: Likelihood) -> Tensor:
        return misfit(measured_op(likelihood).A(x), y, likelihood, seen(likelihood, y))
