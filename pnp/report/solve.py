"""What a solve says of itself: levels, units, misfit, and what a user should know of the denoiser's use."""

import warnings
from typing import Any

import torch
from torch import Tensor

from denoisers.wrappers.bounded import Bounded
from operators.base import LinearOperator

from ..bookkeeping import Run
from ..likelihood import Gaussian
from ..prior import describe_split
from ..problem import Problem
from .findings import Health, examine
from .measured import holds_noise, measure, misfit, unseen_scales
from .remarks import (
    above_range,
    adds_error,
    coarse_pixels,
    drifts,
    is_steep,
    one_level,
    other_likelihood,
    other_scale,
    out_of_range,
    pixel_scale,
    too_bright,
)

__all__ = ["report"]


def report(
    problem: Problem, run: Run, x: Tensor, *, strength: float | Tensor | None, end: Any = None, units: Any = "auto"
) -> tuple[dict[str, Any], Health]:
    """The report and the :class:`Health` of a finished run with answer ``x``; conditions that need attention
    are also raised as warnings.

    Args:
        strength: that of the solver; ``None``: its levels are set by hand.
        end: the last sigma in calibrated units that the method wants, where it sets its levels.
        units: the calibration, ``"auto"`` or by hand.
    """
    facts, likelihood, denoiser = run.state.facts, problem.fit.likelihood, problem.prior.denoiser
    sigmas = torch.stack([r.sigma / facts.calibration.scale for r in run.history])
    last = run.record(-1)
    linear = isinstance(problem.fit.op, LinearOperator)
    unseen = unseen_scales(problem.fit.op, facts.gain, x) if linear else ""
    of_data = misfit(problem, run.answer()[1])[0]
    answered, rest, taken = misfit(problem, x)  # last, and once: of volumes these are the largest of all
    told: dict[str, Any] = {"likelihood": type(likelihood).__name__, "noise_std": facts.noise_std}
    gaussian = isinstance(likelihood, Gaussian)
    told["noise_std from"] = run.state.source if gaussian else "mean variance of the data"
    told |= {
        "misfit (root mean square of A x_data - y, per real component)": of_data,
        "answer misfit": answered,
        "strength": "by expert" if strength is None else strength,
        **({"strength from": facts.why} if facts.why else {}),
        "denoiser": _name(denoiser),
        "denoiser sees": describe_split(denoiser, x),
        "sigma in denoiser units, lowest": sigmas.amin(0),
        "sigma in denoiser units, highest": sigmas.amax(0),
    }
    if bool(facts.no_mean.any()):
        told["mean of the image"] = "not in the data: set to 0"
    told |= {"scales": unseen} if unseen else {}
    if type(likelihood).closed and bool((last.gamma >= facts.gamma_limit).any()):
        told["gamma"] = "capped at 1e4 / norm(A)^2: the data are taken as exact"
    if problem.prior.support is not None:
        told["support"] = "zero where the operator sees nothing, and knows that there is nothing"
    if bool((run.state.pace < 1).any()):
        slowest = float(run.state.pace.min())
        grew = "since the residual grew" if slowest >= 0.5 else "since the residual stalled"
        told["damping"] = f"{'half steps' if slowest >= 0.5 else f'steps of 1/{1 / slowest:.0f}'}, {grew}"
    if x.device.type != "cpu" and (
        engines := {str(m.engine) for m in problem.fit.op.modules() if hasattr(m, "engine")}
    ):
        told["non-uniform FFT"] = ", ".join(sorted(engines))
    inner = problem.fit.inner
    if inner.solves:
        told["conjugate gradients"] = (
            f"{inner.iterations} iterations in {inner.solves} solves, at most {inner.most}; "
            f"relative residual at worst {inner.residual:.1e}"
        )
    told |= {
        "fixed-point residual": last.residual,
        "scale": facts.calibration.scale,
        "offset": facts.calibration.offset,
    }
    alarms: list[str] = []
    _of_the_denoiser(told, alarms, problem, run, x, sigmas, end, by_hand=not isinstance(units, str))
    ratio = answered / facts.noise_std
    _of_the_data(told, alarms, problem, x, ratio, facts.image_noise, strength)
    measured = measure(problem, ratio, rest, taken, given=run.state.source == "given")
    health = examine(problem, run, x, told, measured, alarms)
    if health.alarms:
        told["data"] = "; ".join(health.alarms)
    for alarm in (*alarms, *health.alarms):
        warnings.warn(f"{run.state.method}: {alarm}", RuntimeWarning, stacklevel=3)
    return told, health


