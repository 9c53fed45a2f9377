"""The derivative of a solver's answer by its data, and by a tilt of the objective, at the fixed point."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column, dot

from ..likelihood import Gaussian
from ..solver import Solver
from ..state import distance
from .probes import diagonal
from .simulate import data_noise
from .spread import chunks

__all__ = ["Tangent", "jacobian_draws", "posterior_deviation"]

T = TypeVar("T")
_MOST = 400  # iterations
_ENOUGH = 5e-3  # relative change at which a derivative is known: deviations of 100 draws are known to 7 %


def _repeated(tree: T, count: int) -> T:
    """Tensors in named tuples with one sample, ``count`` times."""
    if isinstance(tree, Tensor):
        return tree.repeat(count, *[1] * (tree.ndim - 1)) if tree.ndim and len(tree) == 1 else tree  # pyright: ignore
    if hasattr(tree, "_asdict"):
        return type(tree)(*(_repeated(v, count) for v in tree))  # pyright: ignore
    return tree


class Tangent:
    r"""What small changes of data and objective do to the fixed point :math:`z = T(z; y)` of a solver.

    .. math:: \dot z = \frac{\partial T}{\partial z} \dot z + \frac{\partial T}{\partial y} \dot y

    by its own iteration, in forward mode, with half steps where it grows, as solvers take them.

    Raises:
        RuntimeError: the answer is not a fixed point that could be differentiated.
    """

    def __init__(self, solver: Solver, y: Tensor) -> None:
        result = solver.solve(y)
        if result.reason != "converged":
            warnings.warn(
                f"uncertainty: {result.reason}: the derivative is that of no fixed point", RuntimeWarning, stacklevel=3
            )
        self.solver, self.x, self.state = solver, result.x, result.state
        self.y = solver.likelihood.given(y)
        self.rtol = min(_ENOUGH, solver.stop.tolerance)

    def __call__(self, back: Tensor, data: Tensor) -> Tensor:
        """Change of the answer for changes of A* y and of y as the likelihood takes it; of one measurement many."""
        solver, rows = self.solver, len(data)
        facts, values = (_repeated(v, rows) for v in (self.state.facts, self.state.values))
        y = _repeated(self.y, rows)
        like = solver.problem(y, facts)
        at = like.levels(self.state.step)
        moving = [name for name, value in values._asdict().items() if value.ndim > 1 and value.dtype != torch.bool]
        start = tuple(getattr(values, name) for name in moving)

        def step(b: Tensor, d: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
            problem = solver.problem(d, facts._replace(back=b))
            problem = problem._replace(prior=problem.prior.at(at.step))
            after = solver.step(problem, values._replace(**dict(zip(moving, parts, strict=True))), at)
            return tuple(getattr(after, name) for name in moving)

        def point(parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return solver.point(like, values._replace(**dict(zip(moving, parts, strict=True))), at)

        dot_z = tuple(torch.zeros_like(v) for v in start)
        last = torch.full_like(like.unit, float("inf"))
        pace, going = torch.ones_like(last), torch.ones_like(last, dtype=torch.bool)
        size = _sizes(back, data)
        for _ in range(_MOST):
            try:
                new = torch.func.jvp(step, (facts.back, y, *start), (back, data, *dot_z))[1]
            except (NotImplementedError, RuntimeError, TypeError) as error:
                raise RuntimeError(
                    "uncertainty: torch has no forward derivative of a step of this solver with this denoiser, "
                    f"{error}; method='bootstrap' needs none"
                ) from error
            new = tuple(column(pace, v) * (v - old) + old for v, old in zip(new, dot_z, strict=True))
            change = distance(point(dot_z), point(new), size)
            dot_z = tuple(torch.where(column(going.to(v.real.dtype), v) > 0, v, o) for v, o in zip(new, dot_z))
            pace = torch.where(change > last, torch.full_like(pace, 0.5), pace)
            last, going = torch.where(going, change, last), going & ~(change <= self.rtol)
            if not bool(going.any()):
                break
        else:
            warnings.warn(
                f"uncertainty: derivatives changed by {float(last.max()):.1e} still after {_MOST} iterations",
                RuntimeWarning, stacklevel=3,
            )  # fmt: skip
        return dot_z[moving.index("x")]


def _sizes(*changes: Tensor) -> Tensor:
    """A unit of each sample in which squares stay within range."""
    size = torch.stack([v.abs().flatten(1).amax(1) for v in changes]).amax(0)
    return torch.where(size > 0, size, torch.ones_like(size))


def jacobian_draws(
    solver: Solver, y: Tensor, count: int, seed: int, batch: int
) -> tuple[Tensor, Iterator[tuple[Tensor, Tensor]], dict[str, Any]]:
    """The answer, the answer with what draws of the data's noise do to it, and what is told of them."""
    likelihood = solver.likelihood
    if not isinstance(likelihood, Gaussian):
        raise TypeError(f"method: 'jacobian' is for Gaussian data, not {type(likelihood).__name__}; take 'bootstrap'")
    tangent = Tangent(solver, y)
    facts = tangent.state.facts
    known = likelihood.with_noise(facts.noise_std)

    def images() -> Iterator[tuple[Tensor, Tensor]]:
        fine = torch.ones(len(y), dtype=torch.bool, device=y.device)
        for draws in chunks(count, len(y), batch):
            clean = _repeated(y, len(draws)) if len(y) == 1 else y
            noise = likelihood.given(data_noise(known, y, seed, draws, clean=clean))
            back = solver.problem(tangent.y, facts).fit.adjoint_image(noise)
            for change in tangent(back, noise).chunk(len(draws)):
                yield tangent.x + change, fine

    return tangent.x, images(), {"facts": facts, "answer": "linearised at the fixed point"}


