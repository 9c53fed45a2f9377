"""Counts: what they take for the noise of a whole measurement, and what they say where a method is slow."""

import pytest
import torch

from operators import Blur, Inpainting, Radon, gaussian_kernel, random_mask
from pnp import Expert, PnPADMM, PnPPDHG, Poisson, PoissonRoots, Stop, Transmission


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


def rays(*photons):
    """Counts behind a square, a sample for each number of photons, and their likelihood; in double precision."""
    op, x = 0.3 * Radon(12, torch.arange(8) * 0.4).double(), torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    x[..., 3:9, 3:9] = 1
    bright = torch.tensor(photons, dtype=torch.float64).reshape(-1, 1, 1, 1)
    counts = torch.poisson(bright * (-op(x)).exp(), generator=torch.Generator().manual_seed(0))
    return Transmission(op, bright.float()), counts


def test_pdhg_reaches_the_minimum_within_200_iterations_where_rays_are_dark_and_bright(monkeypatch):
    likelihood, counts = rays(1e4)
    rho, x = 30.0, torch.zeros(144, dtype=torch.float64)
    a = likelihood.op.A(torch.eye(144, dtype=torch.float64).reshape(-1, 1, 12, 12)).flatten(1).T
    for _ in range(50):  # Newton's steps to the minimum of f(Ax) + rho |x|^2 / 2
        v = (a @ x).reshape(counts.shape)
        through = 1e4 * (-v).exp().flatten()
        slope = a.T @ likelihood.gradient(v, counts).flatten() + rho * x
        x = x - torch.linalg.solve(a.T @ (through[:, None] * a) + rho * torch.eye(144, dtype=torch.float64), slope)
    assert slope.norm() < 1e-6

    def apart():
        solver = PnPPDHG(likelihood, shrink, stop=Stop(0.0, 200), calibration=None, expert=Expert(rho, 1.0))
        return float((solver.solve(counts).x.flatten() - x).norm() / x.norm())

    assert apart() < 1e-3
    monkeypatch.setattr("pnp.solvers.pdhg._MOST", 1)
    with pytest.warns(RuntimeWarning, match="PnPPDHG: the steepest datum weighs"):
        assert apart() > 1e-2


def test_pdhg_makes_the_dual_steps_that_each_sample_needs():
    options = {"calibration": None, "expert": Expert(30.0, 1.0), "stop": Stop(0.0, 20)}
    likelihood, counts = rays(1e4, 1e3)
    both = PnPPDHG(likelihood, shrink, **options).solve(counts)
    steps = both.state.values.made.sum(1).tolist()
    assert 1 < steps[1] < steps[0] <= 16
    for k, photons in enumerate((1e4, 1e3)):
        alone = PnPPDHG(Transmission(likelihood.op, photons), shrink, **options).solve(counts[k : k + 1])
        assert alone.state.values.made.sum().item() == steps[k]
        assert torch.allclose(alone.x[0], both.x[k], rtol=0, atol=1e-10)


def test_pdhg_says_that_dark_rays_make_it_slow_and_admm_gets_there():
    likelihood, counts = rays(1e6)
    with pytest.warns(RuntimeWarning, match="PnPPDHG: the steepest datum weighs"):
        slow = PnPPDHG(likelihood, shrink, stop=Stop(1e-3, 30)).solve(counts)
    assert slow.reason == "max_iter" and "PnPADMM" in slow.report["convergence"]
    assert PnPADMM(likelihood, shrink, stop=Stop(1e-3)).solve(counts).reason == "converged"


def test_roots_of_counts_by_their_own_likelihood():
    g = torch.Generator().manual_seed(0)
    v, s = torch.rand(2, 1, 3, 3, generator=g, dtype=torch.float64) * 3 - 1, torch.tensor([0.3, 2.0]).double()
    y = torch.poisson(3 * torch.ones(2, 1, 3, 3, dtype=torch.float64), generator=g) / 4
    likelihood = PoissonRoots(Inpainting(torch.ones(3, 3)), photons=4.0)
    u = likelihood.prox(v, y, s)
    assert torch.allclose(u - v, -s[:, None, None, None] * likelihood.gradient(u, y), atol=1e-12)  # where it is zero
    moved = v.clamp_min(0.2).requires_grad_()
    (slope,) = torch.autograd.grad(likelihood.value(moved, y).sum(), moved)
    assert torch.allclose(slope, likelihood.gradient(moved, y), atol=1e-12)
    counts = torch.poisson(torch.full((100_000,), 400.0), generator=g)  # the information of counts in roots, 4 N
    assert (1 / PoissonRoots(Inpainting(torch.ones(1, 1))).as_data(counts).var()).item() == pytest.approx(4, rel=0.03)


def test_roots_of_counts_reach_the_minimum_of_a_known_prior():
    g = torch.Generator().manual_seed(1)
    op, level = Inpainting(random_mask((8, 8), 0.5, seed=0)).double(), 4.0
    y = op.mask * torch.poisson(torch.full((1, 1, 8, 8), 9.0, dtype=torch.float64), generator=g)

    def towards(x, sigma):  # prox of sum (x - level)^2 / 2
        tau = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2
        return (x + tau * level) / (1 + tau)

    by_hand = {"stop": Stop(1e-11, 2000), "calibration": None, "expert": Expert(4.0, 0.5)}  # lambda = rho sigma^2 = 1
    x = PnPADMM(PoissonRoots(op), towards, **by_hand).solve(y).x
    seen = op.mask > 0  # 2 v - 2 y / v + v - level = 0
    best = (level + (level**2 + 4 * 3 * 2 * y).sqrt()) / 6
    assert torch.allclose(x[seen], best[seen], rtol=1e-6) and torch.allclose(x[~seen], torch.tensor(level).double())


def test_the_report_names_roots_where_no_datum_mixes_pixels():
    mask, y = random_mask((8, 8), 0.5, seed=0), torch.full((1, 1, 8, 8), 4.0)
    solved = {
        "mask": Poisson(Inpainting(mask), photons=2.0),
        "weights": Poisson(Inpainting(0.5 * mask)),
        "background": Poisson(Inpainting(mask), background=1.0),
        "blur": Poisson(Blur(gaussian_kernel(0.8, 3), (8, 8))),
        "roots": PoissonRoots(Inpainting(mask)),
    }
    found = {name: PnPADMM(f, shrink, stop=Stop(0.0, 3)).solve(f.op(y)).report for name, f in solved.items()}
    assert "PoissonRoots" in found.pop("mask")["better likelihood"]
    assert not any("better likelihood" in report for report in found.values())
