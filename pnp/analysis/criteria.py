"""What tells a good strength without a truth: functions of images along a :class:`Walk`, relative to strength one.

A criterion is called with t, (B,), the logarithm to base two of a strength, and gives its value less that at strength
one, and the standard deviation that noise gives this difference, both (B,); lower is better.
"""

import torch
from torch import Tensor

from operators.linalg import column, dot

from ..likelihood import Gaussian
from ..problem import rough_estimate
from ..state import State
from ..streams import normal
from .walk import Walk

__all__ = ["Criterion", "Residuals", "Risk", "Whiteness", "measured_of"]

_STRONGER, _MOVED = 0.12, 0.04  # shares of the error by which simulations have to promise more
_STREAM = 60_013  # of the noise that is simulated
_FEWEST = 2  # iterations at a further strength


def measured_of(op, y: Tensor) -> Tensor:
    """Which data are measured, booleans of the shape of ``y``."""
    known = op.measured
    return torch.ones_like(y, dtype=torch.bool) if known is None else known.expand(len(y), *y.shape[1:])


def _power(a: Tensor) -> Tensor:
    return dot(a, a)


def _scatter(a: Tensor, b: Tensor) -> Tensor:
    """Deviation of the inner product of images whose pixels scatter independently, (B,)."""
    return (a * b.conj()).real.square().flatten(1).sum(1).sqrt()


class Criterion:
    """What a search takes; most criteria have no second one.

    Attributes:
        each: iterations at each further strength, (B,); ``None``: until they are of no more use.
        left: iterations at all further strengths, (B,).
    """

    each: Tensor | None = None
    left: Tensor | None = None

    def confirm(self, t: Tensor) -> tuple[Tensor, Tensor] | None:
        """A second criterion at 2^t, which was tried, less its value at strength one, and its deviation, (B,) each."""
        return None

    def affords(self, like: Tensor) -> Tensor:
        """Whether one more strength may be tried, (B,)."""
        every = torch.ones_like(like, dtype=torch.bool)
        return every if self.left is None or self.each is None else self.left >= self.each

    def _tried(self, walk: Walk, t: Tensor, half: Tensor | None) -> Tensor:
        """The walk's image at 2^t."""
        before = walk.spent
        x = walk.at(t, self.each, half)
        self.left = None if self.left is None else self.left - (walk.spent - before)
        return x


class _Simulated(Criterion):
    """The walk of a solve, and beside it that of data simulated from its image at strength one, whose truth is known:

    .. math:: y' = A \\hat x_1 + \\sigma_n n'

    ``thrifty``: within the calls of three solves: of the third, a fifth for one side, one for the other, one for the
    second criterion, and the rest for the solve at the choice.
    """

    def __init__(self, solver, y: Tensor, state: State, seed: int, *, thrifty: bool = False) -> None:
        facts, likelihood = state.facts, solver.likelihood
        data = likelihood.given(y)
        self.sigma, self.op, self.facts = facts.noise_std, likelihood.op, facts
        plain = solver.with_op(Gaussian(self.op, self.sigma))  # data as they are after whitening
        self.real = Walk(plain, data, facts, state)
        self.known = measured_of(self.op, data)
        self.noise = torch.where(self.known, column(self.sigma, data) * normal(data, seed, _STREAM), 0 * data)
        self.truth = self.real.x
        again = self.op.A(self.truth) + self.noise
        other = facts._replace(back=self.op.A_adjoint(again))
        start = plain.problem(again, other, start=rough_estimate(self.op, other.back, facts.gain))
        begun = state._replace(values=plain.init(start), facts=other)
        spent, settled = self.real.spent, self.real.tried[0][1].residual <= plain.stop.tolerance
        if not thrifty:
            self.fake = Walk(plain, again, other, begun, most=spent)  # walks alike
        else:
            self.each = torch.where(settled, (spent / 5).floor(), 0).clamp_min(_FEWEST)
            most = torch.where(settled, spent, spent - 3 * self.each)  # what ends unsettled is as long once more
            self.fake = Walk(plain, again, other, begun, most=most)
            final = torch.where(settled, spent - 3 * self.each, spent)
            self.left = 2 * spent - self.fake.spent - final - self.each
        self.data = data
        self.first, self.first_fake = self.real.x, self.fake.x

    @property
    def calls(self) -> int:
        """Of the denoiser, for each sample."""
        return self.real.calls + self.fake.calls

    def state(self, t: Tensor) -> State:
        """Where a solve at 2^t continues."""
        return self.real.onward(t)


