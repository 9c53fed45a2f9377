"""Counts: what they take for the noise of a whole measurement, and what they say where a method is slow."""

import pytest
import torch

from operators import Inpainting, Radon, random_mask
from pnp import PnPADMM, PnPPDHG, Poisson, Stop, Transmission


def shrink(x, sigma):
    return x / (1 + torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2)


def test_pixels_without_a_count_have_no_say_in_the_noise():
    mean = 25.0
    found = []
    for share in (1.0, 0.3):
        op = Inpainting(random_mask((64, 64), share, seed=0) if share < 1 else torch.ones(64, 64))
        y = op(torch.poisson(torch.full((1, 1, 64, 64), mean), generator=torch.Generator().manual_seed(0)))
        found.append(PnPADMM(Poisson(op), shrink).begin(y).facts.noise_std.item())
    assert found == pytest.approx([mean**0.5] * 2, rel=0.05)


def test_pdhg_says_that_dark_rays_make_it_slow_and_admm_gets_there():
    op = 0.3 * Radon(16, torch.arange(8) * 0.4)
    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:12, 4:12] = 1
    counts = torch.poisson(1e4 * (-op(x)).exp(), generator=torch.Generator().manual_seed(0))
    likelihood = Transmission(op, 1e4)
    with pytest.warns(RuntimeWarning, match="PnPPDHG: the steepest datum weighs"):
        slow = PnPPDHG(likelihood, shrink, stop=Stop(1e-3, 30)).solve(counts)
    assert slow.reason == "max_iter" and "PnPADMM" in slow.report["convergence"]
    assert PnPADMM(likelihood, shrink, stop=Stop(1e-3)).solve(counts).reason == "converged"
