"""Strengths that data choose: against known optima, in any unit, for each sample alone, and through resumed solves."""

import pytest
import torch

from denoisers import Denoiser
from operators import Identity, Inpainting, gaussian_noise, random_mask
from pnp import (
    RED,
    Ball,
    Damped,
    Expert,
    Gaussian,
    PnPADMM,
    PnPDRS,
    PnPFISTA,
    PnPHQS,
    PnPMACE,
    PnPPDHG,
    PnPPGD,
    PnPULA,
    Poisson,
    State,
    Stop,
    choose_strength,
)
from pnp.analysis.criteria import Criterion
from pnp.analysis.search import search_within
from pnp.analysis.strength import RULES, _search

from ..problems import NOISE, data, image, operators
from .priors import smooth

SIDE = 32


class Shrink(Denoiser):
    """Exact for white images of deviation one; counts the images that it has seen."""

    own_units = True

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x, sigma):
        self.calls += 1
        s = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1)
        return x / (1 + s**2)


def white(*deviations, noise=0.5, seed=0):
    """White images of these deviations, and the same with noise."""
    g = torch.Generator().manual_seed(seed)
    x = torch.stack([d * torch.randn(1, SIDE, SIDE, generator=g, dtype=torch.float64) for d in deviations])
    return x, gaussian_noise(x, noise, seed=seed + 50)


def solver(denoiser=None, **options):
    options = {"noise_std": 0.5, "calibration": None} | options
    return PnPADMM(Identity((SIDE, SIDE)), denoiser or Shrink(), **options)


@pytest.mark.parametrize("rule", ["sure", "upre"])
def test_a_prior_of_the_wrong_width_gets_the_strength_that_corrects_it(rule):
    """The best weight of |x|^2 / 2 for images of deviation d is 1 / d^2."""
    y = white(0.5, 1.0, 2.0)[1]
    strength = choose_strength(solver(), y, rule).strength
    assert torch.allclose(strength.log2(), torch.tensor([2.0, 0.0, -2.0], dtype=torch.float64), atol=0.6)


def test_the_curve_is_the_true_error():
    """Differences of the estimate from strength one, against the error itself, in deviations of the estimate."""
    x, y = white(0.5, 2.0)
    choice = choose_strength(solver(), y, "sure")
    unit = 0.25 * x[0].numel()
    for strength, value, noise in zip(choice.tried, choice.criterion, choice.noise, strict=True):
        exact = [y / (1 + 0.25 * s.reshape(-1, 1, 1, 1)) - x for s in (strength, torch.ones_like(strength))]
        after, before = (e.square().flatten(1).sum(1) for e in exact)
        assert bool(((after - before) / unit / 2 - value).abs().le(5 * noise + 0.02).all())


def test_discrepancy_and_whiteness_find_a_residual_of_noise():
    y = white(0.5)[1]
    assert float(choose_strength(solver(), y, "discrepancy").strength) > 2
    op = operators()["blur"]
    wide = data(op, image(op))
    choice = choose_strength(PnPADMM(op, smooth, strength=1.0, noise_std=NOISE), wide, "whiteness")
    assert 1 / 8 <= float(choice.strength) <= 8 and bool((choice.criterion.amin(0) <= 0).all())


@pytest.mark.parametrize("rule", [r for r in RULES if r != "auto"])
def test_a_batch_gives_what_samples_give_alone(rule):
    op = Inpainting(random_mask((24, 24), 0.9, seed=1))
    y = data(op, image(op, 3, torch.float64))
    method = PnPADMM(op, smooth, noise_std=NOISE)
    together = choose_strength(method, y, rule)
    for b in range(3):
        alone = choose_strength(method, y[b : b + 1], rule)
        assert torch.allclose(alone.strength, together.strength[b : b + 1], rtol=1e-6)
        assert torch.allclose(alone.x, together.x[b : b + 1], atol=1e-7)
        assert alone.reason[0] == together.reason[b]


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_units_do_not_matter(unit):
    op = operators()["product"]
    y = data(op, image(op, 1, torch.float64))
    one = choose_strength(PnPADMM(op, smooth, noise_std=NOISE), y)
    other = choose_strength(PnPADMM(op, smooth, noise_std=unit * NOISE), unit * y)
    assert torch.allclose(one.strength, other.strength, rtol=1e-5)
    assert torch.allclose(one.x, other.x / unit, rtol=1e-5, atol=1e-8)
    assert torch.allclose(one.criterion, other.criterion, rtol=1e-3, atol=1e-6)


