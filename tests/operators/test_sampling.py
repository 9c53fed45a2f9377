"""Sampling masks and coil maps."""

import pytest
import torch
from scipy.spatial import KDTree

from operators import equispaced_columns, estimate_coil_maps, fft2c, poisson_disc, random_columns


def test_random_columns_share_and_centre():
    shares = [random_columns((4, 320), 4.0, 0.08, seed=s).float().mean().item() for s in range(200)]
    assert sum(shares) / 200 == pytest.approx(0.25, abs=0.01)
    mask = random_columns((4, 320), 4.0, 0.08)
    assert bool(mask[:, 147:173].all()) and torch.equal(mask[0], mask[3])
    assert torch.equal(mask, random_columns((4, 320), 4.0, 0.08))


@pytest.mark.parametrize(("width", "acceleration"), [(320, 4.0), (368, 8.0), (181, 3.0)])
def test_equispaced_columns_have_the_acceleration(width, acceleration):
    for offset in (0, 1, 2):
        share = equispaced_columns((4, width), acceleration, 0.04, offset=offset)[0].float().mean().item()
        assert share * acceleration == pytest.approx(1, abs=0.06)


def test_poisson_disc_keeps_its_distance():
    mask = poisson_disc((96, 96), 8.0, calibration=12, slope=0.5, seed=1)
    assert mask.float().mean().item() * 8 == pytest.approx(1, abs=0.05)
    outside = mask.clone()
    outside[40:56, 40:56] = False
    places = outside.nonzero().double().numpy()
    assert KDTree(places).query(places, k=2)[0][:, 1].min() >= 2.0
    assert bool(mask[43:54, 43:54].all())


def test_bad_arguments_are_named():
    for call, word in (
        (lambda: random_columns((4, 8), 0.5), "acceleration"),
        (lambda: equispaced_columns((4, 8), 4.0, 0.5), "center_fraction"),
        (lambda: poisson_disc((32, 32), 8.0, calibration=30), "calibration"),
        (lambda: estimate_coil_maps(torch.zeros(1, 2, 32, 32, dtype=torch.complex64)), "kspace"),
        (lambda: estimate_coil_maps(torch.zeros(1, 2, 16, 32, dtype=torch.complex64)), "calibration"),
        (lambda: estimate_coil_maps(torch.zeros(2, 32, 32)), "kspace"),
    ):
        with pytest.raises(ValueError, match=word):
            call()


def test_coil_maps_are_recovered():
    n = 48
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, n, dtype=torch.float64)] * 2, indexing="ij")
    centres = [(-0.9, -0.9), (-0.9, 0.9), (0.9, 0.0), (0.3, 0.8)]
    true = torch.stack([
        torch.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 2 + 1j * (r * rows + c * columns)) for r, c in centres
    ])  # fmt: skip
    true = true / true.abs().square().sum(0).sqrt()
    x = ((rows**2 + columns**2) < 0.7) * (1 + 0.5 * torch.cos(6 * rows) * torch.cos(5 * columns)) + 0j
    maps = estimate_coil_maps(fft2c(true * x)[None], calibration=24)[0]
    object_ = x.abs() > 0.3
    assert bool((maps.abs().square().sum(0)[object_] - 1).abs().max() < 1e-3)
    agreement = (maps.conj() * true).sum(0).abs()[object_]  # one where they agree up to a phase
    assert agreement.min() > 0.98 and agreement.mean() > 0.998
