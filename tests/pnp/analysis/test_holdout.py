"""Data that are left out: which, of which likelihoods, and denoisers that are compared by them."""

from typing import Any

import pytest
import torch

from denoisers import DRUNetDenoiser, TVDenoiser
from operators import MRI, NUFFT, Identity, Operator, Radon, Weighted, gaussian_noise, poisson_noise, random_columns
from pnp import Gaussian, Huber, PnPADMM, PnPPDHG, Poisson, Transmission, choose_denoiser, choose_strength
from pnp import data as samples
from pnp.analysis.holdout import held_out, masked, without

from ..problems import NOISE, coil_maps, data, image, operators
from .priors import smooth


def test_whole_views_of_sinograms_are_left_out():
    op = Radon(16, torch.arange(40) * torch.pi / 40)
    y = op.A(torch.rand(2, 1, 16, 16))
    out = held_out(op, y)
    views = out[0, 0].all(-1)
    assert torch.equal(out[0, 0], views[:, None].expand_as(out[0, 0])) and int(views.sum()) == 2


def test_k_space_is_left_out_for_all_coils_and_only_where_measured():
    op = MRI(random_columns((24, 24), 2.0, 0.2), coil_maps())
    out = held_out(op, op.A(torch.rand(1, 1, 24, 24) + 0j))
    assert torch.equal(out[:, 0], out[:, 1])
    assert 0.02 < float(out.float().mean()) < 0.1


@pytest.mark.parametrize("count", [64, 480, 2112])
def test_as_many_visibilities_are_left_out_for_any_seed(count):
    points = 2 * torch.rand(2, count, dtype=torch.float64) - 1
    op = NUFFT(points, (16, 16))
    left = {int(held_out(op, torch.ones(1, 1, count) + 0j, seed).sum()) for seed in range(20)}
    assert left == {16 * max(1, round(count / 16 * 0.05))}


def test_too_few_data():
    with pytest.raises(ValueError, match="y: too few data"):
        held_out(Identity((4, 4)), torch.zeros(1, 1, 4, 4))


@pytest.mark.parametrize("kind", ["gaussian", "uneven", "huber", "poisson", "transmission"])
def test_what_is_left_out_has_no_effect(kind):
    """The gradient at any image is that of the data that remain, whatever those left out are."""
    op = Weighted(torch.rand(1, 12, 12) + 0.5) @ operators_of(12)
    x, g = torch.rand(1, 1, 12, 12, dtype=torch.float64), torch.Generator().manual_seed(1)
    make: Any = {
        "gaussian": lambda: Gaussian(op, 0.1),
        "uneven": lambda: Gaussian(op, torch.rand(1, 12, 12, generator=g) + 0.1),
        "huber": lambda: Huber(op, 0.1),
        "poisson": lambda: Poisson(op, 50.0, background=0.2),
        "transmission": lambda: Transmission(op, 50.0, background=1.0),
    }[kind]()
    y = 10 * torch.rand(1, 1, 12, 12, dtype=torch.float64)
    out = torch.rand(1, 1, 12, 12, generator=g) < 0.3
    part: Any
    part, rest = without(make, y, out)
    part = part.with_noise(torch.full((1,), 0.1, dtype=torch.float64)) if part.noise_std is not None else part
    full = make.with_noise(torch.full((1,), 0.1, dtype=torch.float64)) if make.noise_std is not None else make
    got = part.op.A_adjoint(part.gradient(part.op.A(x), part.given(rest)))
    each = full.gradient(full.op.A(x), full.given(y))
    assert torch.allclose(got, full.op.A_adjoint(torch.where(out, 0 * each, each)), rtol=1e-6)


def operators_of(side):
    return Identity((side, side))


def test_weights_in_front_are_joined():
    op = Radon(12, torch.arange(9) * torch.pi / 9)
    weights = torch.rand(op.out_shape) + 0.5
    keep = (torch.rand(op.out_shape) < 0.8).float()
    once = masked(keep, Weighted(weights) @ op)
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64)
    assert once.inner is op
    assert torch.allclose(once.A(x), keep * weights * op.A(x), rtol=1e-6)


class Squared(Operator):
    """Squares of pixels."""

    def __init__(self, side):
        super().__init__()
        self.in_shape = (1, side, side)

    def A(self, x):
        return x**2

    def first_image(self, y):
        return y.clamp(min=0.01).sqrt()