def test_automatic_at_one_is_the_plain_solve_and_resumes_without_choosing_again():
    y = white(1.0)[1]
    plain = solver().solve(y)
    automatic = solver(strength="auto").solve(y)
    assert automatic.state.facts.strength.tolist() == [1.0]
    assert torch.equal(automatic.x, plain.x)
    assert "Stein" in automatic.report["strength from"]

    y, counting = white(2.0)[1], Shrink()
    chooser = solver(counting, strength="auto", stop=Stop(max_iter=12))
    first = chooser.solve(y)
    kept = State.from_dict(first.state.to_dict())
    assert kept.facts.strength is not None
    assert float(kept.facts.strength) < 0.6 and torch.equal(kept.facts.strength, first.report["strength"])
    counting.calls = 0
    again = chooser.solve(y, state=kept)
    assert counting.calls == len(again.history)
    assert again.state.facts.strength is not None
    assert torch.equal(again.state.facts.strength, kept.facts.strength)
    fixed = solver(strength=3.0).solve(y, state=kept)
    assert fixed.state.facts.strength is None and fixed.report["strength"] == 3.0


def test_the_answer_is_that_of_the_strength_chosen():
    y = white(0.1, 0.2)[1]
    stop = Stop(tolerance=1e-10, max_iter=200)
    chosen = solver(strength="auto", stop=stop).solve(y)
    for b, strength in enumerate(chosen.report["strength"].tolist()):
        alone = solver(strength=strength, stop=stop)(y[b : b + 1])
        assert torch.allclose(chosen.x[b : b + 1], alone, atol=1e-8)


def test_states_of_a_fixed_strength_are_taken_up():
    y = white(2.0)[1]
    state = solver().solve(y).state
    assert float(solver(strength="auto").solve(y, state=state).report["strength"]) < 0.6


@pytest.mark.parametrize("method", [PnPHQS, PnPDRS, PnPPGD, PnPFISTA, RED, PnPPDHG, PnPMACE])
def test_every_method_with_a_fixed_point(method):
    y = white(0.1)[1].float()
    prior = [Shrink()] if method is PnPMACE else Shrink()
    result = method(Identity((SIDE, SIDE)), prior, noise_std=0.5, calibration=None, strength="auto").solve(y)
    least = 1 if method in (PnPHQS, PnPMACE) else 1.2  # HQS has other fixed points, MACE weighs data as much as priors
    assert least <= float(result.report["strength"]) <= 8 and "Stein" in result.report["strength from"]
    assert result.x.dtype == y.dtype


def test_wrapped_methods_choose_too():
    y = white(0.1)[1]
    result = Damped(solver(strength="auto"), 0.9).solve(y)
    assert float(result.report["strength"]) > 1.2


def test_gradients_are_those_at_the_strength_chosen():
    y = white(0.1)[1].requires_grad_(True)
    automatic = solver(strength="auto", stop=Stop(tolerance=0, max_iter=12)).solve(y)
    fixed = solver(strength=float(automatic.report["strength"]), stop=Stop(tolerance=0, max_iter=12)).solve(y)
    gradients = [torch.autograd.grad(r.x.square().sum(), y)[0] for r in (automatic, fixed)]
    assert torch.allclose(*gradients, rtol=1e-6)


def test_exact_data_and_zeros_stay_at_one():
    op = Inpainting(random_mask((24, 24), 0.6, seed=1))
    y = torch.cat((data(op, image(op)), torch.zeros(1, *op.out_shape)))
    assert choose_strength(PnPADMM(op, smooth, noise_std=0.0), y).strength.tolist() == [1.0, 1.0]
    both = PnPADMM(op, smooth, noise_std=NOISE, strength="auto").solve(y)
    assert float(both.report["strength"][1]) == 1 and not bool(both.x[1].any())


def test_uneven_noise_is_whitened_first():
    y = white(0.5)[1]
    std = torch.full((1, 1, SIDE, SIDE), 0.5, dtype=torch.float64)
    std[..., :4] = float("inf")
    uneven = PnPADMM(Gaussian(Identity((SIDE, SIDE)), std), Shrink(), calibration=None)
    assert float(choose_strength(uneven, y, "sure").strength) > 1.5


@pytest.mark.parametrize(("deviation", "keep", "least", "most"), [(0.3, 1.0, 1.1, 8), (2.0, 0.9, 1 / 8, 0.6)])
def test_both_sides_of_one_are_found_for_the_calls_of_three_solves(deviation, keep, least, most):
    y, counting = white(deviation)[1], Shrink()
    mask = random_mask((SIDE, SIDE), keep, seed=1)
    method = PnPADMM(Inpainting(mask), counting, noise_std=0.5, calibration=None)
    one = len(method.solve(mask * y).history)
    counting.calls = 0
    choice = choose_strength(method, mask * y)
    assert counting.calls <= 3 * one
    assert least <= float(choice.strength) <= most
    assert counting.calls == choice.calls + len(choice.result.history)


