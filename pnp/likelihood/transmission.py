"""Counts behind an absorber."""

from typing import Any

import torch
from torch import Tensor

from operators.linalg import column

from .counts import Counts

__all__ = ["Transmission"]


class Transmission(Counts):
    r"""Counts of low-dose tomography: :math:`k \sim \mathrm{Poisson}(I_0 e^{-v} + r)`, v the line integrals.

    .. math:: f = \sum \big( I_0 e^{-v} - k \log(I_0 e^{-v} + r) \big)

    Data are the counts themselves. Args:
        op: line integrals of the attenuation, pure numbers: ``Radon(..., pixel_size=...)``.
        photons: :math:`I_0`, counts without an object: a number, or a tensor that broadcasts against the data.
        background: r >= 0, counts that have not come through the object (scatter, dark current).

    Erdogan, Fessler 1999, doi:10.1088/0031-9155/44/11/311.

    >>> from operators import Identity
    >>> t = Transmission(Identity((1, 1)), photons=1000.0)
    >>> round(t.as_data(torch.full((1, 1, 1, 1), 1000 * 0.1)).item(), 4)
    2.3026
    """

    photons: Tensor

    def __init__(self, op: Any, photons: float | Tensor, background: float | Tensor = 0.0) -> None:
        super().__init__(op, background)
        self._keep("photons", photons, positive=True)

    def _through(self, v: Tensor) -> Tensor:
        return self.photons.to(v) * (-v).exp()

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        through, r = self._through(v), self.background.to(v)
        logs = torch.where(
            r > 0, (through + r).clamp_min(torch.finfo(v.dtype).tiny).log(), self.photons.to(v).log() - v
        )
        return (through - y * logs).flatten(1).sum(1)

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        through, r = self._through(v), self.background.to(v)
        share = torch.where(r > 0, through / (through + r).clamp_min(torch.finfo(v.dtype).tiny), torch.ones_like(v))
        return y * share - through

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        r"""Without background :math:`u = c + w`, :math:`w + \log w = \log(s I_0) - c`, :math:`c = v - s k`; with one,
        from there by steps with the curvature that is never too small. In double precision: s k is far above u."""
        if v.dtype != torch.float64 and v.device.type != "mps":
            return self.prox(v.double(), y.double(), s.double()).to(v.dtype)
        weight = column(s, v)
        c = v - weight * y
        level = (weight * self.photons.to(v)).log() - c
        w = torch.where(
            level > 1, level - level.clamp_min(1).log(), level.clamp(max=1).exp() / (1 + level.clamp(max=1).exp())
        )
        for _ in range(6):  # Newton's steps for w + log w, which converge from everywhere
            w = w * (1 + level - w.clamp_min(torch.finfo(v.dtype).tiny).log()) / (1 + w)
        u = c + w
        if not bool((self.background > 0).any()):
            return u
        for _ in range(40):
            change = (weight * self.gradient(u, y) + u - v) / (1 + weight * self._through(u))
            u = u - change
            if float(change.abs().max()) <= 1e-3 * torch.finfo(v.dtype).eps ** 0.5:
                break
        return u

    def weights(self, y: Tensor) -> Tensor:
        through = (y - self.background.to(y)).clamp_min(0)
        return (through**2 / y.clamp_min(1)).clamp_min(1e-3)

    def as_data(self, y: Tensor) -> Tensor:
        return -((y - self.background.to(y)).clamp_min(0.5) / self.photons.to(y)).log()

    def blank(self, y: Tensor) -> Tensor:
        return (self.photons.to(y) + self.background.to(y)).expand_as(y)

    def curvature(self, y: Tensor) -> Tensor:
        return y.flatten(1).amax(1).clamp_min(1)
