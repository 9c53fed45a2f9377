"""Plug-and-play proximal gradient descent, plain and with momentum."""

from typing import NamedTuple

import torch
from torch import Tensor

from operators.linalg import column, dot

from ..fit import Fit
from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver
from ..state import blend

__all__ = ["PnPFISTA", "PnPPGD"]

_PLAIN = 1.7  # the momentum's number is less after a step without momentum


class Iterate(NamedTuple):
    """The answer."""

    x: Tensor


class PnPPGD(Solver):
    r"""Plug-and-play proximal gradient descent: a step down the data term, a denoising.

    .. math:: x \leftarrow D_\sigma\big(x - \tau \nabla f(Ax, y)\big), \qquad \tau = \sigma^2 / \lambda \le 1 / L

    with L the largest curvature of the data term. Needs only A and A*, no inner solves, and many more iterations than
    methods of proximal maps where A is ill-conditioned. Arguments are those of :class:`pnp.PnPADMM`.

    Hurault, Leclaire, Papadakis 2022, arXiv:2110.03220.

    >>> import torch
    >>> from operators import Identity
    >>> solver = PnPPGD(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        return Iterate(p.prior(s.x - column(at.tau, s.x) * p.fit.gradient(s.x), at.sigma))

    def limit(self, fit: Fit) -> Tensor:
        return fit.longest()

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of ADMM, where the longest step allows it."""
        return end_of_prox(facts)


class Ahead(NamedTuple):
    """The answer, the point beyond it, the momentum's number of each sample, how far the last step led, and the share
    of a step that is made."""

    x: Tensor
    ahead: Tensor
    t: Tensor
    size: Tensor
    pace: Tensor


class PnPFISTA(PnPPGD):
    r"""Proximal gradient descent with momentum, which starts again where it leads uphill.

    .. math::
        x_{k+1} &= D_\sigma\big(z_k - \tau \nabla f(A z_k, y)\big) \\
        z_{k+1} &= x_{k+1} + \tfrac{t_k - 1}{t_{k+1}} (x_{k+1} - x_k), \qquad
        t_{k+1} = \tfrac12 + \sqrt{\tfrac14 + t_k^2}

    t is 1 again for samples with :math:`\langle z_k - x_{k+1},\, x_{k+1} - x_k \rangle > 0`, or whose step
    :math:`\|x_{k+1} - z_k\|` has grown, as it does where a denoiser is not a proximal map. Where it grows without
    momentum, half a step is made from then on, or half of that, down to a sixteenth. Fixed points and arguments are
    those of :class:`pnp.PnPPGD`.

    Beck, Teboulle 2009, doi:10.1137/080716542; O'Donoghue, Candes 2015, doi:10.1007/s10208-013-9150-3; with
    denoisers: Kamilov, Mansour, Wohlberg 2017, doi:10.1109/LSP.2017.2763583.

    >>> import torch
    >>> from operators import Identity
    >>> solver = PnPFISTA(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    damps = False  # momentum moves in waves: it knows by itself which growth is not of these

    def init(self, p: Problem) -> Ahead:  # pyright: ignore[reportIncompatibleMethodOverride]
        ones = torch.ones_like(p.unit)
        return Ahead(p.start, p.start, ones, float("inf") * ones, ones)

    def step(self, p: Problem, s: Ahead, at: Level) -> Ahead:  # pyright: ignore[reportIncompatibleMethodOverride]
        x = p.prior(s.ahead - column(at.tau, s.x) * p.fit.gradient(s.ahead), at.sigma)
        unit = column(p.unit, x)
        uphill = dot((s.ahead - x) / unit, (x - s.x) / unit) > 0
        size = dot((s.ahead - x) / unit, (s.ahead - x) / unit)
        grown = size > s.size
        expands = grown & (s.t < _PLAIN) & (at.step >= self.settled)
        slowest = self.of_field(self.op.field).slowest
        pace = torch.where(expands, (s.pace / 2).clamp_min(slowest), s.pace)
        x = blend(pace, s.ahead, x)
        t = torch.where(uphill | grown, torch.ones_like(s.t), s.t)
        after = 0.5 + (0.25 + t**2).sqrt()
        return Ahead(x, x + column((t - 1) / after, x) * (x - s.x), after, size, pace)

    def part(self, p: Problem, s: Ahead, at: Level) -> Tensor:
        return s.pace

    def point(self, p: Problem, s: Ahead, at: Level) -> tuple[Tensor, ...]:
        return s.x, s.ahead

    def plain(self, s: Ahead) -> tuple[Solver, Iterate]:
        given = {"stop": self.stop, "calibration": self.calibration, "expert": self.expert}
        return PnPPGD(self.likelihood, self.denoiser, strength=self.strength, **given).train(self.training), Iterate(
            s.x
        )
