"""Noise-whitening plug-and-play for data of uneven noise."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column

from ..fit import Fit
from ..levels import Level
from ..likelihood import Gaussian
from ..problem import Facts, Problem, last_level
from ..solver import Solver

__all__ = ["PnPMass"]


class Iterate(NamedTuple):
    """The answer."""

    x: Tensor


class PnPMass(Solver):
    r"""Steps after which the noise that reaches the denoiser is white, however uneven that of the data.

    .. math:: x \leftarrow D_s\big(x + s\, A^* S^{-1/2} (y - A x)\big), \qquad s \le \min \sqrt S / \|A\|^2

    S the variances of the data. Where :math:`A^* A \approx I` (Kaiser-Squires) the noise of the step is white with
    deviation s, which is what denoisers are trained for. The fixed point weighs noisy data more than maximum
    likelihood does. Arguments are those of :class:`pnp.PnPADMM`; ``noise_std`` of the data's shape.

    PnPMass, arXiv:2603.22006.

    >>> import torch
    >>> from operators import Identity
    >>> std = torch.linspace(0.1, 0.3, 16).reshape(1, 4, 4)
    >>> PnPMass(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=std)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 4, 4])
    """

    annealing = 4

    def init(self, p: Problem) -> Iterate:
        likelihood = p.fit.likelihood
        if not isinstance(likelihood, Gaussian) or not isinstance(likelihood.op, LinearOperator):
            raise TypeError("PnPMass: needs Gaussian data of a linear operator")
        return Iterate(p.start)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        likelihood: Gaussian = p.fit.likelihood  # pyright: ignore[reportAssignmentType]
        raw: Any = likelihood.measured
        std = likelihood.deviation(p.fit.y)
        white = (p.fit.y - likelihood.op.A(s.x)) / column(likelihood.noise_std, p.fit.y)
        longest = std.expand(len(s.x), *std.shape[1:]).flatten(1).amin(1) / raw.norm() ** 2
        level = torch.minimum(at.sigma, longest)
        return Iterate(p.prior(s.x + column(level, s.x) * raw.A_adjoint(white), level))

    def limit(self, fit: Fit) -> Tensor:
        return fit.longest()

    def end(self, facts: Facts) -> tuple[Tensor, float]:
        """The noise in the image."""
        return last_level(facts), 1.0
