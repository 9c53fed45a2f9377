"""Weights of projections as weights of their spectra, as far as they are those of views."""

import math

from torch import Tensor

from ..kept import Kept
from ..modes import tracked

__all__ = ["ViewWeights"]


class ViewWeights:
    """For weights of the data those of the samples of the spectrum, times their ``gain``: of each view the mean along
    the detector; and whether views are even in them, so that :math:`A^* W A` is a Toeplitz operator. ``None`` where the
    batch or its channels have weights of their own. The last answer is kept, the same tensor for the same weights.

    >>> import torch
    >>> ViewWeights()(torch.tensor([[1.0], [2.0]]), torch.ones(6), (1, 2, 4))
    (tensor([1., 1., 1., 2., 2., 2.], dtype=torch.float64), True)
    """

    def __init__(self) -> None:
        self._kept = Kept()

    def __call__(self, weights: Tensor, gain: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, bool] | None:
        channels, views, _ = shape
        if channels * math.prod(weights.shape[:-2]) != 1 or weights.is_inference() or tracked(weights):
            return None

        def made() -> tuple[Tensor, bool]:
            each = weights.detach().double().expand(1, *shape)[0, 0]
            samples = (gain.reshape(views, -1) * each.mean(1, keepdim=True)).flatten()
            return samples, bool((each == each[:, :1]).all())

        return self._kept(weights, None, made)
