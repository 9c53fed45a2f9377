"""What a solve says of itself: levels, units, misfit, and what a user should know of the denoiser's use."""

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from operators.linalg import column, dot

from .bookkeeping import Run
from .calibration import describe_split
from .remarks import above_range, adds_error, drifts, is_steep, one_level, out_of_range

if TYPE_CHECKING:
    from .solver import Solver

__all__ = ["report"]


def report(solver: "Solver", run: Run, x: Tensor, y: Tensor) -> dict[str, Any]:
    """The report of a finished run with answer ``x`` to data ``y``; what needs a user's attention is warned of, too."""
    problem = run.state.problem
    sigmas = torch.stack([r.sigma / problem.calibration.scale for r in run.history])
    told: dict[str, Any] = {
        "noise_std": problem.noise_std,
        "noise_std from": run.state.source,
        "misfit (root mean square of A x_data - y, per real component)": _misfit(solver, run, y),
        "strength": solver.strength if solver.expert is None else "by expert",
        "denoiser": _name(solver.denoiser),
        "denoiser sees": describe_split(solver.denoiser, x),
        "sigma in denoiser units, lowest": sigmas.amin(0),
        "sigma in denoiser units, highest": sigmas.amax(0),
    }
    if bool(problem.no_mean.any()):
        told["mean of the image"] = "not in the data: set to 0"
    if bool((run.history[-1].gamma >= problem.gamma_limit).any()):
        told["gamma"] = "capped at 1e4 / norm(A)^2: the data are taken as exact"
    if bool((run.state.pace < 1).any()):
        told["damping"] = "half steps, since the residual grew"
    told |= {
        "fixed-point residual": run.history[-1].residual,
        "scale": problem.calibration.scale,
        "offset": problem.calibration.offset,
    }
    return told | _of_the_denoiser(solver, run, x, sigmas)


def _name(denoiser: Any) -> str:
    """Kind of a denoiser, and the name of its weights."""
    name = getattr(denoiser, "card", {}).get("name", "")
    return f"{type(denoiser).__name__}, {name}" if name else type(denoiser).__name__


def _of_the_denoiser(solver: "Solver", run: Run, x: Tensor, sigmas: Tensor) -> dict[str, str]:
    problem, denoiser = run.state.problem, solver.denoiser
    card = getattr(denoiser, "card", {})
    told = {"weights": card["sha256"][:16]} if card.get("sha256") else {}
    wanted = float((sigmas.amax(0) if solver.expert else problem.image_noise / problem.calibration.scale).max())
    alarms = []
    if note := above_range(denoiser, wanted):
        told["note"] = note
        alarms += [note] if wanted > 1.5 * (denoiser.sigma_range or (0, 0))[1] else []
    failed = {"diverged", "not_finite"} & {*run.reasons}  # these say so themselves
    if not (failed or denoiser.own_units) and (spread := out_of_range(x, problem.calibration)):
        told["intensities"] = spread
        alarms.append(spread)
    if solver.expert is None:
        end = torch.as_tensor(solver.goal(problem)[0], dtype=torch.float64)
        single = one_level(denoiser, float(end.max()))
        told |= {"level": single} if single else {}
    passport = card.get("passport", {})
    if worse := adds_error(passport, float(sigmas.amin())):
        told["passport"] = worse
        alarms.append(worse)
    if steep := is_steep(passport):
        told["stability"] = steep
    if moving := drifts(passport):
        told["drift"] = moving
    for alarm in alarms:
        warnings.warn(f"{type(solver).__name__}: {alarm}", RuntimeWarning, stacklevel=4)
    return told


@torch.no_grad()
def _misfit(solver: "Solver", run: Run, y: Tensor) -> Tensor:
    """Root mean square of A x_data - y where something was measured, per real component, (B,)."""
    fit = solver.op.A(run.answer()[1])
    measured = ((fit != 0) | (y != 0)).flatten(1).sum(1).clamp_min(1)  # masks leave zeros in the data
    rest = fit - y
    size = rest.abs().flatten(1).amax(1).clamp_min(torch.finfo(rest.real.dtype).tiny)
    unit = rest / column(size, rest)
    return size * (dot(unit, unit) / (measured * (2 if rest.is_complex() else 1))).sqrt()
