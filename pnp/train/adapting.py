"""Test-time adaptation: a shipped prior learns from the one measurement that it is to reconstruct."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from denoisers.base import Denoiser, as_denoiser
from operators.base import LinearOperator

from ..analysis.holdout import held_out_twice
from ..arguments import check_values, one_of, positive
from ..likelihood import Gaussian, Likelihood, as_likelihood
from ..solver import Solver
from ..solvers.admm import PnPADMM
from ..state import State
from .losses.measured import measured_op, seen
from .losses.parts import part_of
from .losses.splits import Split, by_field
from .losses.splitting import misfit

__all__ = ["Adaptation", "adapt"]

_PARTS = 4  # divisions of the data that are learned from, in turn
_GROUPS = 16  # of the data that judge, for the scatter of their mean
_TRACKED = 2  # iterations that gradients pass
_SETTLE = 12  # iterations at the last level before images count
_LOOK = 6  # iterations of the judge's solve between two looks
_SURE = 2  # standard errors that a gain has to have: at one, adaptations are kept that lose against the truth


@dataclass(frozen=True)
class Adaptation:
    """What :func:`adapt` did.

    Attributes:
        denoiser: adapted, or the original one where that was not better.
        adapted: whether it is.
        gain: decrease of the error in data that neither learning nor stopping has seen, in dB, as estimated from these
            (their noise taken off, and no less than the scatter of what is left), and ``scatter``, its standard error;
            of a denoiser that was kept: what the adapted one would have had.
        steps: of the optimiser, until the best look.
        moved: distance of the weights from the shipped ones over their norm.
        reason: in words.
    """

    denoiser: Denoiser
    adapted: bool
    gain: float
    scatter: float
    steps: int
    moved: float
    reason: str

    def __str__(self) -> str:
        return self.reason


@torch.enable_grad()
def adapt(
    denoiser: Any,
    op: Any,
    y: Tensor,
    *,
    noise_std: float | Tensor | None = None,
    solver: Callable[..., Solver] = PnPADMM,
    split: Split | None = None,
    learn: Literal["gains", "weights"] = "gains",
    steps: int = 60,
    rate: float | None = None,
    bound: float = 0.1,
    seed: int = 0,
) -> Adaptation:
    r"""A copy of ``denoiser`` whose weights :math:`\theta` fit the measurement y, where that predicts data better.

    .. math:: \min_\theta \sum_k \|A_{\Lambda_k} x_\theta(y_{\Theta_k}) - y_{\Lambda_k}\|^2, \qquad
        \|\theta - \theta_0\| \le \beta \|\theta_0\|

    :math:`x_\theta` is where ``solver`` ends with the data :math:`\Theta_k`; gradients pass its last two iterations.
    About 5 % of the data are in none of the parts and tell when to stop, and as much again, in the end, whether the
    result is kept: the estimated error in these has to fall by two standard errors, else the original comes back.
    y alone is used: no image, no other measurement.

    Args:
        denoiser: a network that derivatives pass, such as :class:`denoisers.DRUNetDenoiser`; it is not changed.
        op: operator or Gaussian likelihood.
        y: the measurement, (B, *out_shape), of 600 data or more, of CT of four views or more; several slices
            learn together.
        noise_std: as solvers have it.
        solver: method, or a function (likelihood, denoiser) that makes it.
        split: which data a part sees; by default as the field has it (:mod:`pnp.train.losses.splits`).
        learn: ``"gains"``: one factor for each output channel of each layer, since one measurement tells few numbers;
            ``"weights"``: all of them.
        steps: at most; it ends when four looks in a row were no better.
        rate: of Adam; default 5e-3 for gains, 1e-4, in units of the weights, for these.
        bound: :math:`\beta`, the largest relative change of the weights.
        seed: of all choices.

    Raises:
        TypeError: ``denoiser`` has no weights; ``op`` is not linear. ValueError: an argument is out of range, another
            likelihood, y does not fit, or is too small to leave data out.

    Yaman, Hosseini, Akcakaya 2022, arXiv:2102.07737 (zero-shot self-supervision).

    >>> from denoisers import DRUNetDenoiser
    >>> from operators import Inpainting, random_mask
    >>> op = Inpainting(random_mask((32, 32), 0.5))
    >>> y = op.A(torch.rand(1, 1, 32, 32))
    >>> done = adapt(DRUNetDenoiser(), op, y, noise_std=0.3, steps=1)
    >>> done.adapted or "kept" in str(done)
    True
    """
    if not callable(solver):
        raise TypeError(f"solver: expected a method such as PnPADMM, or a function, got {solver!r}")
    original = as_denoiser(denoiser)
    if not any(p.is_floating_point() for p in original.parameters()):
        raise TypeError(f"denoiser: {type(original).__name__} has no weights to adapt")
    if not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps: expected at least one, got {steps!r}")
    one_of("learn", learn, ("gains", "weights"))
    rate = positive("rate", (5e-3 if learn == "gains" else 1e-4) if rate is None else rate)
    bound = positive("bound", bound)
    likelihood = as_likelihood(op, noise_std)
    if type(likelihood) is not Gaussian or not isinstance(measured_op(likelihood), LinearOperator):
        raise TypeError(f"op: expected a linear operator with Gaussian noise, got {type(likelihood).__name__}")
    likelihood.check(y)
    check_values("y", y)
    if likelihood.noise_std is None:
        likelihood = likelihood.known(y)[0]
    if not bool((torch.as_tensor(likelihood.noise_std) > 0).all()):
        raise ValueError("noise_std: data without noise cannot say what is better; give their level")
    course = _Course(original, likelihood, y, solver, split or by_field(measured_op(likelihood)), learn, seed)
    return course.run(steps, rate, bound)


class _Gain(nn.Module):
    """A factor for each output channel of a layer."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.change = nn.Parameter(weight.new_zeros(len(weight), *[1] * (weight.ndim - 1)))

    def forward(self, weight: Tensor) -> Tensor:
        return weight * (1 + self.change)


