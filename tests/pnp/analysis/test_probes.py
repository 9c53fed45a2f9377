"""Lattices of probes: apart in every axis, and not where undersampling folds an image onto itself."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import MRI, Downsampling, VolumeMRI
from pnp import Expert, PnPADMM, Stop, data_support, uncertainty
from pnp.analysis.probes import diagonal, lattices

SHAPES = [(1, 32, 32), (1, 30, 45), (3, 24, 24), (1, 8, 16, 16), (2, 13, 26), (1, 1, 17), (40,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("draws", [4, 9, 16, 25, 64])
def test_pixels_of_a_lattice_lie_apart(shape, draws):
    count, factors = lattices(shape, draws)
    place = sum(
        (c * torch.arange(n)).reshape(-1, *[1] * (len(shape) - 1 - k)) for k, (n, c) in enumerate(zip(shape, factors))
    )
    pixels = torch.nonzero(torch.as_tensor(place).expand(shape) % count == 0).double()
    apart = torch.cdist(pixels, pixels).fill_diagonal_(math.inf).min() if len(pixels) > 1 else torch.tensor(math.inf)
    axes = sum(n > 1 for n in shape)
    assert min(draws / 2, math.prod(shape)) <= count <= draws
    assert float(apart) >= min(0.8 * count ** (1 / axes), 2**0.5)  # of few lattices the next pixels are diagonal
    assert count < 7 or float(apart) >= 0.8 * count ** (1 / axes)


@settings(max_examples=40, deadline=None)
@given(st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)), st.integers(1, 60))
def test_all_lattices_together_are_the_image(shape, draws):
    x = torch.rand(1, *shape, dtype=torch.float64)
    found = diagonal(lambda v: x * v, torch.ones(1, *shape, dtype=torch.float64), draws=draws)
    torch.testing.assert_close(found, x)
    assert lattices(shape, draws)[0] <= draws


@pytest.mark.parametrize("size", [16, 18, 24, 30])
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("axis", [-2, -1])
def test_resolution_of_regular_undersampling_is_even(size, factor, axis):
    """Each pixel is folded onto others a half or a third of the image away: they share what is measured."""
    mask = torch.zeros(size, size, dtype=torch.bool)
    mask.transpose(axis, -1)[:, ::factor] = True
    kept = float(mask.double().mean())
    resolution = data_support(MRI(mask)).resolution
    if size % factor == 0:
        torch.testing.assert_close(resolution, torch.full_like(resolution, kept), rtol=0, atol=1e-4)


def test_slices_and_colours_are_apart():
    """Neighbours along the depth share what is measured, as those within a slice do."""
    mask = torch.zeros(16, 8, 4, dtype=torch.bool)
    mask[::2] = True
    resolution = data_support(VolumeMRI(mask)).resolution
    torch.testing.assert_close(resolution, torch.full_like(resolution, 0.5), rtol=0, atol=1e-4)

    def mixed(v):  # each colour, and half of the others
        return v + v.sum(1, keepdim=True) / 2

    found = diagonal(mixed, torch.ones(1, 3, 12, 12), draws=16)
    torch.testing.assert_close(found, torch.full_like(found, 1.5))


def test_posterior_deviations_of_folded_pixels():
    n, noise = 12, 0.1
    mask = torch.zeros(n, n, dtype=torch.bool)
    mask[:, ::2] = True
    op = MRI(mask)

    def prior(x, sigma: Any):  # of unit variance
        return x / (1 + torch.as_tensor(sigma, dtype=x.real.dtype).reshape(-1, 1, 1, 1) ** 2)

    y = op.A(torch.randn(1, 1, n, n, dtype=torch.complex128, generator=torch.Generator().manual_seed(0)))
    solver = PnPADMM(op, prior, noise_std=noise, calibration=None, stop=Stop(1e-7, 3000), expert=Expert(1.0, 1.0))
    expected = math.sqrt((1 / (1 + 1 / noise**2) + 1) / 2)  # half of the frequencies are measured
    for draws in (16, 25):
        std = uncertainty(solver, y, method="laplace", draws=draws, part="parts").std
        parts = torch.view_as_real(std) if std.is_complex() else std
        torch.testing.assert_close(parts, torch.full_like(parts, expected), rtol=1e-3, atol=0)


def test_coarse_pixels_stay_as_they_were():
    resolution = data_support(Downsampling(2, (16, 16)), draws=25).resolution
    assert float(resolution.mean()) == pytest.approx(0.25, abs=0.02)
