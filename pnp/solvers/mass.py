"""Noise-whitening plug-and-play for data of uneven noise."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column

from ..fit import Fit
from ..levels import Level
from ..likelihood import Gaussian
from ..problem import Facts, Problem, last_level, sample_norms
from ..solver import Solver

__all__ = ["PnPMass"]


class Iterate(NamedTuple):
    """The answer, and the norm of A, (B,)."""

    x: Tensor
    size: Tensor


class PnPMass(Solver):
    r"""Steps after which the noise that reaches the denoiser is white, however uneven that of the data.

    .. math:: x \leftarrow D_s\big(x + \tfrac{s}{\|A\|} A^* S^{-1/2} (y - A x)\big), \qquad
        s \le \min \sqrt S / \|A\|

    S the variances of the data. Where :math:`A^* A \approx \|A\|^2 I` (Kaiser-Squires) the noise of the step is white
    with deviation s, which is what denoisers are trained for; elsewhere it is not. The fixed point weighs noisy data
    more than maximum likelihood does. Arguments are those of :class:`pnp.PnPADMM`; ``noise_std`` of the data's shape.

    Raises:
        TypeError: data that are not Gaussian, or counted otherwise (:class:`pnp.Huber`, :class:`pnp.Ball`), or an
            operator that is not linear. ValueError: no noise, whose deviations are divided by.

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
        if type(likelihood) is not Gaussian or not isinstance(likelihood.op, LinearOperator):
            told = f"got {type(likelihood).__name__} of {type(likelihood.op).__name__}"
            raise TypeError(f"PnPMass: needs Gaussian data of a linear operator, {told}")
        if not bool((likelihood.deviation(p.fit.y) > 0).all()):
            raise ValueError("noise_std: PnPMass divides by it, expected values > 0")
        raw: Any = likelihood.measured
        return Iterate(p.start, sample_norms(raw, p.unit))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        likelihood: Gaussian = p.fit.likelihood  # pyright: ignore[reportAssignmentType]
        raw: Any = likelihood.measured
        std = likelihood.deviation(p.fit.y)
        white = (p.fit.y - likelihood.op.A(s.x)) / column(likelihood.noise_std, p.fit.y)
        longest = std.expand(len(s.x), *std.shape[1:]).flatten(1).amin(1) / s.size
        level = torch.minimum(at.sigma, longest)
        return Iterate(p.prior(s.x + column(level / s.size, s.x) * raw.A_adjoint(white), level), s.size)

    def limit(self, fit: Fit) -> Tensor:
        return fit.longest()

    def end(self, facts: Facts) -> tuple[Tensor, float]:
        """The noise in the image."""
        return last_level(facts), 1.0
