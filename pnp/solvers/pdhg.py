"""Plug-and-play primal-dual hybrid gradient."""

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column

from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..result import Result
from ..solver import Solver

__all__ = ["PnPPDHG"]


class Iterate(NamedTuple):
    """The answer, and the dual variable of the data."""

    x: Tensor
    q: Tensor


class PnPPDHG(Solver):
    r"""Plug-and-play primal-dual hybrid gradient: A, A* and the likelihood's own proximal map, no inner solves.

    .. math::
        x_{k+1} &= D_\sigma(x_k - \tau A^* q_k), \qquad r = 1 / (\tau \|A\|^2) \\
        u &= q_k + r A (2 x_{k+1} - x_k), \qquad
        q_{k+1} = u - r \arg\min_v \tfrac1r f(v, y) + \tfrac12 \|v - u / r\|^2

    For any likelihood; with :class:`pnp.Ball` the data stay within the noise and no strength is needed (the form of
    cAIRI). Fixed points and arguments are those of :class:`pnp.PnPADMM`. It needs about
    :math:`\tau \|A\|^2 \max f''` iterations, however its dual steps are scaled, since :math:`\tau` belongs to
    :math:`\sigma`: slow where some data are far more precise than the image (counts behind an absorber). The report
    says so, and a warning, where the limit of iterations ends it for that reason.

    Raises:
        TypeError: the operator is not linear.

    Chambolle, Pock 2011, doi:10.1007/s10851-010-0251-1; Ono 2017, doi:10.1109/LSP.2017.2710233; Terris, Dabbech,
    Tang, Wiaux 2022, doi:10.1093/mnras/stac2672.

    >>> import torch
    >>> from operators import Identity
    >>> solver = PnPPDHG(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def init(self, p: Problem) -> Iterate:
        if not isinstance(p.fit.op, LinearOperator):
            raise TypeError(f"op: PnPPDHG needs a linear operator, got {type(p.fit.op).__name__}")
        return Iterate(p.start, torch.zeros_like(p.fit.op.A(p.start)))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        op: LinearOperator = p.fit.op  # pyright: ignore[reportAssignmentType]
        x = p.prior(s.x - column(at.tau, s.x) * op.A_adjoint(s.q), at.sigma)
        shorter = at.tau * p.fit.norm**2  # 1 / r
        u = s.q * column(shorter, s.q) + op.A(2 * x - s.x)
        return Iterate(x, (u - p.fit.data_prox(u, shorter)) / column(shorter, u))

    def solve(self, y: Tensor, **options: Any) -> Result:
        result = super().solve(y, **options)
        stiff = float((result.history[-1].gamma * result.state.facts.norm**2).max())
        if "max_iter" in result.reasons and stiff > len(result.history):
            told = (
                f"the steepest datum weighs {stiff:.2g} times as much as the denoiser's step, and about as many "
                "iterations are needed; PnPADMM has the same fixed point in fewer"
            )
            result.report["convergence"] = told
            warnings.warn(f"PnPPDHG: {told}", RuntimeWarning, stacklevel=2)
        return result

    def point(self, p: Problem, s: Iterate, at: Level) -> tuple[Tensor, ...]:
        return s.x, s.q * column(at.tau * p.fit.norm, s.q)

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of ADMM."""
        return end_of_prox(facts)
