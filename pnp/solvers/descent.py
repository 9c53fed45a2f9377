"""Descent on an objective that holds a denoiser."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from denoisers.base import as_denoiser
from denoisers.evaluation.precision import full_precision
from denoisers.wrappers.bounded import Bounded
from denoisers.wrappers.gradient_step import GradientStep, distance_potential, half_square, value_and_slope
from operators.linalg import column

from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver
from ..state import distance

__all__ = ["PnPDescent"]

_DECREASE = 0.1  # share of |x+ - x|²/t by which a step has to lower the objective (Hurault et al.)
_HALVINGS = 12
_ROUNDED = 8.0  # units in the last place that an objective may be off


class Iterate(NamedTuple):
    """The answer, the objective there at the level of its iteration, the length of a step over tau, the residual, (B,)
    each."""

    x: Tensor
    objective: Tensor
    share: Tensor
    moved: Tensor


class PnPDescent(Solver):
    r"""Plug-and-play with an objective that falls in every iteration.

    .. math:: F(x) = f(Ax, y) + \frac{1}{\tau}\, g_\sigma(x), \qquad g_\sigma(x) = \tfrac12 \|x - N_\sigma(x)\|^2

    ``method="prox"``: a gradient step of g, then a data fit; half-quadratic splitting at :math:`t = \tau`,

    .. math:: x \leftarrow \arg\min_x f(Ax, y) + \tfrac{1}{2t} \|x - (x_k - \tfrac t\tau \nabla g_\sigma(x_k))\|^2

    ``method="gradient"``: a gradient step of F, with only A and A*. For each sample, t is halved until
    :math:`F(x_k) - F(x) \ge 0.1\, \|x - x_k\|^2 / t`; one that no t takes down stays where it is. So F falls in every
    iteration at a constant sigma, up to rounding, whatever N is, and where N is smooth iterates approach points with
    :math:`\nabla F = 0`. ``result.state.values.objective`` has F, also in a callback.

    Args:
        op, noise_std, strength, stop, calibration, expert: as of :class:`pnp.PnPADMM`.
        denoiser: a :class:`denoisers.GradientStep`; another one is taken for its N.
        method: ``"prox"`` or ``"gradient"``.

    Raises:
        ValueError: another method, or bounds (:class:`denoisers.Bounded`), which F does not hold.

    Hurault, Leclaire, Papadakis 2022, arXiv:2110.03220.

    >>> from operators import Identity
    >>> solver = PnPDescent(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    damps = False
    searches = True  # for the length of each step

    def __init__(self, op: Any, denoiser: Any = None, *, method: str = "prox", **others: Any) -> None:
        super().__init__(op, denoiser, **others)
        if method not in ("prox", "gradient"):
            raise ValueError(f"method: expected 'prox' or 'gradient', got {method!r}")
        if isinstance(self.denoiser, Bounded):
            raise ValueError("denoiser: PnPDescent's objective holds no bounds; use the denoiser inside of Bounded")
        if not isinstance(self.denoiser, GradientStep):
            self.denoiser = GradientStep(as_denoiser(self.denoiser))
        self.method = method

    def init(self, p: Problem) -> Iterate:
        ones = torch.ones_like(p.unit)
        return Iterate(p.prior.within(p.start), float("inf") * ones, ones, float("inf") * ones)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        network = p.prior.around(self.denoiser.denoiser)  # pyright: ignore[reportArgumentType]
        unit = p.unit

        def potential(x: Tensor) -> Tensor:
            with full_precision():  # bfloat16 would hide how far it falls
                return distance_potential(x / column(unit, x), network(x, at.sigma) / column(unit, x))

        def objective(x: Tensor) -> Tensor:
            return p.fit.value(x) + potential(x) / at.tau

        value, slope = value_and_slope(potential, s.x)
        slope = p.prior.within(slope * column(unit**2, slope))  # of F on images that are zero elsewhere
        if self.method == "gradient":
            slope = slope + column(at.tau, slope) * p.fit.gradient(s.x)

        def ahead(share: Tensor) -> Tensor:
            x = s.x - column(share, slope) * slope
            return x if self.method == "gradient" else p.fit.prox(x, share * at.tau, x0=s.x)

        if not self.searches:
            return s._replace(x=ahead(s.share))
        share = s.share if at.step > self.settled else torch.ones_like(s.share)
        share = torch.minimum(share, self._longest(p, at))
        x = ahead(share)
        first = distance((s.x,), (x,), unit) / share
        before, after = p.fit.value(s.x) + value / at.tau, objective(x)
        slack = _ROUNDED * torch.finfo(before.dtype).eps * before  # else nothing goes down near the end
        for _ in range(_HALVINGS):
            length = 2 * half_square((x - s.x) / column(unit, x)) / (share * at.tau)
            worse = ~(before - after + slack >= _DECREASE * length)
            if not bool(worse.any()):
                break
            share = torch.where(worse, share / 2, share)
            x = torch.where(column(worse, x) > 0, ahead(share), x)
            after = torch.where(worse, objective(x), after)
        downhill = after <= before + slack
        return Iterate(
            torch.where(column(downhill, x) > 0, x, s.x), torch.where(downhill, after, before),
            torch.where(downhill, share, torch.ones_like(share)),
            torch.where(downhill, distance((s.x,), (x,), unit) / share, first),  # to stay is not to be there
        )  # fmt: skip

    def plain(self, s: Iterate) -> tuple[Solver, Iterate]:
        """Steps of the last length, without a search, which rounding decides where nothing changes any more."""
        other = self.copied()
        other.searches = False
        return other, s

    def part(self, p: Problem, s: Iterate, at: Level) -> Tensor:
        return s.share

    def moved(self, p: Problem, old: Iterate, new: Iterate, at: Level) -> Tensor:
        return new.moved

    def _longest(self, p: Problem, at: Level) -> Tensor:
        """The first length to try, over tau: that of half-quadratic splitting, or of a gradient step."""
        if self.method == "prox":
            return torch.ones_like(p.unit)
        return p.fit.step_share(at.tau)

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of RED, whose equation :math:`\\nabla f + (x - D(x)) / \\tau = 0` its answers solve."""
        sigma, weight = end_of_prox(facts)
        return sigma, 3 * weight