def test_other_likelihoods_and_nonlinear_operators():
    side, g = 32, torch.Generator().manual_seed(0)
    x = 0.4 + 0.3 * (torch.linspace(-1, 1, side)[:, None] > 0).float().expand(1, 1, side, side)
    counts = poisson_noise(x, 30.0)
    outliers = gaussian_noise(x, 0.1) + 2 * (torch.rand(x.shape, generator=g) < 0.03)
    cases = {
        "poisson": (PnPPDHG(Poisson(Identity((side, side)), 30.0), smooth), counts),
        "huber": (PnPADMM(Huber(Identity((side, side)), 0.1), smooth), outliers),
        "squared": (PnPADMM(Squared(side), smooth, noise_std=0.1), gaussian_noise(x**2, 0.1)),
    }
    for name, (method, y) in cases.items():
        choice = choose_strength(method, y)
        assert choice.rule == "holdout", name
        assert 1 / 8 <= float(choice.strength) <= 8
        # noise decides: of so few data no choice is far from one unless it is sure
        assert bool(torch.isfinite(choice.criterion).all())


def test_counts_get_their_strength_for_the_calls_of_three_solves():
    x = 0.4 + 0.3 * (torch.linspace(-1, 1, 32)[:, None] > 0).float().expand(1, 1, 32, 32)
    y = poisson_noise(x, 30.0)
    method = PnPPDHG(Poisson(Identity((32, 32)), 30.0), smooth)
    choice = choose_strength(method, y)
    assert float(choice.strength) > 2  # smooth as they are
    assert choice.calls + len(choice.result.history) <= 3 * len(method.solve(y).history)


def test_a_mask_of_the_user():
    op = operators()["inpainting"]
    y, chosen = data(op, image(op)), torch.zeros(op.out_shape)
    chosen[..., ::4, ::4] = 1
    method = PnPADMM(op, smooth, noise_std=NOISE)
    assert choose_strength(method, y, "holdout", held_out=chosen).rule == "holdout"
    own = choose_denoiser(op, y, [smooth, lambda x, sigma: 0 * x], noise_std=NOISE, held_out=chosen)
    assert own.index.tolist() == [0]


def test_each_sample_gets_the_denoiser_that_predicts_it():
    """Stripes along rows or columns, and denoisers that average along one of them."""
    side = 32
    stripes = (torch.arange(side) // 4 % 2).float()
    x = torch.stack((stripes.expand(1, side, side), stripes[:, None].expand(1, side, side)))
    down, across = (lambda v, sigma, axis=axis: v.mean(axis, keepdim=True).expand_as(v) for axis in (-2, -1))
    y = gaussian_noise(x, 0.2)
    choice = choose_denoiser(Identity((side, side)), y, [down, across], noise_std=0.2)
    assert choice.index.tolist() == [0, 1]
    assert torch.equal(choice.x[1], choice.results[1].x[1])
    assert float((choice.x - x).square().mean()) < 0.01
    assert len(choice.reason) == 2 and choice.criterion.shape == (2, 2)
    same = choose_denoiser(Identity((side, side)), y, [down, down], noise_std=0.2)
    assert same.index.tolist() == [0, 0]


def test_denoisers_to_choose_from():
    with pytest.raises(ValueError, match="denoisers: expected at least two"):
        choose_denoiser(Identity((16, 16)), torch.zeros(1, 1, 16, 16), [smooth])


def test_a_denoiser_is_judged_by_answers_not_on_the_way():
    op, x = Radon(48, torch.arange(40) * (torch.pi / 40)), samples.sample("camera")[..., 100:148, 180:228]
    y = op(x)
    noise = 0.01 * float(y.max())
    y = gaussian_noise(y, noise, seed=0)
    good, bad = DRUNetDenoiser("natural-gray-fast"), TVDenoiser()
    answers = [PnPADMM(op, d, noise_std=noise)(y) for d in (good, bad)]
    assert (answers[0] - x).norm() < 0.95 * (answers[1] - x).norm()
    assert choose_denoiser(op, y, [good, bad], noise_std=noise).index.tolist() == [0]


def test_automatic_strength_of_hardly_any_data_is_one():
    op = Radon(3, torch.arange(4) * 0.7)
    counts = torch.full((1, *op.out_shape), 40.0)
    told = PnPADMM(Transmission(op, photons=50.0), lambda x, s: x / 2, strength="auto").solve(counts).report
    assert told["strength"].tolist() == [1.0] and "too few data" in told["strength from"]
