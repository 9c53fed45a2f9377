"""Sampling masks: share, distances, repeatability."""

import pytest
import torch
from scipy.spatial import KDTree

from operators import equispaced_columns, poisson_disc, random_columns


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
    ):
        with pytest.raises(ValueError, match=word):
            call()
