"""Methods whose steps are short where data are precise say "converged" where their equation holds, and not before."""

import pytest
import torch

from denoisers import GradientStepDenoiser
from operators import Blur, Identity, Inpainting, gaussian_kernel, random_mask
from pnp import RED, SNORE, Damped, Expert, PnPDescent, PnPFISTA, Stop
from tests.pnp.solvers.test_expansive import photograph

N = 12


def half(x, sigma):
    return x / 2


METHODS = {
    "red": lambda *a, **o: RED(*a, method="gradient", **o),
    "descent": lambda *a, **o: PnPDescent(*a, method="gradient", **o),
    "half of red": lambda *a, **o: Damped(RED(*a, method="gradient", **o)),
}


@pytest.mark.parametrize("noise", [0.2, 0.1])
@pytest.mark.parametrize("name", METHODS)
def test_what_the_data_do_not_hold_has_come_to_its_place(name, noise):
    """It goes by itself, and slowly: where nothing is measured the equation has x = 0."""
    mask = random_mask((N, N), 0.5, seed=1)
    op = Inpainting(mask).double()
    y = op.A(torch.ones(1, 1, N, N, dtype=torch.float64))
    solver = METHODS[name](
        op,
        half,
        noise_std=noise,
        calibration=None,
        expert=Expert(1.0, 1e-4),
        stop=Stop(tolerance=1e-3, max_iter=20_000),
    )
    result = solver.solve(y, x0=torch.ones_like(y))
    weight = 0.25 if name == "descent" else 0.5  # of x in the slope of its prior
    truth = y / (1 + weight * noise**2)
    assert result.reason == "converged"
    # shares of whole steps: the slope is x times the weight there
    assert float((result.x - truth).norm() / truth.norm()) < 1e-3 / weight


@pytest.mark.parametrize("noise", [0.1, 0.03])
@pytest.mark.parametrize("name", ["red", "half of red"])
def test_the_residual_is_that_of_the_equation(name, noise):
    op = Blur(gaussian_kernel(1.0), (N, N)).double()
    y = torch.rand(1, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    solver = METHODS[name](op, half, noise_std=noise, calibration=None, expert=Expert(2.0, 0.1), stop=Stop(0, 5))
    states = list(zip(range(5), solver.iterate(y)))
    x, after = states[-2][1].x, states[-1][1]
    slope = op.A_adjoint(op.A(x) - y) / noise**2 / 2 + x / 2
    assert float(after.residual) == pytest.approx(float(slope.norm() / after.x.norm()), rel=1e-3)


@pytest.mark.parametrize("method", ["prox", "gradient"])
@pytest.mark.parametrize("case", ["blur", "mask"])
def test_rounding_does_not_end_a_descent(method, case):
    """Half precision hid that the objective falls: steps that were not made counted as an end."""
    x = photograph()
    op, noise = {
        "blur": (Blur(gaussian_kernel(1.6), (32, 32)), 0.02), "mask": (Inpainting(random_mask((32, 32), 0.5)), 0.05),
    }[case]  # fmt: skip
    y = op.A(x) + noise * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = GradientStepDenoiser()
    for module in whole.modules():
        if hasattr(module, "precision"):
            module.precision = "float32"

    def solved(prior):
        return PnPDescent(op, prior, method=method, noise_std=noise, stop=Stop(max_iter=400)).solve(y)

    usual, exact = solved(GradientStepDenoiser()), solved(whole)
    assert usual.reason == exact.reason == "converged" and usual.state.step == exact.state.step
    torch.testing.assert_close(usual.x, exact.x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["prox", "gradient"])
def test_a_sample_that_stays_where_it_is_has_not_converged(method):
    """A network so rough that no step takes the objective down."""
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    stayed = []

    def rough(x, sigma):
        return x / 2 + 0.3 * torch.sin(1e5 * x).detach()

    def note(state, record):
        stayed.append(state.x.clone())

    solver = PnPDescent(Identity((8, 8)), rough, method=method, noise_std=0.1, stop=Stop(max_iter=100))
    result = solver.solve(y, callback=note)
    assert any(bool((a == b).all()) for a, b in zip(stayed[30:], stayed[31:])), "it was meant to stay"
    assert result.reason == "max_iter" and float(result.state.residual) > 0.01


def test_the_mean_of_short_steps_tells_what_whole_ones_would_change():
    op = Inpainting(random_mask((N, N), 0.5)).double()
    y = op.A(torch.ones(1, 1, N, N, dtype=torch.float64))
    solver = SNORE(op, half, noise_std=0.01, calibration=None, expert=Expert(1.0, 0.1), stop=Stop(0, 5))
    states = list(zip(range(9), solver.iterate(y)))
    change = (states[-1][1].x - states[-2][1].x).norm() / states[-1][1].x.norm()
    assert float(states[-1][1].residual) == pytest.approx(float(change) * (1 + 1e4), rel=1e-3)


@pytest.mark.parametrize("pace", [0.25, 1.0])
def test_damped_momentum_keeps_its_pace_in_the_residual(pace):
    op = Identity((8, 8))
    solver = Damped(PnPFISTA(op, half, noise_std=0.1, stop=Stop(0, 30)), 0.5)
    y = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    state = solver.begin(y)
    problem = solver.problem(y, state.facts)
    at = problem.levels(40)
    values = state.values._replace(pace=torch.full_like(state.values.pace, pace))
    new = solver.step(problem, values, at)
    whole = solver.solver.step(problem, values._replace(pace=torch.ones_like(values.pace)), at)
    moved = solver.moved(problem, values, new, at)
    expected = (whole.x - values.x).norm() / new.x.norm()
    assert float(moved) == pytest.approx(float(expected) * 2**0.5, rel=1e-4)  # x and what is ahead of it
