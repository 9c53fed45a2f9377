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


@pytest.mark.parametrize("c", [1e-30, 1e-20, 1e20, 1e30])
def test_free_of_units_where_squares_leave_single_precision(c):
    x = X.float()
    assert torch.allclose(TVDenoiser()(c * x, c * 0.1) / c, TVDenoiser()(x, 0.1), atol=1e-6)


def test_default_tolerance_is_close_to_the_optimum():
    x = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
    x[..., 6:18, 8:20] = 1
    for sigma in (0.05, 0.2):
        noisy = x + sigma * torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
        exact = TVDenoiser(rtol=1e-9, max_iter=20000)(noisy, sigma)
        assert (TVDenoiser()(noisy, sigma) - exact).square().mean().sqrt() < 0.02 * sigma
        assert (exact - x).square().mean() < 0.3 * (noisy - x).square().mean()


def test_affine_changes_of_units():
    assert torch.allclose(TVDenoiser()(3 * X + 7, 0.3), 3 * TVDenoiser()(X, 0.1) + 7, atol=1e-10)


def test_bad_arguments_are_named():
    for bad in ({"weight": 0.0}, {"weight": float("nan")}, {"rtol": 0.0}, {"max_iter": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            TVDenoiser(**bad)  # pyright: ignore
    for sigma in (-0.1, float("nan"), torch.ones(2)):
        with pytest.raises(ValueError, match="sigma"):
            TVDenoiser()(X, sigma)
    for x, error in ((X[0], ValueError), (X.to(torch.complex128), TypeError), (X[:0], ValueError)):
        with pytest.raises(error, match="x"):
            TVDenoiser()(x, 0.1)


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
    sigma = torch.tensor([0.1, 0.3, 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: short(X, s), (sigma,), atol=1e-4)
