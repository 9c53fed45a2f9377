"""Which strength of the prior fits the data: a search along strengths, guided by a criterion without a truth."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.shapes import check_seed

from ..arguments import no_solver, one_of
from ..likelihood import Ball, Gaussian, Huber
from ..result import Result
from ..state import State
from .criteria import Residuals, Risk, Whiteness
from .holdout import Holdout, held_out
from .search import FARTHEST, Curve, search_within
from .search import search as _search

__all__ = ["RULES", "StrengthChoice", "automatic", "choose_strength"]

RULES = ("auto", "risk", "sure", "simulation", "holdout", "whiteness", "discrepancy", "gcv", "upre")
_WORDS = {
    "risk": "the error of reconstructions of simulated data, confirmed by Stein's estimate",
    "sure": "Stein's estimate of the image's error",
    "simulation": "the error of reconstructions of simulated data",
    "holdout": "how well data that were left out are predicted",
    "whiteness": "how white the residual is",
    "discrepancy": "whether the residual is as large as the noise",
    "gcv": "generalised cross-validation",
    "upre": "the predictive risk of the data",
}


class StrengthChoice(NamedTuple):
    """A strength for each sample, and why.

    Attributes:
        strength: the choice, (B,).
        tried: strengths of the curve, (K, B), in the order in which they were tried; the first is one.
        criterion: less its value at strength one, (K, B); lower is better.
        noise: standard deviation that noise gives the criterion, (K, B); 0: not known.
        rule: which criterion.
        reason: why, in a sentence for each sample.
        calls: of the denoiser by the search, for each sample.
        result: the solve at the choice.
    """

    strength: Tensor
    tried: Tensor
    criterion: Tensor
    noise: Tensor
    rule: str
    reason: list[str]
    calls: int
    result: Result

    @property
    def x(self) -> Tensor:
        """The reconstruction at the choice."""
        return self.result.x

    def plot(self, path: str | None = None) -> Any:
        """Curves of all samples and their choices; needs matplotlib (extra ``examples``)."""
        from ..plot import plot_curve

        curves = [(self.tried[:, b], self.criterion[:, b], self.noise[:, b]) for b in range(len(self.strength))]
        label = f"{self.rule}, less that at strength 1"
        return plot_curve(curves, self.strength, label=label, path=path)


def _criterion(solver: Any, y: Tensor, state: State, rule: str, out: Tensor | None, seed: int, thrifty: bool) -> Any:
    if rule == "holdout":
        return Holdout(solver, y, state, out=held_out(solver.op, y, seed) if out is None else out, thrifty=thrifty)
    if rule == "whiteness":
        return Whiteness(solver, y, state, seed=seed)
    if rule in ("discrepancy", "gcv", "upre"):
        return Residuals(solver, y, state, seed=seed, kind=rule)
    return Risk(solver, y, state, seed=seed, kind=rule, thrifty=thrifty)


def _taken(solver: Any, rule: str) -> str:
    """The criterion behind ``rule``.

    Raises:
        ValueError: the rule, or any, does not fit method or likelihood.
    """
    likelihood = solver.likelihood
    if not solver.settles:
        raise ValueError(f"strength: {type(solver).__name__} has no fixed point whose strength could be chosen")
    if solver.expert is not None:
        raise ValueError("strength: levels by expert=Expert(rho, sigma) have no strength to choose")
    if isinstance(likelihood, Ball):
        raise ValueError("strength: Ball needs none; give a number")
    white = isinstance(likelihood, Gaussian) and not isinstance(likelihood, Huber)
    linear = isinstance(solver.op, LinearOperator)
    if rule == "auto":
        return "risk" if white and linear else "holdout"
    if rule != "holdout" and not (white and linear):
        raise ValueError(f"rule: {rule!r} needs Gaussian data of a linear operator; 'holdout' takes any")
    return rule


def _reasons(rule: str, curve: Curve) -> list[str]:
    told = []
    for b, t in enumerate(curve.chosen.tolist()):
        strength, best = 2**t, float(curve.t[curve.value[:, b].argmin(), b])
        if best == 0:
            why = "nothing near it is better"
        elif t == 0:
            why = f"{2**best:.3g} is lower, but noise or the other estimate speak against it"
        elif abs(best) == FARTHEST:
            why = "the lowest, at the end of the path: more may be better still"
        else:
            why = f"the lowest is near {2**best:.3g}"
        told.append(f"{strength:.3g} by {_WORDS[rule]}: {why}")
    return told


@torch.no_grad()
def automatic(
    solver: Any, y: Tensor, state: State, rule: str = "auto", out: Tensor | None = None, seed: int = 0
) -> tuple[State, Curve, str, list[str]]:
    """The state from which ``solver`` continues at the strength chosen, the curve, its rule, and the reasons.

    Data without noise, and samples of zeros, are solved at strength one.
    """
    taken = _taken(solver, rule)
    facts = state.facts
    if rule == "auto" and taken == "holdout" and out is None:
        try:
            out = held_out(solver.op, y, seed)
        except ValueError:  # hardly any data
            one = torch.ones_like(facts.gain)
            why = "1: there are too few data to leave some out"
            none = torch.zeros_like(one)
            curve = Curve(none[None], none[None], none[None], none, 0)
            return state._replace(facts=facts._replace(strength=one, why=why)), curve, taken, [why] * len(one)
    thrifty = rule == "auto"
    criterion = _criterion(solver, y, state, taken, out, seed, thrifty)
    curve = (search_within if thrifty else _search)(criterion, facts.gain)
    idle = ~facts.alive | ~(facts.noise_std > 0)
    curve = curve._replace(chosen=torch.where(idle, torch.zeros_like(curve.chosen), curve.chosen))
    reasons = _reasons(taken, curve)
    found = criterion.state(curve.chosen)
    facts = facts._replace(strength=torch.exp2(curve.chosen), why="; ".join(dict.fromkeys(reasons)))
    return found._replace(facts=facts), curve, taken, reasons


@torch.no_grad()
def choose_strength(
    solver: Any,
    y: Tensor,
    rule: str = "auto",
    *,
    held_out: Tensor | None = None,
    seed: int = 0,
) -> StrengthChoice:
    r"""The strength of a solver's prior, chosen from the data ``y`` (B, ...), for each sample.

    From strength one iterations continue at 2, 4, 8 as long as the criterion falls, or at 0.7, 0.5, 1/4, 1/8. The
    choice is the lowest point of a parabola in the logarithm, drawn towards one by :math:`d^2 / (d^2 + s^2)`, d the
    gain and s what noise does to it. The solve at the choice continues from the nearest state.

    ``"auto"`` is sparing: 2, then 1/2, a few iterations each, and half way between their images and that at one;
    farther strengths where iterations are left, 8 at once where 2 is much better. Stein's estimate decides where it is
    certain and lower there. With what is kept for the solve at the choice it takes three solves.

    ==================  =============================================================================================
    ``"risk"``          ``"simulation"``, confirmed by ``"sure"``: what ``"auto"`` takes for Gaussian data
    ``"sure"``          Stein's estimate of the error of what the data hold of the image; needs the noise level
    ``"simulation"``    error of reconstructions of data that are simulated from the first image
    ``"holdout"``       misfit of 5 % of the data that are left out: ``"auto"`` for all other likelihoods
    ``"whiteness"``     of the residual
    ``"discrepancy"``   squared residual equal to :math:`(M - d) \sigma_n^2`, d degrees of freedom
    ``"gcv"``           generalised cross-validation
    ``"upre"``          predictive risk, of A x
    ==================  =============================================================================================

    Args:
        solver: any method with a fixed point; its own strength does not count.
        rule: see above.
        held_out: for ``"holdout"``, which data to leave out, booleans that broadcast to (1, *op.out_shape).
        seed: of simulated noise, and of what is left out.

    Raises:
        ValueError: the rule is not known, or does not fit method or likelihood.

    Eldar 2009, doi:10.1109/TSP.2008.2008212; Efron 2004, doi:10.1198/016214504000000692 (bootstrap and Stein).

    >>> from denoisers import TVDenoiser
    >>> from operators import Inpainting, random_mask
    >>> from pnp import PnPADMM
    >>> op = Inpainting(random_mask((16, 16), 0.5, seed=0))
    >>> y = op(torch.linspace(0, 1, 16).expand(1, 1, 16, 16))
    >>> choice = choose_strength(PnPADMM(op, TVDenoiser(), noise_std=0.05), y)
    >>> bool((choice.strength >= 1).all()), choice.rule
    (True, 'risk')
    """
    one_of("rule", rule, RULES)
    seed = check_seed(seed)
    if not hasattr(solver, "settles"):
        raise no_solver(solver)
    other = solver.copied()
    other.strength = 1.0
    state = other.begin(y)
    if held_out is not None:
        held_out = torch.as_tensor(held_out, dtype=torch.bool, device=y.device).expand(1, *solver.op.out_shape)
    found, curve, taken, reasons = automatic(other, y, state, rule, held_out, seed)
    other.strength = "auto"
    result = other.solve(y, state=found)
    return StrengthChoice(
        torch.exp2(curve.chosen), torch.exp2(curve.t), curve.value, curve.noise, taken, reasons, curve.calls, result
    )
