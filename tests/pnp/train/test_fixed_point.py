"""Derivatives at the fixed point of every method, against dense algebra and differences of whole solves."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from denoisers import GradientStep, RandomEquivariant
from operators import Blur, gaussian_kernel
from pnp import (
    RED,
    SNORE,
    Anderson,
    Damped,
    PnPADMM,
    PnPDescent,
    PnPDRS,
    PnPFISTA,
    PnPHQS,
    PnPMACE,
    PnPPDHG,
    PnPPGD,
    Stop,
)
from pnp.train import FixedPoint, Unrolled
from tests.contracts import dense

N, NOISE = 5, 0.3
STOP = Stop(max_iter=600, tolerance=1e-10)
OP = Blur(gaussian_kernel(0.8, 3), (N, N)).double()
METHODS: dict[str, Any] = {
    "admm": PnPADMM, "drs": PnPDRS, "hqs": PnPHQS, "pgd": PnPPGD, "red": RED, "pdhg": PnPPDHG,
    "red gradient": lambda *a, **o: RED(*a, method="gradient", **o), "mace": lambda op, d, **o: PnPMACE(op, [d], **o),
    "fista": PnPFISTA, "anderson": lambda *a, **o: Anderson(PnPDRS(*a, **o)),
    "damped": lambda *a, **o: Damped(PnPHQS(*a, **o)),
}  # fmt: skip


class Bent(nn.Module):
    """A smooth, nonlinear, contractive denoiser with parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
        self.bend = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        mean = (x.roll(1, -1) + x.roll(1, -2)) / 2  # not symmetric
        return (1 - self.share) * x + 0.9 * self.share * torch.tanh(self.bend * mean) / self.bend