class _Solve:
    """A solve of a part of the data, which continues as weights change."""

    def __init__(self, solver: Solver, y: Tensor) -> None:
        self.solver = solver
        with torch.no_grad():
            self.state: State = solver.begin(y)
            self.problem = solver.problem(y, self.state.facts)
        self.go(solver.settled + _SETTLE)

    def go(self, count: int, *, tracked: bool = False) -> Tensor:
        """The image after ``count`` iterations; the state continues without derivatives."""
        state = self.state
        with torch.set_grad_enabled(tracked):
            for _ in range(count):
                state = self.solver.advance(self.problem, state, self.problem.levels(state.step))
        values = state.values
        plain = values._replace(**{k: v.detach() for k, v in values._asdict().items() if isinstance(v, Tensor)})
        self.state = state._replace(values=plain, residual=state.residual.detach(), pace=state.pace.detach())
        return state.x


class _Course:
    def __init__(
        self, original: Denoiser, likelihood: Likelihood, y: Tensor, make: Any, split: Split, learn: str, seed: int
    ) -> None:
        self.original, self.likelihood, self.y = original, likelihood, y
        self.op, self.known = measured_op(likelihood), seen(likelihood, y)
        stop, judge = held_out_twice(self.op, y, self.known, seed)
        self.out = {"stop": self.known * (stop & ~judge), "judge": self.known * judge}
        self.learner = copy.deepcopy(original).requires_grad_(learn == "weights")
        self.size = math.sqrt(sum(float(p.detach().square().sum()) for p in self.learner.parameters()))
        self.layers = [m for m in self.learner.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
        self.layers = self.layers if learn == "gains" else []
        self.gains: list[tuple[Tensor, _Gain]] = []
        for layer in self.layers:
            self.gains.append((layer.weight, _Gain(layer.weight)))
            parametrize.register_parametrization(layer, "weight", self.gains[-1][1])
        self.learned = [p for p in self.learner.parameters() if p.requires_grad]
        if not self.learned:
            raise TypeError(f"denoiser: {type(original).__name__} has no layers to adapt; take learn='weights'")
        self.start = [p.detach().clone() for p in self.learned]
        rest = ~(stop | judge)
        self.parts: list[tuple[_Solve, Tensor]] = []
        for k in range(_PARTS):
            keep = split(self.op, torch.Generator().manual_seed(1_000_003 * seed + k)).to(y.device)
            self.parts.append((self._solve(make, self.learner, rest & keep), self.known * (rest & ~keep)))
        self.make, self.rest = make, rest

    def _solve(self, make: Any, denoiser: Denoiser, keep: Tensor) -> _Solve:
        part, cut = part_of(self.likelihood, keep)
        return _Solve(make(part, denoiser), cut(self.y))

    def error(self, x: Tensor, out: Tensor) -> Tensor:
        """Estimated error in the data of ``out``, in squares of the noise."""
        return misfit(self.op.A(x), self.y, self.likelihood, out).mean()

    def run(self, steps: int, rate: float, bound: float) -> Adaptation:
        looks = self._solve(self.make, self.learner, self.rest)
        best, kept, at, worse = float(self.error(looks.state.x, self.out["stop"])), self.weights(), 0, 0
        optimizer = torch.optim.Adam(self.learned, lr=rate)
        every = max(1, min(_PARTS, steps))
        for step in range(1, steps + 1):
            solve, out = self.parts[(step - 1) % _PARTS]
            optimizer.zero_grad(set_to_none=True)
            solve.go(1)
            loss = self.error(solve.go(_TRACKED, tracked=True), out)
            if not bool(torch.isfinite(loss)):
                break
            loss.backward()
            optimizer.step()
            self.within(bound)
            if step % every == 0 or step == steps:
                with torch.no_grad():
                    now = float(self.error(looks.go(_LOOK), self.out["stop"]))
                if now < best:
                    best, kept, at, worse = now, self.weights(), step, 0
                else:
                    worse += 1
                if worse == 4 or not math.isfinite(now):
                    break
        self.restore(kept)
        return self.judged(at)

    # ---- weights

    def weights(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.learned]

    @torch.no_grad()
    def restore(self, kept: list[Tensor]) -> None:
        for p, value in zip(self.learned, kept):
            p.copy_(value)

    @torch.no_grad()
    def within(self, bound: float) -> None:
        """Draw the weights back to the ball around the shipped ones."""
        moved = self.moved()
        if moved > bound:
            for p, value in zip(self.learned, self.start):
                p.copy_(value + (p - value) * (bound / moved))

    @torch.no_grad()
    def moved(self) -> float:
        """Relative distance from the shipped weights."""
        moves = ((w * gain.change for w, gain in self.gains) if self.gains
                 else (p - q for p, q in zip(self.learned, self.start)))  # fmt: skip
        far = sum(float(move.square().sum()) for move in moves)
        return math.sqrt(far) / self.size

    def done(self) -> Denoiser:
        """The adapted denoiser, with plain weights."""
        for layer in self.layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        return self.learner.requires_grad_(False)

    # ---- the end

    def judged(self, at: int) -> Adaptation:
        """Compare both, from the same data, on those that had no part in it."""
        if at == 0:
            words = "kept the original: no step predicted the data left out better"
            return Adaptation(self.original, False, 0.0, 0.0, 0, 0.0, words)
        again = self._solve(self.make, self.learner, self.rest)
        old = self._solve(self.make, self.original, self.rest)
        images = [solve.go(_SETTLE) for solve in (old, again)]
        out = self.out["judge"]
        number = (out[:1] > 0).flatten().cumsum(0).reshape(out[:1].shape) - 1
        total = int((out[:1] > 0).sum())
        groups = [out * (number * _GROUPS // total == g) for g in range(_GROUPS)]
        with torch.no_grad():
            each = torch.stack([torch.stack([self.error(x, g) for x in images]) for g in groups if bool(g.any())])
        difference, count = each[:, 0] - each[:, 1], len(each)
        change, scatter = float(difference.mean()), float(difference.std() / count**0.5)
        least = float(each.mean(0).min())  # with the noise taken off it may be anything: no less than is known of it
        least = max(least, float(each.std(0).max() / count**0.5), 1e-6)
        gain = math.copysign(10 * math.log10(1 + abs(change) / least), change)
        spread = 10 / math.log(10) * scatter / (least + abs(change))
        moved = self.moved()
        told = f"{gain:+.2f} dB of error in data left out (+- {spread:.2f}), {at} steps, weights moved by {moved:.1%}"
        if change > _SURE * scatter:
            return Adaptation(self.done(), True, gain, spread, at, moved, f"adapted: {told}")
        return Adaptation(self.original, False, gain, spread, at, moved, f"kept the original: {told}")
