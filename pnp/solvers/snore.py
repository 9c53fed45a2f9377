"""Stochastic denoising regularisation."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column
from operators.shapes import check_seed

from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver
from ..streams import normal

__all__ = ["SNORE"]


class Iterate(NamedTuple):
    """Mean of the last iterates, the iterate, how many are in the mean."""

    x: Tensor
    now: Tensor
    count: Tensor


class SNORE(Solver):
    r"""Gradient steps with a denoiser that is shown noisy images, as it was in its training.

    .. math:: \tilde x = x + \sigma n, \qquad
        x \leftarrow x - \delta \nabla f(Ax, y) - \delta\, (\tilde x - D_\sigma(\tilde x)) / \tau,
        \qquad \delta = 1 / (L + 1 / \tau)

    The answer is the mean of the iterates since :math:`\sigma` is constant. Arguments are those of
    :class:`pnp.PnPADMM`, and ``seed`` of the noise.

    Renaud, Prost, Leclaire, Papadakis 2024, arXiv:2402.01779.

    >>> import torch
    >>> from operators import Identity
    >>> SNORE(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 4, 4])
    """

    annealing = 60
    damps = False
    settles = False

    def __init__(self, op: Any, denoiser: Any = None, *, seed: int = 0, **others: Any) -> None:
        super().__init__(op, denoiser, **others)
        self.seed = check_seed(seed)

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start, p.start, torch.zeros_like(p.unit))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        noisy = s.now + column(at.sigma, s.now) * normal(s.now, self.seed, at.step)
        slope = column(at.tau, s.now) * p.fit.gradient(s.now) + noisy - p.prior(noisy, at.sigma)
        now = p.prior.within(s.now - column(p.fit.step_share(at.tau), s.now) * slope)
        if at.step < self.settled:
            return Iterate(now, now, torch.zeros_like(s.count))
        count = s.count + 1
        return Iterate(s.x + (now - s.x) / column(count, now), now, count)

    def part(self, p: Problem, s: Iterate, at: Level) -> Tensor:
        return p.fit.step_share(at.tau)

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of RED."""
        sigma, weight = end_of_prox(facts)
        return sigma, 3 * weight
