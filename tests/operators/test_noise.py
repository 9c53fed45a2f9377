"""Noise: its level, its seeds."""

import math

import pytest
import torch

from operators import (
    gaussian_noise,
    gaussian_noise_relative,
    gaussian_noise_snr,
    poisson_noise,
    std_from_snr,
    transmission_noise,
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_std_is_per_real_component(dtype):
    y = torch.zeros(2, 20000, dtype=dtype)
    out = gaussian_noise(y, torch.tensor([0.5, 2.0]), seed=3)
    assert out.dtype == dtype
    for part in (out.real, out.imag) if dtype.is_complex else (out,):
        assert part.std(1).tolist() == pytest.approx([0.5, 2.0], rel=0.03)


def test_seeds_are_of_the_samples():
    y = torch.zeros(3, 4)
    whole = gaussian_noise(y, 1.0, seed=5)
    assert torch.equal(whole, gaussian_noise(y, 1.0, seed=5))
    assert torch.equal(whole[1:2], gaussian_noise(y[:1], 1.0, seed=6))


def test_snr_and_relative_norm():
    y = torch.complex(torch.randn(2, 50000), torch.randn(2, 50000)) * torch.tensor([[1.0], [1e6]])
    e = gaussian_noise_snr(y, 30.0) - y
    assert (
        20 * torch.log10(y.abs().square().sum(1).sqrt() / e.abs().square().sum(1).sqrt())
    ).tolist() == pytest.approx([30, 30], abs=0.1)
    assert torch.allclose(std_from_snr(y, 30.0), e.real.std(1), rtol=0.02)
    x = torch.randn(2, 1, 5, 5, dtype=torch.float64)
    ratio = (gaussian_noise_relative(x, 0.01) - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    assert ratio.tolist() == pytest.approx([0.01, 0.01], rel=1e-12)


@pytest.mark.parametrize("thickness", [0.0, 1.0, 4.0])
def test_transmission_has_the_spread_of_counts(thickness):
    y = torch.full((2, 20_000), thickness, dtype=torch.float64)
    out = transmission_noise(y, 1e4, seed=3)
    assert out.dtype == y.dtype and not torch.equal(out[0], out[1])
    assert abs(float(out.mean()) - thickness) < 5e-3
    assert abs(float(out.std()) / (math.exp(thickness / 2) / 100) - 1) < 0.03
    starved = transmission_noise(torch.full((1, 50), 60.0), 1e3)
    assert torch.allclose(starved, torch.tensor(1e3).log())


def test_poisson_mean_and_variance():
    y = torch.full((1, 50000), 0.4)
    out = poisson_noise(y, 50.0)
    assert out.mean().item() == pytest.approx(0.4, rel=0.02) and out.var().item() == pytest.approx(0.4 / 50, rel=0.05)


@pytest.mark.parametrize("c", [1e-30, 1e30])
def test_levels_in_any_unit(c):
    y = torch.rand(2, 100, generator=torch.Generator().manual_seed(0))  # squares of c y leave single precision
    for noisy in (gaussian_noise_snr, gaussian_noise_relative):
        assert torch.allclose(noisy(c * y, 0.5) / c, noisy(y, 0.5), rtol=1e-5)
    assert torch.allclose(std_from_snr(c * y, 20.0) / c, std_from_snr(y, 20.0), rtol=1e-5)
    zero = torch.zeros(1, 5)
    assert torch.equal(gaussian_noise_relative(zero, 0.1), zero)


def test_integers_and_arrays_are_refused():
    for bad in (torch.ones(1, 3, dtype=torch.long), torch.ones(1, 3).numpy()):
        for noisy in (gaussian_noise, gaussian_noise_snr, gaussian_noise_relative, poisson_noise):
            with pytest.raises(TypeError, match="y"):
                noisy(bad, 1.0)  # pyright: ignore


def test_bad_arguments_are_named():
    for call, word in (
        (lambda: gaussian_noise(torch.zeros(3, 2), torch.ones(2)), "std"),
        (lambda: gaussian_noise(torch.zeros(0, 2), 1.0), "y"),
        (lambda: gaussian_noise_snr(torch.ones(1, 2), float("nan")), "snr_db"),
        (lambda: poisson_noise(torch.ones(1, 2), float("inf")), "photons"),
        (lambda: poisson_noise(torch.full((1, 2), float("inf")), 1.0), "y"),
        (lambda: gaussian_noise(torch.zeros(1, 2), -1.0), "std"),
        (lambda: gaussian_noise_relative(torch.zeros(1, 2), float("nan")), "delta"),
        (lambda: poisson_noise(torch.ones(1, 2), 0.0), "photons"),
        (lambda: transmission_noise(torch.ones(1, 2), -1.0), "photons"),
        (lambda: transmission_noise(torch.full((1, 2), float("nan")), 1.0), "y"),
        (lambda: poisson_noise(-torch.ones(1, 2), 1.0), "y"),
    ):
        with pytest.raises(ValueError, match=word):
            call()
