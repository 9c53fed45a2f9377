"""Likelihoods of counts: emission, of intensities or of their roots, and transmission through an absorber."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators.linalg import column
from operators.shapes import as_constant, check_broadcast

from .arguments import positive
from .likelihood import Likelihood

__all__ = ["Poisson", "PoissonRoots", "Transmission"]


class _Counts(Likelihood):
    """Real data that are not negative, with a known background."""

    background: Tensor

    def __init__(self, op: Any, background: float | Tensor) -> None:
        super().__init__(op)
        self._keep("background", background)
        if self.op.out_dtype.is_complex:
            raise ValueError("op: counts are real, the data of this operator are complex")

    def _keep(self, name: str, value: float | Tensor, *, positive: bool = False) -> None:
        """Keep a number or a tensor that broadcasts against the data."""
        if not isinstance(value, int | float | Tensor | np.ndarray | np.number) or isinstance(value, bool):
            raise TypeError(f"{name}: expected a number or an array of them, got {value!r}")
        exact = None if isinstance(value, Tensor) else torch.float64  # numbers in double precision
        level = as_constant(name, value) if isinstance(value, np.ndarray) else torch.as_tensor(value, dtype=exact)
        if level.is_complex() or level.dtype == torch.bool:
            raise TypeError(f"{name}: expected real numbers, got {level.dtype}")
        level = level.double()
        check_broadcast(name, level, self.op.out_shape)
        if not bool(((level > 0 if positive else level >= 0) & torch.isfinite(level)).all()):
            raise ValueError(f"{name}: expected finite values {'> 0' if positive else '>= 0'}")
        self.register_buffer(name, level, persistent=False)

    def check(self, y: Tensor) -> None:
        super().check(y)
        if not bool((y >= 0).all()):
            raise ValueError("y: counts are not negative")


class Poisson(_Counts):
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


class PoissonRoots(_Counts):
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


class Transmission(_Counts):
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
        from there by steps with the curvature that is never too small."""
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
