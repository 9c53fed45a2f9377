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


_PER_STEP, _MOST = 3.0, 16  # roots of stiffness that a dual step makes good for; set on training slices


class Iterate(NamedTuple):
    """The answer, the dual variable of the data, and which of the dual steps of an iteration each sample makes,
    (B, steps)."""

    x: Tensor
    q: Tensor
    made: Tensor


class PnPPDHG(Solver):
    r"""Plug-and-play primal-dual hybrid gradient: A, A* and the likelihood's own proximal map, no inner solves.

    .. math::
        x_{k+1} &= D_\sigma(x_k - \tau A^* q_k), \qquad r = 1 / (\tau \|A\|^2) \\
        u &= q_k + r A (2 x_{k+1} - x_k), \qquad
        q_{k+1} = u - r \arg\min_v \tfrac1r f(v, y) + \tfrac12 \|v - u / r\|^2

    For any likelihood; with :class:`pnp.Ball` the data stay within the noise and no strength is needed (the form of
    cAIRI). Fixed points and arguments are those of :class:`pnp.PnPADMM`.

    The dual step is the first step of a gradient method for that of Douglas and Rachford, which has
    :math:`\tau A A^*` in place of :math:`1 / r`; later ones, from e, begin with
    :math:`u = e + r A (2 x_{k+1} - x_k) - r \tau A A^* (e - q_k)`. One is enough where data are about as precise as the
    image. Where some are far more precise (counts behind an absorber), iterates would circle for thousands of
    iterations, since :math:`\tau` belongs to :math:`\sigma`; as many are made there as a third of the root of the
    stiffness :math:`\tau \|A\|^2 \max f''`, at most 16, with momentum. The report says so, and a warning, where these
    were too few and the limit of iterations ends it.

    Raises:
        TypeError: the operator is not linear.

    Chambolle, Pock 2011, doi:10.1007/s10851-010-0251-1; Ono 2017, doi:10.1109/LSP.2017.2710233; Terris, Dabbech,
    Tang, Wiaux 2022, doi:10.1093/mnras/stac2672; as a form of Douglas and Rachford's: O'Connor, Vandenberghe 2020,
    doi:10.1007/s10107-018-1321-1; momentum: Beck, Teboulle 2009, doi:10.1137/080716542.

    >>> import torch
    >>> from operators import Identity
    >>> solver = PnPPDHG(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def init(self, p: Problem) -> Iterate:
        if not isinstance(p.fit.op, LinearOperator):
            raise TypeError(f"op: PnPPDHG needs a linear operator, got {type(p.fit.op).__name__}")
        wanted = stiffness(p, p.levels(self.settled)).sqrt() / _PER_STEP
        steps = torch.arange(_MOST, device=wanted.device)
        made = steps < wanted[:, None].clamp_min(1)
        return Iterate(p.start, torch.zeros_like(p.fit.op.A(p.start)), made[:, made.any(0)])

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        op: LinearOperator = p.fit.op  # pyright: ignore[reportAssignmentType]
        x = p.prior(s.x - column(at.tau, s.x) * op.A_adjoint(s.q), at.sigma)
        shorter = at.tau * p.fit.norm**2  # 1 / r
        beyond, q, e = op.A(2 * x - s.x), s.q, s.q
        for k, on in enumerate(s.made.unbind(1)):
            back = beyond if k == 0 else beyond - column(at.tau, q) * op.A(op.A_adjoint(e - s.q))
            u = e * column(shorter, e) + back
            new = (u - p.fit.data_prox(u, shorter)) / column(shorter, u)
            new = new if k == 0 else torch.where(on.reshape(-1, *[1] * (q.ndim - 1)), new, q)
            q, e = new, new + k / (k + 3) * (new - q)
        return Iterate(x, q, s.made)

    def solve(self, y: Tensor, **options: Any) -> Result:
        result = super().solve(y, **options)
        steps = result.state.values.made.sum(1)
        stiff = float((result.history[-1].gamma * result.state.facts.norm**2 / steps**2).max())
        if "max_iter" in result.reasons and stiff > len(result.history):
            told = (
                f"the steepest datum weighs {stiff:.2g} times as much as the denoiser's step, and about as many "
                "iterations are needed; PnPADMM has the same fixed point in fewer"
            )
            result.report["convergence"] = told
            warnings.warn(f"PnPPDHG: {told}", RuntimeWarning, stacklevel=2)
        return result

    def point(self, p: Problem, s: Iterate, at: Level) -> tuple[Tensor, ...]:
        return s.x, s.q * column(at.tau * p.fit.norm / s.made.sum(1), s.q)

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of ADMM."""
        return end_of_prox(facts)


def stiffness(p: Problem, at: Level) -> Tensor:
    r""":math:`\tau \|A\|^2 \max f''`, (B,): how much more the steepest datum weighs than the denoiser's step."""
    return p.fit.gamma(at.tau) * p.fit.norm**2
