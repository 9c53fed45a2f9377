"""All images whose data lie as near as the noise allows."""

import math

import torch
from torch import Tensor

from operators.linalg import column, dot

from .gaussian import Gaussian

__all__ = ["Ball"]


class Ball(Gaussian):
    r"""Data that lie as far from Ax as noise may: :math:`f = 0` where
    :math:`\|v - y\|^2 \le \sigma_n^2 (M + 2 \sqrt M)`, M the number of real data, infinite elsewhere.

    Needs no strength: of all images that fit so far, the one that the prior likes best (:class:`pnp.PnPPDHG`).
    Args as of :class:`Gaussian`. Terris, Dabbech, Tang, Wiaux 2022, doi:10.1093/mnras/stac2672 (cAIRI).

    >>> from operators import Identity
    >>> ball = Ball(Identity((1, 4)), 1.0)
    >>> round(ball.prox(torch.full((1, 1, 1, 4), 9.0), torch.zeros(1, 1, 1, 4), torch.ones(1)).norm().item() ** 2, 3)
    8.0
    """

    closed = False

    def radius(self, like: Tensor) -> Tensor:
        """Of the ball, (B,)."""
        count = math.prod(like.shape[1:]) * (2 if like.is_complex() else 1)
        return column(self.noise_std, like).flatten() * math.sqrt(count + 2 * math.sqrt(count))

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        far = dot(v - y, v - y).sqrt() > self.radius(v) * (1 + 1e-6)
        return torch.where(far, torch.full_like(self.radius(v), math.inf), torch.zeros_like(self.radius(v)))

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        raise TypeError("Ball: has no gradient; use a method of proximal maps (PnPPDHG, PnPADMM, PnPDRS)")

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        r, size = v - y, dot(v - y, v - y).sqrt()
        return y + r * column((self.radius(v) / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp(max=1), r)
