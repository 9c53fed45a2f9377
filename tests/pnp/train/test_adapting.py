"""Adaptation to one measurement: kept only where data left out say so, and better then; the bound; the original."""

import math

import pytest
import torch

from denoisers import DRUNetDenoiser, TVDenoiser
from operators import Identity, Inpainting, Radon, gaussian_noise, random_mask
from pnp import PnPADMM, data
from pnp.likelihood import Poisson
from pnp.train import adapt

STD, SIDE = 0.05, 32
TRUTH = data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE]
OP = Inpainting(random_mask((SIDE, SIDE), 0.5))
Y = OP.A(gaussian_noise(TRUTH, STD))


def spoilt() -> DRUNetDenoiser:
    """A prior that smooths far too little."""
    prior = DRUNetDenoiser()
    with torch.no_grad():
        prior.net.tail.weight.mul_(0.2)
    return prior


def test_a_prior_that_does_not_fit_gets_better_against_the_truth():
    x = data.sample("camera")[..., 100:140, 180:220]
    op = Radon(40, torch.arange(100) * (torch.pi / 100))
    y, prior = gaussian_noise(op.A(x), 0.5, seed=1), spoilt()
    before = [p.clone() for p in prior.parameters()]
    done = adapt(prior, op, y, noise_std=0.5, steps=8, rate=0.02)
    assert done.adapted and done.denoiser is not prior and str(done).startswith("adapted")
    assert done.gain > 2 * done.scatter > 0 and 0 < done.moved < 0.1
    assert all(torch.equal(p, q) for p, q in zip(prior.parameters(), before))
    names = [[*d.state_dict()] for d in (prior, done.denoiser)]
    assert names[0] == names[1] and not any(p.requires_grad for p in done.denoiser.parameters())
    errors = [float((PnPADMM(op, d, noise_std=0.5)(y) - x).square().mean()) for d in (prior, done.denoiser)]
    assert errors[1] < 0.8 * errors[0]


def test_a_prior_that_fits_comes_back():
    prior = DRUNetDenoiser()
    before = [p.clone() for p in prior.parameters()]
    wild = adapt(prior, OP, Y, noise_std=STD, learn="weights", steps=2, rate=0.3, bound=10.0)
    assert wild.denoiser is prior and not wild.adapted and "kept the original" in str(wild)
    assert all(torch.equal(p, q) for p, q in zip(prior.parameters(), before))


@pytest.mark.parametrize("learn", ["gains", "weights"])
def test_the_bound_holds(learn):
    done = adapt(spoilt(), OP, Y, noise_std=STD, learn=learn, steps=3, rate=1e-2, bound=1e-3)
    assert done.moved <= 1e-3 * (1 + 1e-4)


def test_derivatives_are_taken_where_they_are_switched_off():
    with torch.no_grad():
        done = adapt(spoilt(), OP, Y, noise_std=STD, steps=4, rate=0.02)
    assert done.reason == adapt(spoilt(), OP, Y, noise_std=STD, steps=4, rate=0.02).reason


def test_bad_arguments():
    with pytest.raises(TypeError, match="solver: expected a method such as PnPADMM"):
        adapt(DRUNetDenoiser(), OP, Y, noise_std=STD, solver="admm")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="no weights"):
        adapt(TVDenoiser(), OP, Y, noise_std=STD)
    with pytest.raises(TypeError, match="Gaussian"):
        adapt(DRUNetDenoiser(), Poisson(Identity((SIDE, SIDE)), 9.0), Y.clamp_min(0))
    with pytest.raises(ValueError, match="steps"):
        adapt(DRUNetDenoiser(), OP, Y, noise_std=STD, steps=0)
    with pytest.raises(ValueError, match="NaN"):
        adapt(DRUNetDenoiser(), OP, torch.full_like(Y, math.nan), noise_std=STD)
    few = Radon(8, torch.arange(2) * 1.0)
    with pytest.raises(ValueError, match="too few data to leave some out"):
        adapt(DRUNetDenoiser(), few, few.A(torch.rand(1, 1, 8, 8)), noise_std=STD)
    with pytest.raises(ValueError, match="learn"):
        adapt(DRUNetDenoiser(), OP, Y, noise_std=STD, learn="biases")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="bound"):
        adapt(DRUNetDenoiser(), OP, Y, noise_std=STD, bound=-1.0)
    with pytest.raises(ValueError, match="without noise"):
        adapt(DRUNetDenoiser(), OP, Y, noise_std=0.0)


def test_how_many_data_it_takes_is_said():
    small = Inpainting(torch.ones(12, 12))
    with pytest.raises(ValueError, match="of 144 that are measured .*600 are always enough; adapting leaves as many"):
        adapt(DRUNetDenoiser(), small, small.A(torch.rand(1, 1, 12, 12)), noise_std=STD, steps=1)
    for views in (2, 4):  # of few views both choices may fall on the same one
        op = Radon(24, torch.arange(views) * (torch.pi / views))
        y = op.A(torch.rand(1, 1, 24, 24))
        if views == 2:
            with pytest.raises(ValueError, match="to leave some out twice.* at least four views"):
                adapt(DRUNetDenoiser(), op, y, noise_std=STD, steps=1)
        else:
            assert adapt(DRUNetDenoiser(), op, y, noise_std=STD, steps=1).steps <= 1
