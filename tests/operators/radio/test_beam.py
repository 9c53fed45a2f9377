"""Primary beams, frequencies, and Briggs' weights by WSClean's formula."""

import math

import pytest
import scipy.special
import torch

from operators import (
    PrimaryBeam,
    RadioInterferometry,
    Weighted,
    airy_beam,
    check,
    gaussian_beam,
    in_wavelengths,
    spectral_gain,
    uv_coverage,
    visibility_weights,
)  # fmt: skip
from tests.contracts import operator_laws

ARCSEC = math.pi / 180 / 3600


def test_beams_by_their_formulas():
    b = airy_beam(25.0, 1.4e9, (32, 40), cell=100.0)
    r = 100 * ARCSEC * math.hypot(7, 11)
    x = math.pi * 25 * 1.4e9 / 299_792_458 * r
    assert b[16 + 7, 20 - 11].item() == pytest.approx((2 * scipy.special.j1(x) / x) ** 2, rel=1e-9)
    g = gaussian_beam(2500.0, (32, 40), cell=100.0)
    assert g[16 + 7, 20 - 11].item() == pytest.approx(
        math.exp(-4 * math.log(2) * (100 * math.hypot(7, 11) / 2500) ** 2)
    )


def test_a_beam_is_an_operator_and_says_what_it_cannot_see():
    beam = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    operator_laws(PrimaryBeam(beam, cutoff=0), singles=[PrimaryBeam(b[None], cutoff=0) for b in beam])
    narrow = PrimaryBeam(gaussian_beam(40.0, (16, 16), cell=10.0))
    assert narrow.support is not None and 0.1 < narrow.support.double().mean() < 0.5
    op = RadioInterferometry(uv_coverage("vla-d", samples=1), (16, 16), cell=10.0) @ narrow
    assert op.field == "radio" and op.support is not None and check(op).ok
    x = torch.rand(1, 1, 16, 16)
    assert torch.allclose(op(x), op.outer(narrow.beam.float() * x)) and not narrow(x)[~narrow.support].any()
    assert PrimaryBeam(torch.ones(3, 3)).support is None


def test_a_sky_of_many_frequencies():
    g = torch.Generator().manual_seed(0)
    metres, nu = 900 * torch.randn(3, 20, generator=g, dtype=torch.float64), torch.tensor([1.0e9, 1.2e9, 1.5e9])
    uvw = in_wavelengths(metres, nu)
    assert torch.allclose(uvw[:, 3 * 7 + 2], metres[:, 7] * 1.5e9 / 299_792_458)
    op = Weighted(spectral_gain(nu, -0.7, 1.2e9, baselines=20)) @ RadioInterferometry(uvw[:2], (9, 9), cell=5.0)
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    x[..., 6, 3] = 2.0  # two pixels north, one east
    l, m, channel, baseline = 5 * ARCSEC, 10 * ARCSEC, 2, 7
    u, v = metres[:2, baseline] * 1.5e9 / 299_792_458
    expected = 2 * (1.5 / 1.2) ** -0.7 * torch.exp(-2j * torch.pi * (u * l + v * m))
    assert abs(op(x)[0, 0, 3 * baseline + channel] - expected) < 1e-9


def wsclean(uv, weights, cell, size, robust):
    """Briggs' weights as WSClean grids them: cells 1 / (size of the image) wide, samples moved to v >= 0."""
    du = 1 / (size * cell * ARCSEC)
    grid, places = {}, []
    for u, v, w in zip(*uv.tolist(), weights.tolist()):
        iu, iv = round(u / du), round(v / du)
        place = max((iv, iu), (-iv, -iu))
        places.append(place)
        grid[place] = grid.get(place, 0.0) + w
    average = sum(w * w for w in grid.values()) / sum(weights.tolist())
    f2 = (5 * 10**-robust) ** 2 / average
    return torch.tensor([w / (1 + grid[place] * f2) for w, place in zip(weights.tolist(), places)], dtype=torch.float64)


@pytest.mark.parametrize("robust", [-2.0, -0.5, 0.0, 0.5, 2.0])
def test_briggs_weights_are_those_of_wsclean(robust):
    uv = uv_coverage("meerkat", samples=1)
    weights = 0.2 + torch.rand(uv.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    op = RadioInterferometry(uv, (64, 64), cell=2.5)
    ours = visibility_weights(op.points, (64, 64), "briggs", robust=robust, natural=weights)
    theirs = wsclean(uv, weights, 2.5, 64, robust)
    assert ((ours - theirs).abs() / theirs).max() < 1e-5


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: PrimaryBeam(-torch.ones(3, 3)), "beam"),
        (lambda: PrimaryBeam(torch.zeros(3, 3)), "beam"),
        (lambda: PrimaryBeam(torch.ones(3, 3), cutoff=1.0), "cutoff"),
        (lambda: gaussian_beam(0.0, (3, 3), cell=1.0), "fwhm"),
        (lambda: airy_beam(25.0, -1.0, (3, 3), cell=1.0), "frequency"),
        (lambda: in_wavelengths(torch.ones(3), torch.ones(1)), "baselines"),
        (lambda: in_wavelengths(torch.ones(2, 3), torch.zeros(1)), "frequencies"),
        (lambda: spectral_gain(torch.ones(1), 0.0, 0.0), "reference"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