def test_a_batch_within_the_budget_gives_what_samples_give_alone():
    y = white(0.1, 0.3, 1.0, 2.0)[1]
    together = choose_strength(solver(), y)
    for b in range(4):
        alone = choose_strength(solver(), y[b : b + 1])
        assert torch.allclose(alone.strength, together.strength[b : b + 1], rtol=1e-6)
        assert torch.allclose(alone.x, together.x[b : b + 1], atol=1e-2)


def test_a_search_within_a_budget_tries_both_sides_and_half_ways():
    best = torch.tensor([0.0, 0.4, 1.3, -0.4, -1.7], dtype=torch.float64)
    found = search_within(quadratic(best), torch.zeros(5, dtype=torch.float64))
    assert torch.allclose(found.chosen, best, atol=1e-9)
    one = torch.zeros(1, dtype=torch.float64)
    poor = quadratic(-0.4 + one)
    poor.each, poor.left = one + 2, one + 1
    assert search_within(poor, one).t.tolist() == [[0.0]]


def test_a_second_criterion_that_is_certain_leads_beyond_the_first():
    class Certain(Criterion):
        calls = 0

        def __init__(self, much, noise):
            self.much, self.noise = much, noise

        def __call__(self, t, half=None):  # lowest near 2, and no lower beyond it
            return torch.where(t == 1, -self.much, (t - 1) ** 2), torch.full_like(t, 1e-6)

        def confirm(self, t):  # lowest at 2^2.5
            return (t - 2.5) ** 2 - 2.5**2, self.noise

    like = torch.zeros(4, dtype=torch.float64)
    much = torch.tensor([0.2, 0.05, 0.2, 0.2], dtype=torch.float64)
    noise = torch.tensor([0.1, 0.1, 1.0, 0.1], dtype=torch.float64)
    found = search_within(Certain(much, noise), like)
    assert found.t[2].tolist() == [3.0, 2.0, 3.0, 3.0]  # a doubling that is much better leads to the farthest
    assert found.chosen[0] == pytest.approx(2.5, abs=0.01)
    assert float(found.chosen[1]) < 1.2 and float(found.chosen[2]) < 1.2  # no great gain, or a doubtful one


def quadratic(best, noise=0.0, steep=1.0):
    class Quadratic(Criterion):
        calls = 0

        def __call__(self, t, half=None):
            value = steep * ((t - best) ** 2 - best**2)
            return value, torch.full_like(value, noise)

    return Quadratic()


def test_search():
    best = torch.tensor([0.0, 0.6, 1.3, -1.7, 9.0, -9.0], dtype=torch.float64)
    found = _search(quadratic(best), torch.zeros(6, dtype=torch.float64)).chosen
    assert torch.allclose(found, torch.tensor([0.0, 0.6, 1.3, -1.7, 3.0, -3.0], dtype=torch.float64), atol=1e-9)
    one = torch.ones(1, dtype=torch.float64)
    gain = float(_search(quadratic(one, noise=1.0), one).chosen)  # as much noise as gain: half way
    assert gain == pytest.approx(0.5)
    assert float(_search(quadratic(one, noise=10.0), one).chosen) == 0


def test_an_end_of_the_path_is_told():
    y = white(0.1, noise=0.1)[1]
    choice = choose_strength(solver(noise_std=0.1), y, "sure")
    assert "end of the path" in choice.reason[0] and float(choice.strength) > 6


def test_errors_name_the_argument():
    op, prior = Identity((SIDE, SIDE)), Shrink()
    y = white(1.0)[1]
    with pytest.raises(ValueError, match="strength: expected a positive number or 'auto', got 'best'"):
        PnPADMM(op, prior, strength="best")
    with pytest.raises(ValueError, match="rule: expected one of auto"):
        choose_strength(solver(), y, "guess")
    with pytest.raises(ValueError, match="strength: give either"):
        PnPADMM(op, prior, strength="auto", expert=Expert(1.0, 0.1))
    with pytest.raises(ValueError, match="strength: levels by expert"):
        choose_strength(PnPADMM(op, prior, expert=Expert(1.0, 0.1), noise_std=0.5), y)
    with pytest.raises(ValueError, match="strength: PnPULA has no fixed point"):
        PnPULA(op, prior, noise_std=0.5, strength="auto").solve(y)
    with pytest.raises(ValueError, match="strength: Ball needs none"):
        PnPPDHG(Ball(op, 0.5), prior, strength="auto").solve(y)
    with pytest.raises(ValueError, match="rule: 'sure' needs Gaussian data"):
        choose_strength(PnPPDHG(Poisson(op, 10.0), prior), y.abs(), "sure")


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    choice = choose_strength(solver(), white(0.5, 2.0)[1])
    choice.plot(str(tmp_path / "curve.png"))
    assert (tmp_path / "curve.png").stat().st_size > 1000
