"""TV denoising against an independent optimum."""

import pytest
import torch
from scipy.optimize import minimize

from denoisers import TVDenoiser

X = torch.rand(3, 1, 7, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_against_a_smooth_solver():
    exact = TVDenoiser(rtol=1e-10, max_iter=20000)
    weight, x = exact.weight * 0.2, X[0, 0]

    def objective(v):
        u = torch.tensor(v.reshape(7, 8), requires_grad=True)
        rows = torch.nn.functional.pad(u.diff(dim=0), (0, 0, 0, 1))
        columns = torch.nn.functional.pad(u.diff(dim=1), (0, 1))
        value = 0.5 * (u - x).square().sum() + weight * (rows**2 + columns**2 + 1e-14).sqrt().sum()
        value.backward()
        return value.item(), u.grad.numpy().ravel()  # pyright: ignore

    best = minimize(objective, x.numpy().ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15})
    ours, _ = objective(exact(X[:1], 0.2).numpy())
    assert ours <= best.fun * (1 + 1e-6)


@pytest.mark.parametrize("c", [1e-8, 1e-3, 1e8])
def test_free_of_units(c):
    denoiser = TVDenoiser()
    assert torch.allclose(denoiser(c * X, c * 0.1) / c, denoiser(X, 0.1), atol=1e-10)


def test_batch_and_ends():
    denoiser = TVDenoiser()
    levels = torch.tensor([0.0, 0.1, 5.0], dtype=torch.float64)
    whole = denoiser(X, levels)
    for b in range(3):
        assert torch.allclose(whole[b : b + 1], denoiser(X[b : b + 1], levels[b : b + 1]), atol=1e-12)
    assert torch.equal(whole[0], X[0])  # no noise: the image itself
    assert (whole[2] - X[2].mean()).abs().max() < 1e-2  # all noise: its mean
    assert whole.requires_grad is False
    short = TVDenoiser(max_iter=15)
    assert torch.autograd.gradcheck(lambda x: short(x, 0.1), (X[:1].clone().requires_grad_(),), atol=1e-4)