def _name(denoiser: Any) -> str:
    """Kind of a denoiser, and the name of its weights."""
    inner = denoiser.denoiser if isinstance(denoiser, Bounded) else denoiser
    name = getattr(inner, "card", {}).get("name", "")
    told = f"{type(inner).__name__}, {name}" if name else type(inner).__name__
    return told if inner is denoiser else f"{told}, within bounds"


def _of_the_denoiser(
    told: dict[str, Any],
    alarms: list[str],
    problem: Problem,
    run: Run,
    x: Tensor,
    sigmas: Tensor,
    end: Any,
    *,
    by_hand: bool,
) -> None:
    facts, denoiser = run.state.facts, problem.prior.denoiser
    card = getattr(denoiser, "card", {})
    if card.get("sha256"):
        told["weights"] = card["sha256"][:16]
    wanted = float((sigmas.amax(0) if end is None else facts.image_noise / facts.calibration.scale).max())
    if note := above_range(denoiser, wanted):
        told["note"] = note
        alarms += [note] if wanted > 1.5 * (denoiser.sigma_range or (0, 0))[1] else []
    failed = {"diverged", "not_finite"} & {*run.reasons}  # these say so themselves
    any_unit = denoiser.own_units or (by_hand and denoiser.intensity_range is None)
    if not (failed or any_unit) and (spread := out_of_range(x, facts.calibration, given=by_hand)):
        told["intensities"] = spread
        alarms.append(spread)
    if end is not None:
        single = one_level(denoiser, float(torch.as_tensor(end, dtype=torch.float64, device="cpu").max()))
        told |= {"level": single} if single else {}
    if denoiser.caution and "max_iter" in run.reasons:
        told["convergence"] = denoiser.caution
        alarms.append(denoiser.caution)
    passport = card.get("passport", {})
    if worse := adds_error(passport, float(sigmas.amin())):
        told["passport"] = worse
        alarms.append(worse)
    falls = hasattr(run.state.values, "objective")  # in every iteration, however steep
    if (steep := is_steep(passport)) and not falls:
        told["stability"] = steep
    if moving := drifts(passport):
        told["drift"] = moving


def _of_the_data(
    told: dict[str, Any],
    alarms: list[str],
    problem: Problem,
    x: Tensor,
    ratio: Tensor,
    noise: Tensor,
    strength: float | Tensor | None,
) -> None:
    likelihood, denoiser = problem.fit.likelihood, problem.prior.denoiser
    if (scale := pixel_scale(denoiser)) is not None:
        known = "" if pixel_scale(likelihood.op) else "; that of the maps is not known: KaiserSquires(pixel_scale=)"
        told["pixel scale"] = f"{scale:.4g} arcmin in the prior{known}"
    if other := other_scale(likelihood.op, denoiser):
        told["pixel scale"] = other
        alarms.append(other)
    if likelihood.op.field == "radio" and (bright := too_bright(x, noise)):
        told["contrast"] = bright
        alarms.append(bright)
    if better := other_likelihood(likelihood, problem.fit.y):
        told["better likelihood"] = better
    if not isinstance(likelihood, Gaussian):
        return
    if coarse := coarse_pixels(likelihood.op, problem.fit.y, likelihood.noise_std):
        told["pixels"] = coarse
    if strength is None:
        return
    if close := holds_noise(
        problem, x, noise, float(ratio.amin()), float(torch.as_tensor(strength, device="cpu").min())
    ):
        told["noise in the answer"] = close
        alarms += [] if "strength from" in told else [close]  # what data have chosen needs no advice
