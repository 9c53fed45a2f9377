"""What a user should know of a solve, as short findings: how bad, what is seen, why, what to do."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from denoisers.wrappers.bounded import Bounded
from operators.base import LinearOperator
from operators.doubts import Doubt

from ..likelihood import Gaussian
from ..noise_level.doubt import is_unsure
from ..problem import Problem
from ..stopping import MESSAGES
from .diagnosis import adjoint_doubt, explain
from .measured import Measured
from .remarks import pixel_width

if TYPE_CHECKING:
    from ..bookkeeping import Run

__all__ = ["LEVELS", "Verdict", "Health", "examine"]

LEVELS = ("fine", "look", "wrong")

_TOO_LARGE, _TOO_SMALL, _FAR = 0.5, 4.0, 8.0  # of estimated over given noise levels
_MISFIT, _CORRELATED = 1.3, 0.25
_HOLES = 0.02
_WIDE = 1.3  # bins


class Verdict(NamedTuple):
    """One line of a report.

    Attributes:
        topic: what it is about: ``"noise"``, ``"misfit"``, ``"data"``, ``"denoiser"``, ...
        level: ``"fine"``, ``"look"`` or ``"wrong"``.
        seen: in numbers.
        cause: the likely cause in a word or two, ``""`` where all is fine: ``"noise level"``, ``"clipped data"``,
            ``"coil maps"``, ``"centre of rotation"``, ``"geometry"``, ``"kernel"``, ``"model"``, ...
        remedy: what to do.
    """

    topic: str
    level: str
    seen: str
    cause: str = ""
    remedy: str = ""


class Health(NamedTuple):
    """Findings of a solve and the numbers that they are made of.

    Attributes:
        findings: worst first within what each is about; every topic has one.
        measured: the numbers.
        alarms: what was warned of.
    """

    findings: list[Verdict]
    measured: Measured
    alarms: list[str]

    @property
    def level(self) -> str:
        """The worst level of all findings."""
        return max((f.level for f in self.findings), key=LEVELS.index, default="fine")

    @property
    def causes(self) -> list[str]:
        """Likely causes of what is wrong or needs attention, the worst first."""
        bad = sorted((f for f in self.findings if f.cause), key=lambda f: -LEVELS.index(f.level))
        return list(dict.fromkeys(f.cause for f in bad))


def examine(problem: Problem, run: "Run", x: Tensor, told: dict[str, Any], m: Measured, alarmed: list[str]) -> Health:
    """The findings of a run with answer ``x``, from its report, of which some is ``alarmed``, and what was measured."""
    data, alarms = _of_data(problem, run, m)
    found = [_of_noise(problem, run, m), *data, _of_misfit(problem, m, [f.cause for f in data if f.cause])]
    found += [_of_convergence(problem, run, told), _of_denoiser(told, alarmed), *_of_answer(problem, x, told)]
    if "pixels" in told and all(f.cause != "pixels" for f in found):
        found.append(Verdict("pixels", "fine", told["pixels"]))
    return Health(found, m, alarms)


def _of_noise(problem: Problem, run: "Run", m: Measured) -> Verdict:
    if not isinstance(problem.fit.likelihood, Gaussian):
        return Verdict("noise", "fine", f"{type(problem.fit.likelihood).__name__} statistics of the data")
    level = _numbers(run.state.facts.noise_std)
    if run.state.source != "given":
        seen = f"{level}, estimated: {run.state.source}"
        if is_unsure(run.state.source):
            return Verdict("noise", "look", seen, "noise level", "give noise_std where it is known")
        return Verdict("noise", "fine", seen)
    if math.isnan(m.estimate):
        return Verdict("noise", "fine", f"{level}, given")
    seen = f"{level}, given; the data look like {m.estimate:.3g} times as much"
    if m.estimate < _TOO_LARGE:
        return Verdict("noise", "wrong" if m.estimate < 0.35 else "look", seen, "noise level",
                       "noise_std is too large, the answer too smooth: noise_std=None estimates it")  # fmt: skip
    misfits = max(m.ratio) / m.estimate
    if m.estimate > _FAR or (m.estimate > _TOO_SMALL and misfits < 1.5):
        return Verdict("noise", "wrong" if m.estimate > _FAR else "look", seen, "noise level",
                       "noise_std is too small, noise stays in the answer: noise_std=None estimates it")  # fmt: skip
    return Verdict("noise", "fine", f"{level}, given" + ("" if m.estimate > 1.5 else f"; estimated {m.estimate:.2g} ×"))


def _of_data(problem: Problem, run: "Run", m: Measured) -> tuple[list[Verdict], list[str]]:
    """What the data show by themselves, and, where they do not fit, which mistake explains that."""
    if m.dead and not m.estimate <= _TOO_LARGE:  # clean data may have such lines
        seen = f"constant where the lines beside are not, {m.dead}"
        words = (
            f"data are {seen}: dead detectors or lost views make streaks and rings; mask them, Inpainting(mask) @ op"
        )
        return [Verdict("data", "wrong", seen, "dead data", words.partition(": ")[2])], [words]
    if m.repeats:
        seen = f"{m.repeats} values are exactly alike, at the largest or the lowest"
        return [Verdict("data", "wrong", seen, "clipped data", "measure again below saturation, or mask them out")], []
    op, y = problem.fit.op, problem.fit.likelihood.as_data(problem.fit.y).detach()
    if isinstance(op, LinearOperator) and (doubt := adjoint_doubt(op, y, problem.fit.back.detach())):
        return [_from(doubt)], [doubt.words]
    with torch.no_grad():
        doubts = list(op.doubts(y))
    noisy = op.measured is not None or m.estimate > _TOO_LARGE  # transforms of simple images have zeros of their own
    if m.holes > _HOLES and noisy and not any(d.sure for d in doubts):
        if op.measured is None:
            seen, remedy = "of the data are exactly zero", "what was not measured needs a mask, Inpainting(mask) @ op"
        else:
            seen, remedy = "of what the mask takes as measured are exactly zero", "mask and data belong to different "
            remedy += "samplings, or axes"
        return [Verdict("data", "wrong", f"{100 * m.holes:.2g} % {seen}", "mask", remedy)], []
    level = max(1.0, 0.0 if math.isnan(m.estimate) else m.estimate)
    if not doubts and max(m.ratio) > _MISFIT * level and isinstance(op, LinearOperator):
        doubts += [found] if (found := explain(op, y)) else []
    alarms = [d.words for d in doubts if d.sure]
    return [_from(d) for d in doubts] or [Verdict("data", "fine", _clean(op))], alarms


def _from(doubt: Doubt) -> Verdict:
    seen, _, remedy = doubt.words.partition(": ")
    return Verdict("data", "wrong" if doubt.sure else "look", seen, doubt.cause, remedy)


def _clean(op: Any) -> str:
    return "not clipped" + ("" if op.measured is None else ", zero only where the mask says so")


def _of_misfit(problem: Problem, m: Measured, known: list[str]) -> Verdict:
    ratio, correlation = max(m.ratio), max(m.correlation, default=0.0)
    if not isinstance(problem.fit.likelihood, Gaussian) or math.isinf(ratio):
        return Verdict("misfit", "fine", "not compared: no noise level")
    seen = f"{_numbers(m.ratio)} of the noise; {m.least:.2g} to 1 where the model holds"
    if correlation > _CORRELATED:
        seen += f"; neighbours correlate by {correlation:.2f}"
    level = max(1.0, 0.0 if math.isnan(m.estimate) else m.estimate)
    if ratio <= _MISFIT or known:
        return Verdict("misfit", "fine" if ratio <= _MISFIT else "look", seen)
    if level > _TOO_SMALL and ratio < 1.5 * level:
        return Verdict("misfit", "look", seen, "noise level", "see noise")
    cause, remedy = "model", "the operator is not the data's, or noise_std is too small: operators.check(op)"
    if (width := pixel_width(problem.fit.op)) > _WIDE:
        cause, seen = "pixels", f"{seen}; pixels are {width:.2g} times as wide as the bins, which see more"
        remedy = f"a smaller pixel_size, or FinerGrid(solver, {math.ceil(width)}); or else {remedy}"
    return Verdict("misfit", "wrong" if ratio > 2 * level else "look", seen, cause, remedy)


def _is_falling(problem: Problem, run: "Run") -> bool:
    """Whether one more iteration would have had a lower level."""
    return bool((problem.levels(run.state.step).sigma < run.record(-1).sigma * (1 - 1e-6)).any())


def _of_convergence(problem: Problem, run: "Run", told: dict[str, Any]) -> Verdict:
    last = run.record(-1)
    reason = max(run.reasons, key=lambda r: ("converged", "stopped", "max_iter", "diverged", "not_finite").index(r))
    seen = f"residual {float(last.residual.max()):.2g} after {run.count} iterations, tolerance {run.stop.tolerance:g}"
    if "damping" in told:
        seen += f"; {told['damping']}"
    if reason in ("converged", "stopped"):
        return Verdict("convergence", "fine", seen)
    if reason == "max_iter" and run.stop.tolerance == 0:  # so many were wanted
        return Verdict("convergence", "fine", f"residual {float(last.residual.max()):.2g} after {run.count} iterations")
    if reason == "max_iter" and told["strength"] != "by expert" and _is_falling(problem, run):
        remedy = "try a larger max_iter, Stop(tolerance=..., max_iter=...): the image is not sharp yet"
        return Verdict("convergence", "look", f"{seen}; sigma was still falling", "convergence", remedy)
    far = float(last.residual.max()) > 20 * run.stop.tolerance
    level = "look" if reason == "max_iter" and not far else "wrong"
    return Verdict("convergence", level, seen, "convergence", told.get("convergence") or MESSAGES[reason])


def _of_denoiser(told: dict[str, Any], alarmed: list[str]) -> Verdict:
    name, low, high = (
        told["denoiser"],
        told["sigma in denoiser units, lowest"],
        told["sigma in denoiser units, highest"],
    )
    seen = f"{name}: sigma {float(high.max()):.3g} to {float(low.min()):.3g} of its range"
    for key in ("passport", "note", "level"):
        if key in told and (told[key] in alarmed or key == "level"):
            return Verdict("denoiser", "look", told[key], "denoiser", "take another one, or denoisers.Rescaled")
    return Verdict("denoiser", "fine", f"{seen}; {told['stability']}" if "stability" in told else seen)


def _of_answer(problem: Problem, x: Tensor, told: dict[str, Any]) -> list[Verdict]:
    flat = (x.detach().abs() if x.is_complex() else x.detach()).float()
    seen = f"{float(flat.min()):.3g} to {float(flat.max()):.3g}"
    if "mean of the image" in told:
        seen += f"; mean {told['mean of the image']}"
    if "intensities" in told:
        found = [Verdict("intensities", "wrong", told["intensities"], "intensities", "units of y, noise_std, operator")]
    else:
        found = [Verdict("intensities", "fine", seen + _bounds(problem.prior.denoiser, x))]
    if "noise in the answer" in told:
        found.append(Verdict("strength", "wrong", told["noise in the answer"], "strength", "raise strength"))
    if "contrast" in told:
        seen, _, remedy = told["contrast"].partition(": ")
        found.append(Verdict("contrast", "look", seen, "contrast", remedy))
    if "scales" in told:
        seen, _, remedy = told["scales"].partition(": ")
        found.append(Verdict("scales", "look", seen, "scales", remedy))
    if "is wrong" in told.get("pixel scale", ""):
        found.append(Verdict("pixel scale", "wrong", told["pixel scale"], "pixel scale", "a prior for these pixels"))
    return found


def _bounds(denoiser: Any, x: Tensor) -> str:
    """Which share of the pixels lies at a bound."""
    if not isinstance(denoiser, Bounded) or x.is_complex():
        return ""
    said = []
    for name, bound, at in (("low", denoiser.low, torch.le), ("high", denoiser.high, torch.ge)):
        if bound is not None:
            said.append(f"{100 * float(at(x, bound).double().mean()):.0f} % at {name}")
    return "; " + ", ".join(said) if said else ""


def _numbers(values: Any) -> str:
    some = values.flatten().tolist() if isinstance(values, Tensor) else list(values)
    texts = dict.fromkeys(f"{v:.3g}" for v in some)
    return next(iter(texts)) if len(texts) == 1 else f"{min(some):.3g} to {max(some):.3g}"
