"""Counts of emission, and their roots."""

from typing import Any

import torch
from torch import Tensor

from operators.linalg import column

from ..arguments import positive
from .counts import Counts

__all__ = ["Poisson", "PoissonRoots"]


class Poisson(Counts):
    r"""Counts: :math:`N y \sim \mathrm{Poisson}(N (v + b))`, y in the units of v as :func:`operators.poisson_noise`.

    .. math:: f = N \sum \big( v - y \log(v + b) \big)

    Args:
        op: operator with real, non-negative data.
        photons: N, counts at intensity one (the gain).
        background: b >= 0, known, in the same units: a number, or a tensor that broadcasts against the data.

    Raises:
        ValueError: an argument is out of range, or data are negative.

    Shepp, Vardi 1982, doi:10.1109/TMI.1982.4307558.

    >>> from operators import Identity
    >>> p = Poisson(Identity((1, 1)), photons=100.0)
    >>> p.prox(torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.5), torch.ones(1)).item()
    0.5
    """

    def __init__(self, op: Any, photons: float = 1.0, background: float | Tensor = 0.0) -> None:
        super().__init__(op, background)
        self.photons = positive("photons", photons)

    def _level(self, v: Tensor) -> Tensor:
        """v + b, kept above zero for logarithms and quotients."""
        return (v + self.background.to(v)).clamp_min(1e-6 / self.photons)

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        return self.photons * (v - y * self._level(v).log()).flatten(1).sum(1)

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        return self.photons * (1 - y / self._level(v))

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        b, weight = self.background.to(v), column(s, v) * self.photons
        half = (v + b - weight) / 2
        root = (half**2 + weight * y).sqrt()
        # the positive root of t^2 - 2 half t = weight y, without cancellation
        t = torch.where(half >= 0, half + root, weight * y / (root - half).clamp_min(torch.finfo(v.dtype).tiny))
        return t - b

    def weights(self, y: Tensor) -> Tensor:
        return self.photons / torch.maximum(y, (1 / self.photons + 0 * self.background).to(y))

    def as_data(self, y: Tensor) -> Tensor:
        return y - self.background.to(y)

    def blank(self, y: Tensor) -> Tensor:
        return self.background.to(y).expand_as(y)


class PoissonRoots(Counts):
    r"""Counts of an image that is the square root of the intensity: :math:`N y \sim \mathrm{Poisson}(N v^2)`, v = Ax.

    .. math:: f = N \sum \big( v^2 - 2 y \log |v| \big)

    In roots all counts have the same noise, :math:`1 / \sqrt{4 N}`, which is what denoisers are trained for; so at few
    photons a prior of roots is the better one, and this has the exact likelihood where the transform of Anscombe is a
    Gaussian made to fit. Square the answer. Where A mixes pixels, :math:`(Ax)^2` is not A of the intensity: for masks
    of ones and zeros it is. Take ``Bounded(denoiser, low=0.0)``.

    Args:
        op: operator with real data.
        photons: N, counts at intensity one (the gain).

    Raises:
        ValueError: photons are not positive, or data are negative.

    Anscombe 1948, doi:10.1093/biomet/35.3-4.246.

    >>> from operators import Identity
    >>> p = PoissonRoots(Identity((1, 1)), photons=100.0)
    >>> p.prox(torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.25), torch.ones(1)).item()
    0.5
    """

    def __init__(self, op: Any, photons: float = 1.0) -> None:
        super().__init__(op, 0.0)
        self.photons = positive("photons", photons)

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        return self.photons * (v.square() - torch.xlogy(y, v.square())).flatten(1).sum(1)

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        return 2 * self.photons * (v - y / torch.where(v.abs() > 1e-6, v, torch.full_like(v, 1e-6)))

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        weight = 2 * column(s, v) * self.photons
        return (v + (v.square() + 4 * (1 + weight) * weight * y).sqrt()) / (2 * (1 + weight))

    def weights(self, y: Tensor) -> Tensor:
        return torch.full_like(y[:1], 4 * self.photons)

    def as_data(self, y: Tensor) -> Tensor:
        return (y + 3 / (8 * self.photons)).sqrt()
