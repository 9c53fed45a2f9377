"""A solver for skies with unresolved sources that are far brighter than the rest."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..arguments import no_solver
from ..result import Result
from ..solver import Solver
from .points import Points, find_points, radio_operator, visibilities

__all__ = ["Peeled", "PeeledResult"]


class PeeledResult(NamedTuple):
    """What :class:`Peeled` found.

    Attributes:
        x: the sky (B, 1, H, W), the rest and the sources, whose fluxes are shared by the pixels next to them.
        points: the sources of each sample, :class:`Points`.
        rest: the :class:`pnp.Result` of the data without them.
    """

    x: Tensor
    points: list[Points]
    rest: Result


class Peeled(nn.Module):
    r"""Unresolved bright sources are taken out of the visibilities before a solve, and put back into the sky.

    .. math:: x = \hat x\Big(y - \sum_k f_k A \delta_{r_k}\Big) + \sum_k f_k \delta_{r_k}

    :func:`find_points` finds the sources, between pixels, too; after a solve their fluxes and positions are fitted
    again to the data without the rest, and the rest is solved again. A prior of images knows a contrast of some
    hundreds; a source that is brighter needs this.

    Args:
        solver: for :class:`operators.RadioInterferometry`, weighted or not; real skies of one channel.
        threshold: of :func:`find_points`, in standard deviations.
        rounds: number of solves.
        most: number of sources at most.

    Raises:
        TypeError, ValueError: the solver is for another operator, or a number does not fit.

    Noordam 2004, doi:10.1117/12.544262.

    >>> from operators import RadioInterferometry, uv_coverage
    >>> from pnp import PnPADMM
    >>> op = RadioInterferometry(uv_coverage("vla-d"), (32, 32), cell=8.0)
    >>> sky = torch.zeros(1, 1, 32, 32)
    >>> sky[..., 8:12, 8:12] = 0.01
    >>> sky[..., 20, 20] = 100.0
    >>> result = Peeled(PnPADMM(op, noise_std=0.01)).solve(op(sky))
    >>> [round(flux, 1) for flux in result.points[0].flux.tolist()]
    [100.0]
    """

    def __init__(self, solver: Solver, *, threshold: float = 10.0, rounds: int = 2, most: int = 64) -> None:
        super().__init__()
        if not isinstance(solver, Solver):
            raise no_solver(solver)
        radio_operator(solver.op)
        if not 3 <= threshold < float("inf"):
            raise ValueError(f"threshold: expected at least 3 standard deviations, got {threshold!r}")
        for name, value in (("rounds", rounds), ("most", most)):
            if type(value) is not int or value < 1:
                raise ValueError(f"{name}: expected at least one, got {value!r}")
        self.solver, self.threshold, self.rounds, self.most = solver, threshold, rounds, most

    def forward(self, y: Tensor) -> Tensor:
        """The sky (B, 1, H, W) of visibilities (B, 1, M)."""
        result = self.solve(y)
        if result.rest.reason in ("diverged", "not_finite"):
            warnings.warn(f"Peeled: {result.rest.reason}: {result.rest.message}", RuntimeWarning, stacklevel=2)
        return result.x

    def solve(self, y: Tensor) -> PeeledResult:
        """The sky of visibilities, its sources, and what was found without them."""
        op = self.solver.op
        self.solver.likelihood.check(y)
        points = [self._find(one, None) for one in y.split(1)]
        rest = self.solver.solve(_without(op, y, points))
        for _ in range(self.rounds - 1):
            if not any(len(p.flux) for p in points):
                break
            points = [self._find(one, p) for one, p in zip((y - op.A(rest.x)).split(1), points)]
            rest = self.solver.solve(_without(op, y, points))
        if any(len(p.flux) >= self.most for p in points):
            warnings.warn(
                f"Peeled: found all the {self.most} sources that it may look for; there may be more, most= allows them",
                RuntimeWarning, stacklevel=2,
            )  # fmt: skip
        return PeeledResult(rest.x + _placed(points, rest.x), points, rest)

    @torch.no_grad()
    def _find(self, y: Tensor, known: Points | None) -> Points:
        return find_points(self.solver.op, y, known=known, threshold=self.threshold, most=self.most)


def _without(op: nn.Module, y: Tensor, points: list[Points]) -> Tensor:
    return torch.cat([one - visibilities(op, p).to(y.dtype) for one, p in zip(y.split(1), points)])


def _placed(points: list[Points], like: Tensor) -> Tensor:
    """Images of sources: each flux in the four pixels around it, by their nearness."""
    image = torch.zeros_like(like)
    rows, columns = like.shape[-2:]
    for one, found in zip(image, points):
        corner = found.position.floor()
        for down in (0, 1):
            for right in (0, 1):
                at = corner + torch.tensor([down, right], dtype=corner.dtype, device=corner.device)
                share = (1 - (found.position - at).abs()).clamp(0, 1).prod(1)
                inside = (at >= 0).all(1) & (at[:, 0] < rows) & (at[:, 1] < columns)
                index = (at[:, 0] * columns + at[:, 1]).long()[inside]
                one.view(-1).index_add_(0, index, (found.flux * share)[inside].to(one.dtype))
    return image
