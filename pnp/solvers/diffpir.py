"""Half-quadratic splitting as a sampler."""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column
from operators.shapes import check_seed

from ..levels import Level
from ..problem import Facts, Problem, last_level
from ..solver import Solver
from ..streams import normal

__all__ = ["DiffPIR"]


class Iterate(NamedTuple):
    """Answer, data-consistent image, the noisy image that the next denoising sees, the level that it has."""

    x: Tensor
    x_data: Tensor
    noisy: Tensor
    level: Tensor


class DiffPIR(Solver):
    r"""Half-quadratic splitting with noise put back, as in diffusion: other seeds give other draws.

    .. math:: \hat x = \arg\min_x f(Ax, y) + \tfrac{1}{2\tau} \|x - D_\sigma(x_k)\|^2, \qquad
        x_{k+1} = \hat x + \sigma' \big(\sqrt{1 - \zeta}\, (x_k - \hat x) / \sigma + \sqrt\zeta\, n\big)

    with the next level :math:`\sigma'`; from the last one on no noise comes back. The noise of the first image is
    :math:`\sigma_0`.

    Args:
        op, denoiser, noise_std, strength, stop, calibration: as of :class:`pnp.PnPADMM`.
        zeta: share of fresh noise, 0 to 1.
        seed: of the noise.

    Zhu, Zhang, Liang, Cao, Wen, Timofte, Van Gool 2023, arXiv:2305.08995.

    >>> import torch
    >>> from operators import Identity
    >>> solver = DiffPIR(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.draws(torch.ones(1, 1, 4, 4), 3).shape
    torch.Size([3, 1, 1, 4, 4])
    """

    settles = False

    def __init__(self, op: Any, denoiser: Any = None, *, zeta: float = 0.3, seed: int = 0, **others: Any) -> None:
        super().__init__(op, denoiser, **others)
        if not 0 <= zeta <= 1:
            raise ValueError(f"zeta: expected a number from 0 to 1, got {zeta!r}")
        self.zeta, self.seed = float(zeta), check_seed(seed)

    def init(self, p: Problem) -> Iterate:
        level = p.levels(0).sigma
        noise = column(level, p.start) * normal(p.start, self.seed, -1)
        return Iterate(p.start, p.start, p.start + noise, level)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        x = p.prior(s.noisy, at.sigma)
        x_data = p.fit.prox(x, at.tau, x0=s.x_data)
        after = p.levels(at.step + 1).sigma if at.step + 1 < self.settled else torch.zeros_like(at.sigma)
        kept = (s.noisy - x_data) / column(at.sigma, x)
        fresh = normal(x, self.seed, at.step)
        noise = (1 - self.zeta) ** 0.5 * kept + self.zeta**0.5 * fresh
        return Iterate(x, x_data, x_data + column(after, x) * noise, after)

    def end(self, facts: Facts) -> tuple[Tensor, float]:
        """As of half-quadratic splitting."""
        return 0.7 * last_level(facts), 0.3

    def draws(self, y: Tensor, count: int) -> Tensor:
        """Answers of ``count`` seeds, from this solver's on, (count, B, C, ...)."""
        found = []
        for k in range(count):
            other = copy.copy(self)
            other.seed = self.seed + k
            found.append(other.solve(y).x)
        return torch.stack(found)
