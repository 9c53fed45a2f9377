"""Multi-agent consensus equilibrium: several denoisers at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from denoisers.base import as_denoiser

from ..arguments import check_mode
from ..levels import Level
from ..problem import Facts, Problem, end_of_prox
from ..solver import Solver

__all__ = ["PnPMACE"]


class Iterate(NamedTuple):
    """Mean of what the denoisers give, data-consistent image, and what each agent is handed, (B, agents, C, ...)."""

    x: Tensor
    x_data: Tensor
    w: Tensor


class PnPMACE(Solver):
    r"""Consensus of a data fit and several denoisers, each weighted: :math:`f(Ax, y) + \lambda \sum_j \omega_j R_j(x)`.

    .. math:: w \leftarrow \tfrac12 w + \tfrac12 (2G - I)(2F - I) w, \qquad
        F w = \big(\mathrm{prox}_{\tau f}(w_0), D_1(w_1), \ldots\big), \quad
        G w = \tfrac12 w_0 + \tfrac12 \sum_j \omega_j w_j

    With one denoiser its fixed points are those of :class:`pnp.PnPADMM`.

    Args:
        op: as of :class:`pnp.PnPADMM`, like all arguments that are not listed here.
        denoisers: two or more, or one.
        weights: :math:`\omega_j > 0`, one each; they are divided by their sum. ``None``: equal ones.

    Raises:
        ValueError: no denoiser, or weights that do not fit.

    Buzzard, Chan, Sreehari, Bouman 2018, doi:10.1137/17M1122451.

    >>> import torch
    >>> from operators import Identity
    >>> solver = PnPMACE(Identity((4, 4)), [lambda x, sigma: x / 2, lambda x, sigma: x / 4], noise_std=0.1)
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def __init__(
        self, op: Any, denoisers: Sequence[Any], *, weights: Sequence[float] | None = None, **others: Any
    ) -> None:
        if isinstance(denoisers, nn.Module) or callable(denoisers):
            denoisers = [denoisers]
        if not denoisers:
            raise ValueError("denoisers: expected at least one")
        super().__init__(op, denoisers[0], **others)
        self.denoisers = nn.ModuleList(as_denoiser(d) for d in denoisers)
        self.denoiser = self.denoisers[0]  # pyright: ignore[reportAttributeAccessIssue]
        shares = [1.0] * len(denoisers) if weights is None else [float(w) for w in weights]
        if len(shares) != len(denoisers) or not all(0 < w < float("inf") for w in shares):
            raise ValueError(f"weights: expected {len(denoisers)} positive numbers, got {weights!r}")
        self.weights = [w / sum(shares) for w in shares]

    def begin(self, y: Tensor, *, x0: Tensor | None = None) -> Any:
        for denoiser in self.denoisers:
            check_mode(denoiser)
        return super().begin(y, x0=x0)

    def init(self, p: Problem) -> Iterate:
        return Iterate(p.start, p.start, torch.stack([p.start] * (1 + len(self.weights)), 1))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        priors = [p.prior.around(d) for d in self.denoisers]  # pyright: ignore[reportArgumentType]
        x_data = p.fit.prox(s.w[:, 0], at.tau, x0=s.x_data)
        clean = [prior(s.w[:, 1 + j], at.sigma) for j, prior in enumerate(priors)]
        x = sum((w * c for w, c in zip(self.weights, clean)), start=torch.zeros_like(x_data))
        # (2G - I)(2F - I) w = 2 G(2F w - w) - 2F w + w, halved and added to w / 2
        reflected = [2 * f - s.w[:, k] for k, f in enumerate((x_data, *clean))]
        mean = sum((w * r for w, r in zip(self.weights, reflected[1:])), start=torch.zeros_like(x_data))
        centre = (reflected[0] + mean) / 2
        w = torch.stack([s.w[:, k] + centre - f for k, f in enumerate((x_data, *clean))], 1)
        return Iterate(x, x_data, w)

    def point(self, p: Problem, s: Iterate, at: Level) -> tuple[Tensor, ...]:
        return s.x, s.w

    def end(self, facts: Facts) -> tuple[Tensor, Tensor]:
        """As of ADMM."""
        return end_of_prox(facts)
