"""The one loop: a solver is ``init`` and ``step``; iterating, stopping, guarding, reporting happen here."""

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.base import as_denoiser
from denoisers.evaluation.precision import full_precision
from denoisers.trained.default import default_denoiser
from operators.adapters.incoming import as_operator
from operators.base import LinearOperator
from operators.linalg import column
from operators.shapes import check_batch

from .arguments import check_arguments, check_mode, check_values
from .bookkeeping import Run
from .calibration import denoise
from .expert import Expert
from .levels import log_schedule
from .problem import Problem, prepare
from .report import report
from .result import Record, Result
from .state import State, movement
from .stopping import Stop

__all__ = ["Solver"]

Callback = Callable[["State", Record], bool | None]


class Solver(nn.Module):
    r"""Base of the solvers of :math:`\min_x \frac{1}{2\sigma_n^2} \|Ax - y\|^2 + \lambda R(x)`, R given by a denoiser.

    A subclass writes ``step`` and ``goal`` and sets ``annealing`` and ``start``; see :class:`pnp.PnPADMM` for the
    arguments. Calling a solver gives the reconstruction, :meth:`solve` all that is known about it. Gradients are
    tracked where grad mode is on and the data, the start, ``noise_std``, an expert's value or the operator's
    constants require them, or where the solver was put into training mode (then the denoiser's parameters, too).
    """

    annealing: int  # iterations over which sigma falls
    start: float = 49 / 255  # first sigma in calibrated units (DPIR)

    def __init__(
        self,
        op: Any,
        denoiser: Any = None,
        *,
        noise_std: float | Tensor | None = None,
        strength: float = 1.0,
        stop: Stop | None = None,
        calibration: Any = "auto",
        expert: Expert | None = None,
    ) -> None:
        super().__init__()
        check_arguments(noise_std, strength, stop, expert)
        self.op: LinearOperator = as_operator(op)
        if denoiser is None:
            denoiser = default_denoiser(self.op.field, self.op.in_shape[0])
        self.denoiser = as_denoiser(denoiser)
        self.noise_std, self.strength, self.stop = noise_std, float(strength), stop or Stop()
        self.calibration, self.expert = calibration, expert
        self.training = False

    def train(self, mode: bool = True) -> "Solver":
        """Track gradients of the denoiser's parameters; its layers stay in the mode they are in."""
        self.training = mode
        return self

    # ---- to be written by a method

    def step(self, state: State, y: Tensor) -> State:
        """One iteration; pure."""
        raise NotImplementedError

    def goal(self, problem: Problem) -> tuple[Tensor | float, Tensor | float]:
        """The last sigma in calibrated units, and the balance: gamma = sigma^2 / (balance strength noise_std^2)."""
        raise NotImplementedError

    def init(self, y: Tensor, *, x0: Tensor | None = None) -> State:
        """State before the first iteration: checks, noise level, calibration, a rough first image."""
        check_batch("y", y, self.op.out_shape, self.op.out_dtype.is_complex)
        for tensor in (*self.op.buffers(), *self.op.parameters()):
            if tensor.device != y.device:
                raise ValueError(f"y: on device {y.device}, but the operator is on {tensor.device}; move one of them")
        check_values("y", y)
        check_mode(self.denoiser)
        own_units = self.denoiser.own_units
        problem, rough, source = prepare(self.op, y, self.noise_std, self.calibration, own_units=own_units)
        if x0 is not None:
            check_batch("x0", x0, self.op.in_shape, self.op.in_dtype.is_complex)
            if x0.shape[0] != y.shape[0]:
                raise ValueError(f"x0: batch of {x0.shape[0]}, but y has {y.shape[0]}")
            check_values("x0", x0)
        x = rough if x0 is None else x0.to(rough.dtype)
        ones = torch.ones_like(problem.noise_std)
        zeros, never = torch.zeros_like(x), torch.full_like(ones, float("inf"))
        return State(0, x, x, zeros, ones, problem, source, type(self).__name__, residual=never, pace=ones)

    # ---- the mathematics that methods share

    def levels(self, state: State) -> tuple[Tensor, Tensor, Tensor]:
        """Denoiser strength sigma, penalty rho (in units of the calibration: rho scale²) and data weight gamma of
        the coming iteration, (B,) each."""
        problem = state.problem
        noise, scale = problem.noise_std, problem.calibration.scale
        if self.expert is not None:
            rho, sigma = self.expert.at(state.step, noise)
            return sigma, rho * scale**2, self._limited(1 / (rho * noise**2), problem)
        low, high = self.denoiser.sigma_range or (0.0, float("inf"))
        last, balance = self.goal(problem)
        end = torch.as_tensor(last, dtype=noise.dtype, device=noise.device).expand_as(noise)
        end = torch.where(end > 0, end, torch.full_like(end, 1e-3)).clamp(low, high)
        first = end.clamp(min=min(max(self.start, low), high))
        sigma = torch.as_tensor(log_schedule(first, end, self.annealing)(state.step))
        rho = balance * self.strength / sigma**2
        return sigma * scale, rho, self._limited((scale / noise) ** 2 / rho, problem)

    @staticmethod
    def _limited(gamma: Tensor, problem: Problem) -> Tensor:
        return torch.minimum(torch.nan_to_num(gamma, nan=float("inf"), posinf=float("inf")), problem.gamma_limit)

    def fit_data(self, z: Tensor, gamma: Tensor, state: State) -> Tensor:
        """Proximal map of the data term at ``z``, warm-started from the last data-consistent image."""
        b = z + column(gamma, z) * state.problem.aty
        usual, finest = (1e-7, 1e-12) if b.real.dtype == torch.float64 else (1e-5, 1e-6)
        rtol = min(usual, max(0.01 * self.stop.tolerance, finest))  # a fixed point asked for more needs more
        return self.op.solve_normal(b, gamma, x0=state.x_data, rtol=rtol)

    def denoise(self, x: Tensor, sigma: Tensor, state: State) -> Tensor:
        """The denoiser in the units of the image; a mean that the data do not know is zero."""
        with full_precision(state.step >= (0 if self.expert is not None else self.annealing)):
            clean = denoise(self.denoiser, x, sigma, state.problem.calibration)
        if not bool(state.problem.no_mean.any()):
            return clean
        return clean - clean.mean((1, 2, 3), keepdim=True) * column(state.problem.no_mean, clean)

    # ---- the loop

    def iterate(self, y: Tensor, state: State | None = None) -> Iterator[State]:
        """States after each iteration, without end; samples go on whatever the others do."""
        state = self.init(y) if state is None else state
        while True:
            state = self.damped(state, self.step(state, y))
            yield state

    def damped(self, old: State, new: State) -> State:
        r"""``new``, or the mean of both for samples whose residual has grown at a constant sigma (Krasnoselskii-Mann).

        A denoiser that is not quite non-expansive makes iterates circle around a fixed point; half steps lead them into
        it. The fixed points are the same.
        """
        if self.expert is not None or old.step < self.annealing:  # sigma changes, and the residual with it
            return new
        residual = movement(old, new, dual=True)
        pace = torch.where(residual > old.residual, torch.full_like(old.pace, 0.5), old.pace)
        if bool((pace < 1).any()):
            half = column(pace, new.x)
            x, dual = (torch.where(half < 1, a + half * (b - a), b) for a, b in ((old.x, new.x), (old.dual, new.dual)))
            new = new._replace(x=x, dual=dual)
        return new._replace(residual=residual, pace=pace)

    def solve(
        self,
        y: Tensor,
        *,
        x0: Tensor | None = None,
        state: State | None = None,
        callback: Callback | None = None,
    ) -> Result:
        """Reconstruct from data ``y`` (B, *op.out_shape).

        Args:
            x0: image to start from instead of a rough estimate.
            state: of an earlier solve of the same data, to continue it.
            callback: called with the state and the :class:`Record` of each iteration; a true answer stops.

        Raises:
            TypeError, ValueError: ``y``, ``x0`` or ``noise_std`` do not fit; the message names the argument.
        """
        if callback is not None and not callable(callback):
            raise TypeError(f"callback: expected a function (state, record), got {type(callback).__name__}")
        with self._gradients(y, x0):
            state = self.init(y, x0=x0) if state is None else self._continued(state, y, x0)
            run = Run(state, self.stop)
            settled = 0 if self.expert is not None else self.annealing
            for new in self.iterate(y, state):
                sigma, _, gamma = self.levels(run.state)
                record = run.advance(new, sigma, gamma, new.step >= settled)
                if callback is not None and callback(run.state, record):
                    run.finish("stopped")
                if run.finished or len(run.history) >= self.stop.max_iter:
                    break
            run.finish("max_iter")
            x, x_data = run.answer()
            return Result(x, x_data, run.reasons, run.history, report(self, run, x, y), run.state)

    def _continued(self, state: Any, y: Tensor, x0: Tensor | None) -> State:
        """``state`` after a check that it belongs to these data and this noise level."""
        if not isinstance(state, State):
            raise TypeError(f"state: expected the state of a Result, result.state, got {type(state).__name__}")
        if state.method != type(self).__name__:
            raise ValueError(f"state: was made by {state.method}, not by {type(self).__name__}")
        if x0 is not None:
            raise ValueError("x0: a solve either continues from state or starts from x0")
        check_batch("y", y, self.op.out_shape, self.op.out_dtype.is_complex)
        old = state.problem.aty.detach()
        new = self.op.A_adjoint(y).detach()
        if new.shape != old.shape or not bool((new - old).abs().max() <= 1e-4 * old.abs().max()):
            raise ValueError("state: belongs to other data than y")
        if self.noise_std is not None:
            level = torch.as_tensor(self.noise_std).to(state.problem.noise_std)
            if not torch.allclose(level.expand_as(state.problem.noise_std), state.problem.noise_std, rtol=1e-5, atol=0):
                raise ValueError("state: was made with another noise_std")
        return state

    def forward(self, y: Tensor, op: Any = None) -> Tensor:
        """The reconstruction (B, C, H, W); with ``op`` in place of the solver's own operator, if given."""
        result = (self if op is None else self.with_op(op)).solve(y)
        if result.reason in ("diverged", "not_finite"):
            warnings.warn(f"{type(self).__name__}: {result.reason}: {result.message}", RuntimeWarning, stacklevel=2)
        return result.x

    def with_op(self, op: Any) -> "Solver":
        """The same solver for another operator."""
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other.op = as_operator(op)
        return other

    def _gradients(self, y: Tensor, x0: Tensor | None) -> contextlib.AbstractContextManager:
        values = [y, x0, self.noise_std, *(self.expert or ()), *self.op.parameters(), *self.op.buffers()]
        wanted = self.training or any(isinstance(v, Tensor) and v.requires_grad for v in values)
        return contextlib.nullcontext() if wanted else torch.no_grad()
