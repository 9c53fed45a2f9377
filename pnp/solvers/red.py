"""Regularisation by denoising."""

from typing import Any, NamedTuple

from torch import Tensor

from operators.linalg import column

from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver

__all__ = ["RED"]


class Iterate(NamedTuple):
    """The answer."""

    x: Tensor


class RED(Solver):
    r"""Regularisation by denoising: solves :math:`\nabla f(Ax, y) + (x - D_\sigma(x)) / \tau = 0`.

    ``method="fixed-point"``: a data fit at the mean of image and denoised image,

    .. math:: x \leftarrow \arg\min_x f(Ax, y) + \tfrac1\tau \big\|x - \tfrac12 (x_k + D_\sigma(x_k))\big\|^2

    ``method="gradient"``: steps down, with the largest curvature L of the data term,

    .. math:: x \leftarrow x - \big(\nabla f(Ax, y) + (x - D_\sigma(x)) / \tau\big) / (L + 1 / \tau)

    The other arguments are those of :class:`pnp.PnPADMM`.

    Raises:
        ValueError: another method.

    Romano, Elad, Milanfar 2017, doi:10.1137/16M1102884; Reehorst, Schniter 2019, doi:10.1109/TCI.2018.2880326.

    >>> import torch
    >>> from operators import Identity
    >>> solver = RED(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def __init__(self, op: Any, denoiser: Any = None, *, method: str = "fixed-point", **others: Any) -> None:
        super().__init__(op, denoiser, **others)
        if method not in ("fixed-point", "gradient"):
            raise ValueError(f"method: expected 'fixed-point' or 'gradient', got {method!r}")
        self.method = method

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start)

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        clean = p.prior(s.x, at.sigma)
        if self.method == "fixed-point":
            return Iterate(p.fit.prox((s.x + clean) / 2, at.tau / 2, x0=s.x))
        slope = column(at.tau, s.x) * p.fit.gradient(s.x) + s.x - clean
        return Iterate(s.x - column(p.fit.step_share(at.tau), s.x) * slope)

    def part(self, p: Problem, s: Iterate, at: Level) -> Tensor | float:
        """Of gradient steps, which are short where data are precise: the residual is that of the equation."""
        return p.fit.step_share(at.tau) if self.method == "gradient" else 1.0

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of ADMM, with three times its lambda: x - D(x) hardly weighs fine detail (set on training images)."""
        sigma, weight = end_of_prox(facts)
        return sigma, 3 * weight
