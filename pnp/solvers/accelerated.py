"""Wrappers around a method's step: safeguarded Anderson acceleration, and damping."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..arguments import no_solver
from ..defaults import Usual
from ..fit import Fit
from ..levels import Level
from ..problem import Facts, Problem
from ..solver import Solver
from ..state import blend, choose, combined, latest

__all__ = ["Anderson", "Damped"]


class Wrapped(Solver):
    """A solver around another one, with its data, denoiser and levels."""

    def __init__(self, solver: Solver) -> None:
        if not isinstance(solver, Solver):
            raise no_solver(solver)
        if not solver.settles:
            name = type(solver).__name__
            raise TypeError(
                f"solver: {name} draws at random in each iteration; shares and sums of its steps are no draws"
            )
        torch.nn.Module.__init__(self)
        self.solver = solver
        self.likelihood, self.denoiser = solver.likelihood, solver.denoiser
        self.strength, self.stop = solver.strength, solver.stop
        self.calibration, self.expert = solver.calibration, solver.expert
        self.annealing, self.first, self.training = solver.annealing, solver.first, False
        self.share = solver.share

    def of_field(self, field: str) -> Usual:  # pyright: ignore[reportIncompatibleMethodOverride] # of the one inside
        return self.solver.of_field(field)

    def limit(self, fit: Fit) -> Tensor:
        return self.solver.limit(fit)

    def end(self, facts: Facts) -> tuple[Tensor | float, Tensor | float]:
        return self.solver.end(facts)

    def part(self, p: Problem, s: Any, at: Level) -> Tensor | float:
        return self.solver.part(p, s, at)

    def with_op(self, op: Any) -> "Wrapped":
        other = self.copied()
        other.solver = self.solver.with_op(op)
        other.likelihood, other.annealing = other.solver.likelihood, other.solver.annealing
        other.stop = other.solver.stop if self.stop == self.solver.stop else self.stop
        return other


class Damped(Wrapped):
    r"""Shares of a method's steps, :math:`z \leftarrow (1 - \theta) z + \theta T(z)` (Krasnoselskii-Mann).

    The fixed points are the method's. Solvers take half steps by themselves where the residual grows; this one takes
    them from the beginning, also with levels by hand.

    Args:
        solver: any method.
        share: :math:`\theta`, above 0 and up to 1.

    >>> from operators import Identity
    >>> from pnp import PnPADMM
    >>> solver = Damped(PnPADMM(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1))
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    def __init__(self, solver: Solver, share: float = 0.5) -> None:
        super().__init__(solver)
        if not 0 < share <= 1:
            raise ValueError(f"share: expected a number above 0 and up to 1, got {share!r}")
        self.own = float(share)
        self.share = self.own * solver.share  # of a step of the innermost method

    def of_field(self, field: str) -> Usual:  # pyright: ignore[reportIncompatibleMethodOverride]
        usual = self.solver.of_field(field)
        return usual._replace(slowest=min(1.0, usual.slowest / self.own))  # small shares do not stall, they are slow

    def init(self, p: Problem) -> Any:
        return self.solver.init(p)

    def step(self, p: Problem, s: Any, at: Level) -> Any:
        new = self.solver.step(p, s, at)
        return latest(blend(torch.full_like(p.unit, self.own), s, new), new)

    def point(self, p: Problem, s: Any, at: Level) -> tuple[Tensor, ...]:
        return self.solver.point(p, s, at)

    def part(self, p: Problem, s: Any, at: Level) -> Tensor | float:
        return self.own * super().part(p, s, at)


class Iterate(NamedTuple):
    """The answer; the method's values; its last outputs and residuals, newest first; how many of them count; the size
    of the last residual."""

    x: Tensor
    inner: Any
    outputs: tuple[Any, ...]
    moves: tuple[Tensor, ...]
    count: Tensor
    size: Tensor


class Anderson(Wrapped):
    r"""Anderson acceleration of a method: the combination of its last outputs whose residual is the least.

    .. math:: z_{k+1} = \sum_i \alpha_i T(z_i), \qquad
        \alpha = \arg\min_{\sum \alpha_i = 1} \Big\| \sum_i \alpha_i (T(z_i) - z_i) \Big\|

    From where the levels are constant on; samples whose residual has grown forget what was, and make a plain step.

    Args:
        solver: any method.
        memory: number of outputs.

    Anderson 1965, doi:10.1145/321296.321305; Walker, Ni 2011, doi:10.1137/10078356X.

    >>> from operators import Identity
    >>> from pnp import PnPADMM
    >>> solver = Anderson(PnPADMM(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1))
    >>> solver.solve(torch.ones(1, 1, 4, 4)).reason
    'converged'
    """

    damps = False

    def __init__(self, solver: Solver, memory: int = 5) -> None:
        super().__init__(solver)
        if not isinstance(memory, int) or memory < 1:
            raise ValueError(f"memory: expected at least one output, got {memory!r}")
        self.memory = memory

    def init(self, p: Problem) -> Iterate:
        inner = self.solver.init(p)
        flat = torch.zeros_like(_flat(self.solver.point(p, inner, p.levels(0)), p.unit))
        count = torch.zeros_like(p.unit)
        return Iterate(inner.x, inner, (inner,) * self.memory, (flat,) * self.memory, count, count + float("inf"))

    def step(self, p: Problem, s: Iterate, at: Level) -> Iterate:
        new = self.solver.step(p, s.inner, at)
        move = _flat(self.solver.point(p, new, at), p.unit) - _flat(self.solver.point(p, s.inner, at), p.unit)
        size = move.norm(dim=1)
        outputs, moves = (new, *s.outputs[:-1]), (move, *s.moves[:-1])
        if at.step < self.settled:
            return Iterate(new.x, new, outputs, moves, torch.zeros_like(s.count), size)
        count = torch.where(size > s.size, torch.ones_like(s.count), (s.count + 1).clamp(max=self.memory))
        mixed = combined(_weights(torch.stack(moves, 1), count), outputs)
        inner = choose(count > 1, mixed, new)
        return Iterate(inner.x, inner, outputs, moves, count, size)

    def point(self, p: Problem, s: Iterate, at: Level) -> tuple[Tensor, ...]:
        return self.solver.point(p, s.inner, at)

    def part(self, p: Problem, s: Iterate, at: Level) -> Tensor | float:
        return super().part(p, s.inner, at)

    def plain(self, s: Iterate) -> tuple[Solver, Any]:
        return self.solver.plain(s.inner)


def _flat(tensors: tuple[Tensor, ...], unit: Tensor) -> Tensor:
    """Everything that a method's next step depends on, in units of the image, (B, N)."""
    parts = [torch.view_as_real(t.contiguous()) if t.is_complex() else t for t in tensors]
    return torch.cat([part.flatten(1) for part in parts], 1) / unit[:, None]


def _weights(moves: Tensor, count: Tensor) -> Tensor:
    """The alpha of residuals (B, m, N), of which the first ``count`` count, (B, m)."""
    size = moves.shape[1]
    gram = (moves @ moves.mT).double()
    counts = torch.arange(size, device=moves.device) < count[:, None]
    scale = gram.diagonal(dim1=1, dim2=2).amax(1).clamp_min(1e-300)[:, None, None]
    eye = torch.eye(size, dtype=gram.dtype, device=gram.device)
    gram = torch.where(counts[:, :, None] & counts[:, None, :], gram / scale + 1e-10 * eye, eye)
    alpha = torch.linalg.solve(gram, counts.double()) * counts
    return (alpha / alpha.sum(1, keepdim=True)).to(moves.dtype)