class Risk(_Simulated):
    r"""Two estimates of the image's squared error.

    ``"simulation"``: that of a reconstruction from simulated data y', whose truth :math:`\hat x_1` is known, over its
    value at strength one (parametric bootstrap),

    .. math:: \|\hat x_s(y') - \hat x_1\|^2

    ``"sure"``: Stein's, of what the data hold of the image, :math:`M = N (N + g)^{-1}` with N = A* A and g its mean
    diagonal, up to a constant, in squares of the noise in the image (Stein 1981, doi:10.1214/aos/1176345632; projected:
    Eldar 2009, doi:10.1109/TSP.2008.2008212),

    .. math:: \hat x_s^* M \hat x_s - 2 \hat x_s^* (N + g)^{-1} A^* y
              + 2 \langle (N + g)^{-1} A^* \sigma_n n', \hat x_s(y') - \hat x_1 \rangle

    The first takes the image to be as smooth as the first answer, so that it leads to strengths too high; the second is
    noisy where little is measured. With ``"risk"`` the first proposes a strength where it promises 4 % less error, and
    12 % more for each doubling of the strength (set on training images), and the second has to agree
    (:meth:`confirm`).
    """

    def __init__(self, solver, y: Tensor, state: State, *, seed: int, kind: str, thrifty: bool = False) -> None:
        super().__init__(solver, y, state, seed, thrifty=thrifty)
        self.kind, self.unit = kind, self.facts.image_noise * float(self.truth[0].numel()) ** 0.5
        self.linear = self._smooth(self.facts.back)
        self.probe = self._smooth(self.op.A_adjoint(self.noise))
        error = _power((self.first_fake - self.truth) / column(self.unit, self.truth))
        self.error = error.clamp_min(torch.finfo(error.dtype).tiny)

    def _smooth(self, v: Tensor) -> Tensor:
        """(N + g)^-1 v."""
        gain = self.facts.gain
        return self.op.solve_normal(v, 1 / gain, rtol=1e-3) / column(gain, v)

    def __call__(self, t: Tensor, half: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.kind == "sure":
            return self._stein(self.real.at(t), self.fake.at(t))
        u, again = column(self.unit, self.truth), self._tried(self.fake, t, half)
        change, both = (again - self.first_fake) / u, (again + self.first_fake - 2 * self.truth) / u
        share, noise = dot(change, both) / self.error, _scatter(change, both) / self.error
        if self.kind == "risk":
            share = share + _STRONGER * t.clamp(min=0) + _MOVED * (t != 0)
        return share, noise

    def confirm(self, t: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.kind != "risk":
            return None
        return self._stein(self.real.at(t, self.each), self.fake.nearest(t).x)

    def _stein(self, x: Tensor, again: Tensor) -> tuple[Tensor, Tensor]:
        u = column(self.unit, x)
        change, both = (x - self.first) / u, (x + self.first) / u
        small = self._smooth(change)
        projected = change - column(self.facts.gain, x) * small  # M is self-adjoint
        fit = dot(projected, both) - 2 * dot(change, self.linear / u)
        probe, moved = 2 * self.probe / u, (again - self.first_fake) / u
        noise = 2 * (self.sigma / self.unit) * _power(self.op.A(small)).sqrt()
        return fit + dot(probe, moved), torch.hypot(noise, _scatter(probe, moved))


class Residuals(_Simulated):
    r"""Criteria of the residual r and of the degrees of freedom d that the reconstruction has in the data, of M:

    ``"upre"`` :math:`\|r\|^2 / \sigma_n^2 + 2 d`; ``"gcv"`` :math:`M^2 \|r\|^2 / (M - d)^2` over its value at one;
    ``"discrepancy"`` :math:`|\ln (\|r\|^2 / (\sigma_n^2 (M - d)))|`.

    Golub, Heath, Wahba 1979, doi:10.1080/00401706.1979.10489751; d from one draw of simulated noise.
    """

    def __init__(self, solver, y: Tensor, state: State, *, seed: int, kind: str) -> None:
        super().__init__(solver, y, state, seed)
        self.kind = kind
        self.count = self.known.flatten(1).sum(1).to(self.sigma) * (2 if self.data.is_complex() else 1)
        self.start = self._value()

    def _value(self) -> Tensor:
        s = column(self.sigma, self.data)
        rest = torch.where(self.known, (self.op.A(self.real.x) - self.data) / s, 0 * self.data)
        freedom = dot(self.noise / s, self.op.A(self.fake.x - self.truth) / s)
        self.rest, self.square = (self.count - freedom).clamp(min=1e-3 * self.count), _power(rest)
        if self.kind == "upre":
            return self.square + 2 * freedom
        if self.kind == "gcv":
            return (self.square / self.rest**2).log()
        return (self.square / self.rest).log().abs()

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        before = self.real.tried[0][1].x
        x, _ = self.real.at(t), self.fake.at(t)
        moved = self.op.A(x - before) / column(self.sigma, self.data)
        noise = 2 * _power(moved).sqrt()  # of the change of the squared residual
        value = self._value() - self.start
        if self.kind == "discrepancy":  # what the residual itself scatters by: a target within it is met
            return value, (2 / self.rest).sqrt().expand_as(value)
        return value, noise if self.kind == "upre" else noise / self.square.clamp_min(1e-3 * self.count)


class Whiteness(Criterion):
    r"""How far the residual is from white, :math:`W = \sum |F r|^4 / (\sum |F r|^2)^2`, over its value at strength one.

    Images and sinograms as they are; of other data A* r beside A* of simulated noise. Needs no noise level. Lanza,
    Pragliola, Sgallari 2020, doi:10.1553/etna_vol53s329.
    """

    def __init__(self, solver, y: Tensor, state: State, *, seed: int) -> None:
        likelihood = solver.likelihood
        self.op, self.data = likelihood.op, likelihood.given(y)
        self.known = measured_of(self.op, self.data)
        self.real = Walk(solver, y, state.facts, state)
        self.spectrum: Tensor | None = None
        if self.data.is_complex() or self.data.ndim < 4 or not bool(self.known.all()):
            noise = torch.where(self.known, normal(self.data, seed, _STREAM), 0 * self.data)
            power = self._power(self.op.A_adjoint(noise))
            self.spectrum = power + 0.01 * power.mean(1, keepdim=True)
        self.start = self._value()

    @property
    def calls(self) -> int:
        """Of the denoiser, for each sample."""
        return self.real.calls

    def state(self, t: Tensor) -> State:
        """Where a solve at 2^t continues."""
        return self.real.onward(t)

    @staticmethod
    def _power(r: Tensor) -> Tensor:
        return torch.fft.fft2(r).abs().square().flatten(1)

    def _value(self) -> Tensor:
        rest = torch.where(self.known, self.op.A(self.real.x) - self.data, 0 * self.data)
        rest = rest / column(rest.abs().flatten(1).amax(1).clamp_min(torch.finfo(rest.real.dtype).tiny), rest)
        if self.spectrum is None:
            p = self._power(rest)
        else:
            back = self.op.A_adjoint(rest)
            p = self._power(back) / self.spectrum
        p = p / p.sum(1, keepdim=True).clamp_min(torch.finfo(p.dtype).tiny)
        return p.square().sum(1).clamp_min(torch.finfo(p.dtype).tiny).log()

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        self.real.at(t)
        value = self._value() - self.start
        count = self.known.flatten(1).sum(1).clamp_min(1).to(value)  # W of as much white noise scatters by its root
        return value, (2 / count).sqrt().expand_as(value)
