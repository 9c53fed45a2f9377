"""Plug-and-play Douglas-Rachford splitting."""

from typing import NamedTuple

import torch
from torch import Tensor

from operators.linalg import column

from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver

__all__ = ["PnPDRS"]


class Iterate(NamedTuple):
    """Answer v, data-consistent image, dual variable."""

    x: Tensor
    x_data: Tensor
    w: Tensor


class PnPDRS(Solver):
    r"""Plug-and-play Douglas-Rachford splitting: data fit and denoiser, each reflected.

    .. math::
        z &= v + \tau w, \qquad x \leftarrow \arg\min_x f(Ax, y) + \tfrac{1}{2\tau} \|x - z\|^2 \\
        v &\leftarrow D_\sigma(2x - z), \qquad w \leftarrow (z - x) / \tau

    v is the answer. Its fixed points are those of :class:`pnp.PnPADMM`, whose arguments it has. Proven to converge for
    denoisers D with 2D - I non-expansive.

    Buzzard, Chan, Sreehari, Bouman 2018, doi:10.1137/17M1122451; Ryu, Liu, Wang, Chen, Wang, Yin 2019,
    arXiv:1905.05406.

    >>> import torch
    >>> from operators import Identity
    >>> solver = PnPDRS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start, p.start, torch.zeros_like(p.start))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        tau = column(at.tau, s.x)
        z = s.x + tau * s.w
        x = p.fit.prox(z, at.tau, x0=s.x_data)
        v = p.prior(2 * x - z, at.sigma)
        return Iterate(v, x, (z - x) / tau)

    def point(self, p: Problem, s: Iterate, at: Level) -> tuple[Tensor, ...]:
        return s.x, column(at.tau, s.x) * s.w

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of ADMM."""
        return end_of_prox(facts)
