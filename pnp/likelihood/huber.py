"""Gaussian noise with outliers."""

from typing import Any

import torch
from torch import Tensor

from operators.linalg import column

from ..arguments import positive
from .gaussian import Gaussian
from .outliers import near_neighbours

__all__ = ["Huber"]

_EDGE = 2.5 * 1.4826  # medians of what is left, beyond which the misfit counts no more of it: 2.5 deviations


class Huber(Gaussian):
    r"""Noise with outliers: squares up to ``threshold`` standard deviations, from there on straight lines.

    .. math:: f = \sum \varphi(|v - y| / \sigma_n), \qquad
        \varphi(r) = \tfrac12 r^2 \;(r \le t), \quad t r - \tfrac12 t^2 \;(r > t)

    Args:
        op, noise_std: as of :class:`Gaussian`, without the outliers.
        threshold: t; 1.345 keeps 95 % of the precision where there are none.

    Until the levels of a solver stay what they are, outliers are pulled to their neighbours (real data on a grid).
    Where data are the pixels themselves, as behind masks, trained denoisers keep single ones: ``threshold=0.7`` and
    ``strength=2`` take them away, at the cost of detail.

    Huber 1964, doi:10.1214/aoms/1177703732.

    >>> from operators import Identity
    >>> far = torch.full((1, 1, 1, 1), 9.0)
    >>> Huber(Identity((1, 1)), 1.0, threshold=2.0).gradient(far, 0 * far).item()
    2.0
    """

    closed = False

    def __init__(self, op: Any, noise_std: float | Tensor | None = None, *, threshold: float = 1.345) -> None:
        super().__init__(op, noise_std)
        self.threshold = positive("threshold", threshold)

    def tamed(self, y: Tensor) -> Tensor:
        if self.noise_std is None:
            return y
        noise = torch.as_tensor(self.noise_std, dtype=y.real.dtype, device=y.device).reshape(-1)
        return near_neighbours(y, noise, self.op.measured)

    def counted(self, rest: Tensor, taken: Tensor) -> Tensor:
        usual = [r[t].abs().median() if bool(t.any()) else r.new_zeros(()).real for r, t in zip(rest, taken)]
        edge = _EDGE * column(torch.stack(usual), rest)
        return rest * (edge / rest.abs().clamp_min(torch.finfo(edge.dtype).tiny)).clamp(max=1)

    def as_data(self, y: Tensor) -> Tensor:
        return self.tamed(y)

    def _edge(self, like: Tensor) -> Tensor:
        return self.threshold * column(self.noise_std, like)

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        r, edge = (v - y).abs(), self._edge(v)
        return (torch.where(r <= edge, r**2 / 2, edge * (r - edge / 2)) / self._variance(v)).flatten(1).sum(1)

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        r, edge = v - y, self._edge(v)
        return r * (edge / r.abs().clamp_min(torch.finfo(edge.dtype).tiny)).clamp(max=1) / self._variance(v)

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        r, edge, weight = v - y, self._edge(v), column(s, v) / self._variance(v)
        size = r.abs()
        far = 1 - weight * edge / size.clamp_min(torch.finfo(edge.dtype).tiny)
        return y + r * torch.where(size <= edge * (1 + weight), 1 / (1 + weight), far)