def data(batch: int = 1) -> Tensor:
    return torch.rand(batch, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


def make(method: Any, denoiser: Any, **others: Any) -> Any:
    return method(OP, denoiser, **{"noise_std": NOISE, "calibration": (1.0, 0.0), "stop": STOP} | others)


@pytest.mark.parametrize("name", METHODS)
def test_implicit_derivatives_are_those_of_whole_solves(name):
    denoiser, y = Bent(), data().requires_grad_()
    solver = make(METHODS[name], denoiser)
    model = FixedPoint(solver, rtol=1e-11, max_iter=400)
    weight = torch.rand(1, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    found = torch.autograd.grad((weight * model(y)).sum(), (y, denoiser.share, denoiser.bend))
    step = 1e-4 * torch.rand(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(7))

    def value(move: float) -> float:
        with torch.no_grad():
            return float((weight * solver.solve(y.detach() + move * step).state.x).sum())

    assert float((found[0] * step).sum()) == pytest.approx((value(1) - value(-1)) / 2, rel=1e-5)
    for slope, parameter in zip(found[1:], (denoiser.share, denoiser.bend)):
        with torch.no_grad():
            parameter += 1e-4
            more = value(0)
            parameter -= 2e-4
            less = value(0)
            parameter += 1e-4
        assert float(slope) == pytest.approx((more - less) / 2e-4, rel=1e-4)


class Linear(nn.Module):
    """x -> D x."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        return (x.flatten(1) @ self.matrix.T).reshape(x.shape)


def matrix() -> Tensor:
    g = torch.Generator().manual_seed(0)
    q = torch.linalg.qr(torch.randn(N * N, N * N, dtype=torch.float64, generator=g)).Q
    return q @ torch.diag(torch.linspace(0.1, 0.9, N * N, dtype=torch.float64)) @ q.T


def jacobians(name: str, mode: str) -> tuple[Tensor, Tensor]:
    """Of the answer by y as the model gives it and by dense algebra."""
    d, a, one = matrix(), dense(OP)[0], torch.eye(N * N, dtype=torch.float64)
    solver, y = make(METHODS[name], Linear(d.clone())), data()
    state = solver.solve(y).state
    tau = float(solver.problem(y, state.facts).levels(state.step).tau) / NOISE**2
    model = FixedPoint(solver, rtol=1e-11, max_iter=400, mode=mode)
    found = torch.autograd.functional.jacobian(model, y).reshape(N * N, N * N)  # pyright: ignore
    normal, p = tau * a.T @ a, torch.linalg.inv(one + tau * a.T @ a)
    last = {"hqs": tau * d @ p @ a.T, "pgd": tau * d @ a.T}  # of a step, by y
    step = {"hqs": d @ p, "pgd": d @ (one - normal)}
    if mode == "one-step":
        return found, last[name]
    if name in step:
        return found, torch.linalg.solve(one - step[name], last[name])
    if name.startswith("red"):
        return found, torch.linalg.solve(normal + one - d, tau * a.T)
    # tau A* (A x - y) + D^-1 x - x = 0, for splittings that take D as a proximal map
    return found, torch.linalg.solve(normal + torch.linalg.inv(d) - one, tau * a.T)


@pytest.mark.parametrize("name", ["admm", "drs", "hqs", "pgd", "red", "pdhg", "mace", "red gradient"])
def test_the_derivative_by_the_data_is_the_dense_one(name):
    found, truth = jacobians(name, "implicit")
    assert float((found - truth).norm() / truth.norm()) < 1e-7


@pytest.mark.parametrize("name", ["hqs", "pgd"])
def test_one_step_has_the_derivative_of_the_last_step(name):
    found, truth = jacobians(name, "one-step")
    assert float((found - truth).norm() / truth.norm()) < 1e-7


@pytest.mark.parametrize("name", ["admm", "hqs", "drs", "pgd", "red", "pdhg"])
def test_gradcheck(name):
    denoiser = Bent()
    model = FixedPoint(make(METHODS[name], denoiser), rtol=1e-11, max_iter=400)
    y = data()[..., :2, :].expand(1, 1, 2, N).clone().requires_grad_()  # few data, the rest fixed

    def answer(part: Tensor, share: Tensor) -> Tensor:
        whole = torch.cat((part, data()[..., 2:, :]), -2)
        denoiser._parameters["share"] = share  # pyright: ignore[reportArgumentType]
        return model(whole)

    share = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(answer, (y, share), eps=1e-5, atol=1e-5, rtol=1e-3, fast_mode=True)


def test_units_of_data_and_dual_variables_do_not_matter():
    denoiser, slopes = Linear(matrix()), []
    for unit in (1.0, 1e-8, 1e8):
        y = (unit * data()).requires_grad_()
        solver = make(PnPPDHG, denoiser, noise_std=NOISE * unit, calibration=(unit, 0.0))
        slopes.append(torch.autograd.grad(FixedPoint(solver, rtol=1e-9)(y).sum(), y)[0])
    assert torch.allclose(slopes[1], slopes[0], rtol=1e-6) and torch.allclose(slopes[2], slopes[0], rtol=1e-6)


def test_descent_has_derivatives_too():
    y = (2 * data()).requires_grad_()
    solver = make(PnPDescent, GradientStep(Bent()), stop=Stop(max_iter=2000, tolerance=1e-7))
    (slope,) = torch.autograd.grad(FixedPoint(solver, rtol=1e-8)(y).sum(), y)
    step = 1e-3 * torch.ones_like(slope)
    with torch.no_grad():
        change = (solver.solve(y + step).x - solver.solve(y - step).x).sum() / 2
    assert float((slope * step).sum()) == pytest.approx(float(change), rel=1e-3)


def test_what_has_no_fixed_point_is_refused():
    for solver in (make(SNORE, Bent()), make(PnPHQS, RandomEquivariant(Bent()))):
        with pytest.raises(TypeError, match="no fixed point"):
            FixedPoint(solver)
    with pytest.raises(ValueError, match="^mode: expected"):
        FixedPoint(make(PnPHQS, Bent()), mode="unrolled")


@pytest.mark.parametrize("name", METHODS)
def test_unrolled_steps_have_their_derivatives_for_every_method(name):
    y, model = data().requires_grad_(), Unrolled(make(METHODS[name], Bent()), 4)
    (slope,) = torch.autograd.grad(model(y).sum(), y)
    step = 1e-5 * torch.rand(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        change = (model(y + step) - model(y - step)).sum() / 2
    # the rough first image, and its derivative, are solved to 3e-4
    assert float((slope * step).sum()) == pytest.approx(float(change), rel=3e-4)
