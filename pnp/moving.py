"""An iteration as a map of vectors: what the next one depends on, in units of the image."""

from typing import Any

import torch
from torch import Tensor

from denoisers.evaluation.precision import full_precision

from .levels import Level
from .problem import Problem

__all__ = ["Moving", "check_settles"]


class Moving:
    """A method's step at one level as a map of real vectors (B, N), in units of the image.

    The vector holds the tensors of :meth:`pnp.Solver.point`, as they are weighted there; everything else of the state
    (warm starts, numbers of the samples) stays what it is in ``values``.

    Args:
        solver: any method; of an accelerated one, its plain form (:meth:`pnp.Solver.plain`).
        problem: what it sees of the data.
        values: its tensors.
        at: level of the iteration.
        pace: share of a step that is made, (B,); ``None``: whole steps.

    >>> from operators import Identity
    >>> from pnp import PnPHQS
    >>> solver, y = PnPHQS(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1), torch.ones(1, 1, 4, 4)
    >>> state = solver.solve(y).state
    >>> problem = solver.problem(y, state.facts)
    >>> Moving(solver, problem, state.values, problem.levels(state.step)).vector.shape
    torch.Size([1, 16])
    """

    def __init__(self, solver: Any, problem: Problem, values: Any, at: Level, pace: Tensor | None = None) -> None:
        self.solver, self.values, self.at, self.pace = solver, values, at, pace
        self.problem = problem._replace(prior=problem.prior.at(at.step))
        self.weights = _weights(solver, self.problem, values, at)
        self.vector = self.pack(values).detach()

    def pack(self, values: Any) -> Tensor:
        """The vector of a method's tensors."""
        parts = []
        for name, weight in self.weights.items():
            v = getattr(values, name)
            real = torch.view_as_real(v.contiguous()) if v.is_complex() else v
            parts.append(real.flatten(1) * weight[:, None])
        return torch.cat(parts, 1)

    def unpack(self, vector: Tensor) -> Any:
        """The method's tensors of a vector, or of several of them one after the other along the batch."""
        fields, first = {}, 0
        for name, weight in self.weights.items():
            like = getattr(self.values, name)
            size = like[0].numel() * (2 if like.is_complex() else 1)
            part = vector[:, first : first + size] / weight[:, None]
            first += size
            if like.is_complex():
                fields[name] = torch.view_as_complex(part.reshape(*like.shape, 2))
            else:
                fields[name] = part.reshape(like.shape)
        return self.values._replace(**fields)

    def step(self, vector: Tensor) -> Tensor:
        """The vector after one more iteration."""
        with full_precision(True):
            new = self.pack(self.solver.step(self.problem, self.unpack(vector), self.at))
        return new if self.pace is None else vector + self.pace[:, None] * (new - vector)


def check_settles(solver: Any) -> None:
    """Raise where the iterations of a solver have no fixed point."""
    if not solver.settles:
        raise TypeError(f"solver: {type(solver).__name__} draws at random in each iteration, it has no fixed point")
    for denoiser in getattr(solver, "denoisers", [solver.denoiser]):
        if denoiser.at_iteration(0) is not denoiser:
            raise TypeError(
                f"solver: its {type(denoiser).__name__} is another one in each iteration, there is no fixed point"
            )


@torch.enable_grad()
def _weights(solver: Any, problem: Problem, values: Any, at: Level) -> dict[str, Tensor]:
    """Factor of each tensor of ``solver.point``, by the name of its field, (B,), in units of the image."""
    fields = {name: v for name, v in values._asdict().items() if v.ndim > 1 and not _counts(v)}
    ones = {name: torch.ones_like(v).requires_grad_() for name, v in fields.items()}
    found: dict[str, Tensor] = {}
    for part in solver.point(problem, values._replace(**ones), at):
        slopes = torch.autograd.grad(part.real.sum(), list(ones.values()), allow_unused=True)
        for name, slope in zip(ones, slopes):
            if slope is not None:
                found[name] = slope.real.flatten(1)[:, 0] / problem.unit.detach()
    return found


def _counts(v: Tensor) -> bool:
    return not (v.is_floating_point() or v.is_complex())
