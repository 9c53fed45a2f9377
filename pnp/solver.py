"""The one loop: a method is ``init`` and ``step``; iterating, stopping, guarding, reporting happen here."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.base import as_denoiser
from denoisers.evaluation.precision import rounded
from denoisers.trained.default import default_denoiser
from operators.modes import lasting
from operators.nonlinear import Operator

from .arguments import check_arguments, check_bounds, check_devices, check_mode, check_solve, check_start, check_values
from .bookkeeping import Run
from .continuing import continued
from .defaults import Defaults
from .fit import Fit
from .levels import Expert, Level, falling
from .likelihood import Likelihood, as_likelihood
from .prior import Prior
from .problem import Facts, Problem, prepare, start_from
from .replay import described, save
from .report.solve import report
from .result import Record, Result, Source
from .state import State, blend, distance, patience
from .stopping import Stop

__all__ = ["Solver"]

Callback = Callable[["State", Record], bool | None]


class Solver(Defaults, nn.Module):
    r"""Base of the solvers of :math:`\min_x f(Ax, y) + \lambda R(x)`, f a likelihood, R given by a denoiser.

    A method writes ``init``, ``step`` and ``end``, and where need be ``limit`` and ``point``; see
    :class:`pnp.PnPADMM` for the arguments. The denoiser at :math:`\sigma` stands for the proximal map of
    :math:`\tau\lambda R`, so that :math:`\tau = \sigma^2 / \lambda` for every method. Calling a solver gives the
    reconstruction, :meth:`solve` all that is known about it. Gradients are tracked where grad mode is on and the data,
    the start, ``noise_std``, an expert's value or the operator's constants require them, or where the solver was put
    into training mode (then the denoiser's parameters, too).
    """

    first: float = 49 / 255  # sigma of the first iteration in calibrated units (DPIR)
    damps: bool = True  # half steps where the residual grows
    settles: bool = True  # iterations at the last level have a fixed point; those of samplers have none

    def __init__(
        self,
        op: Any,
        denoiser: Any = None,
        *,
        noise_std: float | Tensor | None = None,
        strength: float | str = 1.0,
        stop: Stop | None = None,
        calibration: Any = "auto",
        expert: Expert | None = None,
    ) -> None:
        super().__init__()
        check_arguments(strength, stop, expert)
        self.likelihood: Likelihood = as_likelihood(op, noise_std)
        if denoiser is None:
            denoiser = default_denoiser(self.op.field, self.op.in_shape[0], complex=self.op.in_dtype.is_complex)
        if isinstance(denoiser, Solver | Likelihood):
            raise TypeError(f"denoiser: got {type(denoiser).__name__}; a denoiser takes (x, sigma)")
        self.denoiser = as_denoiser(denoiser)
        check_bounds(self.denoiser)
        self.strength: Any = strength if isinstance(strength, str) else float(strength)
        self.anneal(self.of_field(self.op.field).levels)
        self.stop = stop or self.of_field(self.op.field).stop
        self.calibration, self.expert, self.training = calibration, expert, False

    @property
    def op(self) -> Operator:
        """The operator of the likelihood."""
        return self.likelihood.op

    def train(self, mode: bool = True) -> "Solver":
        """Track gradients of the denoiser's parameters; its layers stay in the mode they are in."""
        self.training = mode
        return self

    # ---- to be written by a method

    def init(self, p: Problem) -> Any:
        """The method's tensors before the first iteration: a named tuple, batch first, x first."""
        raise NotImplementedError

    def step(self, p: Problem, s: Any, at: Level) -> Any:
        """One iteration; pure."""
        raise NotImplementedError

    def end(self, facts: Facts) -> tuple[Tensor | float, Tensor | float]:
        """The last sigma in calibrated units, and lambda at strength one."""
        raise NotImplementedError

    def limit(self, fit: Fit) -> Tensor:
        """The longest tau, (B,): without limit for methods of proximal maps, ``fit.longest()`` for gradient steps."""
        return torch.full_like(fit.unit, float("inf"))

    def point(self, p: Problem, s: Any, at: Level) -> tuple[Tensor, ...]:
        """What the next iteration depends on, x first, in the units of the image: the residual is its change."""
        return (s.x,)

    def part(self, p: Problem, s: Any, at: Level) -> Tensor | float:
        """Share of a whole step, (B,), that the last one made."""
        return 1.0

    def moved(self, p: Problem, old: Any, new: Any, at: Level) -> Tensor:
        """The residual, (B,), relative to the image: the change, as large as a whole step makes it."""
        return distance(self.point(p, old, at), self.point(p, new, at), p.unit) / self.part(p, new, at)

    def plain(self, s: Any) -> tuple["Solver", Any]:
        """The method without what accelerates it, and its tensors: a plain step that has the same fixed points."""
        return self, s

    # ---- a measurement

    def begin(self, y: Tensor, *, x0: Tensor | None = None) -> State:
        """State before the first iteration: checks, noise level, calibration, a rough first image."""
        self.likelihood.check(y)
        check_start(x0, y, self.op)
        check_devices(y, operator=self.op, denoiser=self.denoiser, x0=x0)
        check_values("y", y)
        check_mode(self.denoiser)
        data = self.likelihood.given(y)
        likelihood, source = self.likelihood.known(data)
        facts, rough = prepare(likelihood, data, self.calibration, own_units=self.denoiser.own_units)
        if x0 is not None:
            check_values("x0", x0)
            x0 = x0.to(rough.dtype)
            rough = x0 if self.expert is not None else start_from(self.op, x0, rough, facts)
        problem = self.problem(y, facts, start=rough)
        ones = torch.ones_like(facts.noise_std)
        never = torch.full_like(ones, float("inf"))
        state = State(0, self.init(problem), facts, source, type(self).__name__, residual=never, pace=ones,
                      lowest=never, waited=0 * ones)  # fmt: skip
        return self.tuned(y, state)

    def tuned(self, y: Tensor, state: State) -> State:
        """With ``strength="auto"`` the state after the iterations that a choice took; one chosen before stays."""
        if self.strength != "auto":
            return state._replace(facts=state.facts._replace(strength=None, why=""))
        if state.facts.strength is not None:
            return state
        from .analysis.strength import automatic

        tuned = automatic(self, y, state)[0]
        return state._replace(facts=tuned.facts) if torch.is_grad_enabled() else tuned

    def problem(self, y: Tensor, facts: Facts, start: Tensor | None = None) -> Problem:
        """What the method sees of the data ``y``."""
        likelihood, y = self.likelihood.with_noise(facts.noise_std), self.likelihood.given(y)
        unit = facts.calibration.scale
        fit = Fit(
            likelihood, y, unit=unit, norm=facts.norm, back=facts.back, limit=facts.gamma_limit,
            floor=1e-3 * unit * facts.gain.sqrt(), tolerance=self.stop.tolerance * self.share,
        )  # fmt: skip
        no_mean = facts.no_mean if bool(facts.no_mean.any()) else None
        prior = Prior(self.denoiser, facts.calibration, no_mean, self.op.support)
        return Problem(fit, prior, facts.back if start is None else start, self.levels(facts, self.limit(fit)))

    def levels(self, facts: Facts, limit: Tensor) -> Callable[[int], Level]:
        """The :class:`Level` of each iteration: sigma falls in equal ratios to its end, tau follows."""
        scale = facts.calibration.scale
        if self.expert is not None:
            return self.expert.levels(facts.noise_std, scale)
        low, high = self.denoiser.sigma_range or (0.0, float("inf"))
        last, weight = (torch.as_tensor(v, dtype=scale.dtype, device=scale.device) for v in self.end(facts))
        usual = 1.0 if self.strength == "auto" else self.strength  # until it is chosen
        weight = weight * (usual if facts.strength is None else facts.strength)
        end = torch.minimum(last.expand_as(scale), (weight * limit.clamp(max=1e30)).sqrt())  # of inf no derivative
        end = torch.where(end > 0, end, torch.full_like(end, 1e-3)).clamp(low, high)
        reach = self.of_field(self.op.field).reach if self.denoiser.intensity_range is None else 1.0
        first = min(max(self.first, low), high) * reach
        return falling(end.clamp(min=first), end, self.annealing, weight, limit, scale)

    @property
    def settled(self) -> int:
        """Iterations until the levels stay what they are."""
        return 0 if self.expert is not None else self.annealing

    # ---- the loop

    def iterate(self, y: Tensor, state: State | None = None) -> Iterator[State]:
        """States after each iteration, without end, from ``state`` on; no sample ends. Gradients as in `solve`."""
        with self._gradients(y, None):
            state = self.begin(y) if state is None else continued(self, state, y)
            problem = self.problem(y, state.facts)
        while True:
            with self._gradients(y, None):
                state = self.advance(problem, state, problem.levels(state.step))
            yield state

    def advance(self, p: Problem, state: State, at: Level, damped: bool | None = None, enough: float = 0) -> State:
        r"""The state after one more iteration, or the mean of both where the residual grew at constant levels
        (Krasnoselskii-Mann).

        A denoiser that is not quite non-expansive makes iterates circle around a fixed point; half steps lead into it,
        or half of those where the residual stalls (:func:`pnp.state.patience`). ``damped``: whether any sample makes
        less than whole steps; ``None``: to be found out. ``enough``: residual that ends it, beyond which all may round.
        """
        settled = state.step >= self.settled
        with rounded(enough / 2 if settled else float("inf")):  # the residual holds it at most twice
            new = self.step(p._replace(prior=p.prior.at(at.step), fit=p.fit.at(settled)), state.values, at)
        if not settled and state.step + 1 < self.settled:  # sigma changes, and the residual with it
            residual = distance((state.x,), (new.x,), p.unit)
            return state._replace(step=state.step + 1, values=new, residual=residual)
        residual = self.moved(p, state.values, new, at)
        pace = state.pace
        if settled and self.damps and self.expert is None:
            last = state.residual if state.step > self.settled else torch.full_like(residual, float("inf"))
            pace = torch.where(residual > last, state.pace.clamp(max=0.5), state.pace)
            state, pace = patience(state, residual, pace, self.of_field(self.op.field).slowest)
            if any(slow := [bool(damped)] if damped is not None else (pace < 1).tolist()):
                new = blend(pace, state.values, new, slow if damped is None else None)
        return state._replace(step=state.step + 1, values=new, residual=residual, pace=pace)

    def solve(
        self,
        y: Tensor,
        *,
        x0: Tensor | None = None,
        state: "State | Run | None" = None,
        callback: Callback | None = None,
        checkpoint: str | Path | None = None,
        every: int = 10,
    ) -> Result:
        """Reconstruct from data ``y`` (B, *op.out_shape).

        Args:
            x0: image to start from instead of a rough estimate; where it does not fit the data, a smooth image adds
                what it leaves of them, but not with levels by hand.
            state: of an earlier solve of the same data, to continue it.
            callback: called with the state and the :class:`Record` of each iteration; a true answer stops.
            checkpoint: file that is written after ``every`` so many iterations, at once or not at all;
                :func:`pnp.replay` continues from it with the same bits.

        Raises:
            TypeError, ValueError: ``y``, ``x0`` or ``noise_std`` do not fit; the message names the argument.
        """
        check_solve(callback, checkpoint, every)
        with self._gradients(y, x0):
            kept = state if isinstance(state, Run) else None
            state = self.begin(y, x0=x0) if state is None else continued(self, kept.state if kept else state, y, x0)
            problem, facts = self.problem(y, state.facts), state.facts
            run, state = Run(state, self.stop) if kept is None else kept.at(state), None  # it holds volumes
            settings = {} if checkpoint is None else described(self, y, x0)
            by_hand = self.expert is not None
            advance = partial(self.advance, problem, enough=0.0 if by_hand else self.stop.tolerance)
            while not run.count or (not run.finished and run.count < self.stop.max_iter):
                at = problem.levels(run.state.step)
                run.advance(advance, at, problem.fit, self.settled)
                if callback is not None and callback(run.state, run.record(-1)):
                    run.finish("stopped")
                if checkpoint is not None and run.count % every == 0:
                    save(checkpoint, run, settings, x0)
            run.finish("max_iter")
            x = problem.prior.answer(run.answer()[0].clone())  # the user's: the state is not changed through it
            strength = self.strength if facts.strength is None else facts.strength
            strength, end = (None, None) if by_hand else (strength, self.end(facts)[0])
            told, health = report(problem, run, x, strength=strength, end=end, units=self.calibration)
            x_data, source = run.answer()[1].clone(), Source(self, y, x0, run)
            return Result(x, x_data, run.reasons, run.history, told, run.state, health, source)

    def forward(self, y: Tensor, op: Any = None) -> Tensor:
        """The reconstruction (B, C, H, W); with ``op`` in place of the solver's own operator, if given."""
        result = (self if op is None else self.with_op(op)).solve(y)
        if result.reason in ("diverged", "not_finite"):
            warnings.warn(f"{type(self).__name__}: {result.reason}: {result.message}", RuntimeWarning, stacklevel=2)
        return result.x

    def with_op(self, op: Any) -> "Solver":
        """The same solver for another operator, or another likelihood; what was not chosen is as its field has it."""
        other = self.copied()
        other.likelihood = op if isinstance(op, Likelihood) else self.likelihood.with_op(op)
        other.follow(self.of_field(self.op.field), self.of_field(other.op.field))
        return other

    def compile(self, **options: Any) -> "Solver":  # pyright: ignore[reportIncompatibleMethodOverride]
        """The solver, its networks compiled with ``torch.compile(..., **options)`` in place: the same up to rounding,
        for GPUs, where kernels are small. Where nothing compiles a warning says why, and it stays as it is."""
        from .compiled import compile_denoisers

        compile_denoisers(self, options)
        return self

    def _gradients(self, y: Tensor, x0: Tensor | None) -> contextlib.AbstractContextManager:
        constants = (*self.likelihood.parameters(), *self.likelihood.buffers())
        if torch.is_inference_mode_enabled():  # some methods have a graph within
            return lasting()
        values = [y, x0, self.likelihood.noise_std, *(self.expert or ()), *constants]
        wanted = self.training or any(isinstance(v, Tensor) and v.requires_grad for v in values)
        return contextlib.nullcontext() if wanted else torch.no_grad()
