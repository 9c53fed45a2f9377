"""Descent on f + g / tau: the objective falls, the end is a stationary point."""

from typing import Any

import pytest
import torch
from torch import Tensor

from denoisers import Bounded, GradientStep
from operators import MRI, Blur, Inpainting, gaussian_kernel, random_columns, random_mask
from pnp import PnPDescent, Stop
from tests.contracts import dense
from tests.denoisers.wrappers.test_proven import Smooth

N, NOISE = 6, 0.3
OPS = {"blur": Blur(gaussian_kernel(0.8, 3), (N, N)).double(), "mask": Inpainting(random_mask((N, N), 0.6)).double()}


def data(batch: int = 1) -> Tensor:
    return torch.rand(batch, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def make(op: Any, denoiser: Any, **others: Any) -> PnPDescent:
    stop = Stop(max_iter=2000, tolerance=1e-9)
    return PnPDescent(op, denoiser, **{"noise_std": NOISE, "calibration": (2.0, 0.3), "stop": stop} | others)


@pytest.mark.parametrize("method", ["prox", "gradient"])
@pytest.mark.parametrize("name", OPS)
def test_linear_networks_lead_to_the_minimiser(name, method):
    op, y = OPS[name], OPS[name].A(data())
    q = torch.linalg.qr(torch.randn(N * N, N * N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    shrink = q @ torch.diag(torch.linspace(0.0, 0.8, N * N, dtype=torch.float64)) @ q.T @ q.roll(1, 0) @ q.T
    solver = make(
        op, lambda x, sigma: (x.flatten(1) @ shrink.T).reshape(x.shape), method=method, calibration=(2.0, 0.0)
    )
    result = solver.solve(y)
    tau = 4 * float(solver.problem(y, result.state.facts).levels(result.state.step).tau)
    a, rest = dense(op)[0], torch.eye(N * N, dtype=torch.float64) - shrink
    hessian = a.T @ a / NOISE**2 + rest.T @ rest / tau
    truth = torch.linalg.solve(hessian, a.T @ y.flatten() / NOISE**2)
    assert result.reason == "converged"
    assert float((result.x.flatten() - truth).norm() / truth.norm()) < 1e-6


@pytest.mark.parametrize("method", ["prox", "gradient"])
@pytest.mark.parametrize("bend", [1.0, 12.0])
def test_the_objective_falls_whatever_the_network_is(method, bend):
    """Also where half-quadratic splitting with it would diverge."""
    op, y, inner = OPS["mask"], OPS["mask"].A(data(2)), Smooth()
    solver = make(op, GradientStep(lambda x, sigma: bend * inner(x, sigma)), method=method)
    solver.stop = Stop(max_iter=120, tolerance=1e-7)
    values: list[Tensor] = []

    def note(state: Any, record: Any) -> None:
        if state.step > solver.settled:
            values.append(state.values.objective)

    result = solver.solve(y, callback=note)
    falls = torch.stack(values)
    assert len(falls) > 5 and bool((falls.diff(dim=0) <= 0).all()) and bool((falls[-1] < falls[0]).all())
    problem = solver.problem(y, result.state.facts)
    at = problem.levels(result.state.step)
    prior = problem.prior.around(inner_network(solver))
    x = result.x
    rest = x - prior(x, at.sigma)
    by_hand = problem.fit.value(x) + rest.square().flatten(1).sum(1) / 2 / at.tau / 2.0**2
    assert torch.allclose(by_hand, result.state.values.objective, rtol=1e-9)


def inner_network(solver: PnPDescent) -> Any:
    return solver.denoiser.denoiser


def test_units_samples_and_complex_images():
    op, y = OPS["blur"], OPS["blur"].A(data(2))
    quick: dict[str, Any] = {"calibration": "auto", "stop": Stop(max_iter=60, tolerance=1e-9)}
    solver = make(op, Smooth(), **quick)
    both = solver(y)
    assert torch.allclose(solver(y[1:]), both[1:], rtol=1e-8)
    for unit in (1e-8, 1e8):
        scaled = make(op, Smooth(), **quick, noise_std=NOISE * unit)(unit * y)
        assert torch.allclose(scaled / unit, both, rtol=1e-6)
    mri = MRI(random_columns((N, N), 2.0, 0.3))
    k = mri.A(data().to(torch.complex128))
    result = make(mri, Smooth(), calibration=(2.0, 0.0), noise_std=0.1, stop=Stop(max_iter=300, tolerance=1e-3)).solve(
        k
    )
    assert result.x.is_complex() and result.reason == "converged"


def test_bad_arguments():
    with pytest.raises(ValueError, match="^method: expected"):
        make(OPS["blur"], Smooth(), method="hqs")
    with pytest.raises(ValueError, match="^denoiser: .* no bounds"):
        make(OPS["blur"], Bounded(Smooth(), low=0.0))


@pytest.mark.parametrize("method", ["prox", "gradient"])
def test_inference_mode_gives_the_same(method):
    def network(x: Tensor, sigma: Any) -> Tensor:
        return x / (1 + x.square())

    solver = make(OPS["blur"], network, method=method, stop=Stop(max_iter=5))
    wanted = solver(data())
    with torch.inference_mode():
        y, level = data() + 0, torch.tensor([0.1])
        assert torch.equal(solver(y), wanted)
        step = GradientStep(network)(y, level)
    assert torch.equal(step, GradientStep(network)(data(), 0.1))
    with torch.inference_mode():
        assert torch.equal(
            next(make(OPS["mask"], network).iterate(y)).x, next(make(OPS["mask"], network).iterate(data())).x
        )