def posterior_deviation(
    solver: Solver,
    y: Tensor,
    count: int,
    seed: int,
    batch: int,
    functional: Callable[[Tensor], Tensor] | None,
    part: str,
) -> tuple[Tensor, Tensor, Tensor | None, Any]:
    r"""The answer, the deviations :math:`\sqrt{\mathrm{diag} H^{-1}}` of what is seen of it and of a functional
    :math:`\sqrt{g^T H^{-1} g}`, g its gradient, H the Hessian of the objective; facts.

    :math:`H^{-1} t` is what a tilt of the objective by :math:`-\langle t, x \rangle` does to the answer, and that is
    a change of A* y by :math:`\sigma_n^2 t`.
    """
    if not isinstance(solver.likelihood, Gaussian) or not isinstance(solver.op, LinearOperator):
        raise TypeError("method: 'laplace' is for Gaussian data of a linear operator; take 'bootstrap'")
    tangent = Tangent(solver, y)
    x, facts = tangent.x, tangent.state.facts
    none = torch.zeros_like(tangent.y)

    def inverse(t: Tensor) -> Tensor:
        moved = tangent(column(facts.gain, t) * t, none if len(t) == len(none) else _repeated(none, len(t)))
        if not bool(moved.abs().amax() > 0):
            raise TypeError(f"method: 'laplace' does not know how {type(solver).__name__} uses its data; PnPADMM does")
        return column(facts.noise_std**2 / facts.gain, t) * moved  # in two factors, in which nothing leaves the range

    variances = [diagonal(inverse, unit, draws=count, seed=seed, batch=batch) for unit in _directions(x, part)]
    variance = variances[0] if len(variances) == 1 else torch.stack(variances, -1)
    std = variance.clamp_min(0).sqrt()
    if functional is None:
        return x, std, None, facts
    with torch.enable_grad():
        at = x.clone().requires_grad_()
        value = functional(at).reshape(len(x), -1)
        slopes = [torch.autograd.grad(v.sum(), at, retain_graph=True)[0] for v in value.unbind(1)]
    return x, std, torch.stack([dot(g, inverse(g)).clamp_min(0).sqrt() for g in slopes], 1), facts


def _directions(x: Tensor, part: str) -> list[Tensor]:
    """Directions of each pixel whose deviation is asked for: of a complex one along itself, or both axes."""
    if not x.is_complex():
        return [torch.ones_like(x)]
    if part == "parts":
        return [torch.ones_like(x), 1j * torch.ones_like(x)]
    return [torch.where(x.abs() > 0, x / x.abs().clamp_min(torch.finfo(x.real.dtype).tiny), torch.ones_like(x))]
