"""Plug-and-play unadjusted Langevin: draws from the posterior, their mean and deviation."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column
from operators.shapes import check_seed

from ..levels import Level
from ..problem import Facts, Problem, last_level
from ..solver import Solver
from ..stopping import Stop
from ..streams import normal

__all__ = ["PnPULA"]


class Iterate(NamedTuple):
    """Mean of the chain, sum of squared deviations from it (of each real part), the chain, how many were counted."""

    x: Tensor
    squares: Tensor
    chain: Tensor
    count: Tensor

    @property
    def std(self) -> Tensor:
        """Posterior standard deviation of each pixel; of real and imaginary part where images are complex."""
        size = column((self.count - 1).clamp_min(1), self.squares)
        if self.squares.is_complex():
            return torch.complex((self.squares.real / size).sqrt(), (self.squares.imag / size).sqrt())
        return (self.squares / size).sqrt()


class PnPULA(Solver):
    r"""Unadjusted Langevin steps with a denoiser's score; its chain draws from the posterior.

    .. math:: x \leftarrow x - \delta \nabla f(Ax, y) - \delta\, \alpha\, (x - D_\varepsilon(x)) / \varepsilon^2
        + \sqrt{2 \delta}\, n, \qquad \delta = c / (L + \alpha / \varepsilon^2)

    :math:`\varepsilon` is the noise in the image, L the largest curvature of the data term, :math:`\alpha` the
    ``strength``, 1 for the prior as it is. The answer is the mean of the chain after ``burn`` iterations;
    ``result.state.values.std`` its deviation, :meth:`draws` single images. Steps of finite length widen the posterior
    by about c / 4 of its variance in the stiffest directions.

    Args:
        op, denoiser, noise_std, strength, stop, calibration: as of :class:`pnp.PnPADMM`; by default 400 iterations.
        burn: iterations before the mean begins.
        pace: c, between 0 and 1.
        seed: of the noise; another one gives an independent chain.

    Laumont, De Bortoli, Almansa, Delon, Durmus, Pereyra 2022, doi:10.1137/21M1406349.

    >>> import torch
    >>> from operators import Identity
    >>> from pnp import Stop
    >>> solver = PnPULA(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1, stop=Stop(max_iter=50))
    >>> solver.solve(torch.ones(1, 1, 4, 4)).state.values.std.shape
    torch.Size([1, 1, 4, 4])
    """

    annealing = 1
    damps = False
    settles = False

    def __init__(
        self, op: Any, denoiser: Any = None, *, burn: int = 100, pace: float = 0.5, seed: int = 0, **others: Any
    ) -> None:
        super().__init__(op, denoiser, **{"stop": Stop(max_iter=400, tolerance=0), **others})
        if not isinstance(burn, int) or burn < 0:
            raise ValueError(f"burn: expected a number of iterations >= 0, got {burn!r}")
        if not 0 < pace <= 1:
            raise ValueError(f"pace: expected a number above 0 and up to 1, got {pace!r}")
        self.burn, self.pace, self.seed = burn, float(pace), check_seed(seed)

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start, torch.zeros_like(p.start), p.start, torch.zeros_like(p.unit))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        delta = self.pace * p.fit.step_share(at.tau) * at.tau
        slope = p.fit.gradient(s.chain) + (s.chain - p.prior(s.chain, at.sigma)) / column(at.tau, s.chain)
        noise = column((2 * delta).sqrt() * p.unit, s.chain) * normal(s.chain, self.seed, at.step)
        chain = p.prior.within(s.chain - column(delta, s.chain) * slope + noise)
        count = s.count + 1 if at.step >= self.burn else torch.zeros_like(s.count)
        share = column(1 / count.clamp_min(1), chain)
        before, mean = chain - s.x, s.x + share * (chain - s.x)
        after = chain - mean
        squares = before * after
        if chain.is_complex():
            squares = torch.complex(before.real * after.real, before.imag * after.imag)
        if at.step < self.burn:
            return Iterate(chain, torch.zeros_like(s.squares), chain, count)
        return Iterate(mean, s.squares + squares, chain, count)

    def end(self, facts: Facts) -> tuple[Tensor, float]:
        """The noise in the image, and lambda one: the prior as it is."""
        return last_level(facts), 1.0

    def draws(self, y: Tensor, count: int, *, thin: int = 20) -> Tensor:
        """``count`` images of the chain after its burn-in, ``thin`` iterations apart, (count, B, C, ...)."""
        found = []
        with torch.no_grad():
            for state in self.iterate(y):
                if state.step > self.burn and (state.step - self.burn) % thin == 0:
                    found.append(state.values.chain)
                if len(found) == count:
                    break
        return torch.stack(found)
