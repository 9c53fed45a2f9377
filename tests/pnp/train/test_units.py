"""Images and noise levels that do not belong to each other are refused before the training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pnp.train import DenoiseCrops, Drawing, evaluate, train
from pnp.train.recipes import RECIPES

from .training import FAST, draw_pictures

IMAGES = [torch.rand(1, 20, 20)]


@pytest.mark.parametrize("scale", [65535.0, 255.0, -3.0, 1e-5])
def test_images_far_from_the_unit_range_are_refused_or_normalised(scale, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for i in range(2):
        np.save(data / f"{i}.npy", (scale * np.random.default_rng(i).random((20, 20))).astype(np.float32))
    with pytest.raises(ValueError, match=r"0\.npy: values .*normalise"):
        train(FAST, data, tmp_path / "out")
    weights = train(replace(FAST, normalise=True), data, tmp_path / "out")
    assert 10 < evaluate(weights, data)[0].psnr < 60  # as of images in [0, 1]
    assert len(RECIPES["lofi-galaxies"].read(data)) == 2  # its noise follows the images


def test_evaluation_of_other_units_is_refused(tmp_path):
    weights = train(FAST, draw_pictures(tmp_path), tmp_path / "out")
    (tmp_path / "words").mkdir()
    np.save(tmp_path / "words" / "a.npy", np.full((20, 20), 40_000, np.uint16))
    with pytest.raises(ValueError, match=r"a\.npy: values from 4e\+04"):
        evaluate(weights, tmp_path / "words")


def test_dark_and_constant_images_among_others_are_fine(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 20), np.float32))
    np.save(tmp_path / "b.npy", np.random.default_rng(0).random((20, 20), np.float32))
    assert len(FAST.read(tmp_path)) == 2


@pytest.mark.parametrize(
    ("sigmas", "word"),
    [
        ((5, 50), r"50, in the units of images that reach 1; 50 gray levels are 50 / 255"),
        ((1, 5), "gray levels"),
        ((0.2, 0.01), "lowest <= highest"),
        ((-0.1, 0.1), "lowest <= highest"),
        ((0.0, 0.0), "lowest <= highest"),
        ((0.1, float("nan")), "lowest <= highest"),
        ((0.1,), "the lowest and the highest"),
        (0.1, "the lowest and the highest"),
        (("a", "b"), "the lowest and the highest"),
    ],
)
@pytest.mark.parametrize("images", [IMAGES, [(255 * IMAGES[0]).byte()]])
def test_noise_levels(sigmas, word, images):
    images[0].view(-1)[0] = images[0].new_tensor(255 if images[0].dtype == torch.uint8 else 1)
    with pytest.raises(ValueError, match=f"sigmas: .*{word}"):
        DenoiseCrops(images, crop=8, batch=1, sigmas=sigmas)


def test_noise_levels_in_other_units():
    hounsfield = [2000 * IMAGES[0] - 1000]
    assert DenoiseCrops(hounsfield, crop=8, batch=1, sigmas=(5, 50)).draw(0, [0]).target.shape == (1, 1, 8, 8)
    with pytest.warns(RuntimeWarning, match="sigmas: at most 0.1, in the units of images that reach"):
        DenoiseCrops(hounsfield, crop=8, batch=1, sigmas=(0.0, 0.1))
    with pytest.raises(ValueError, match="0 < lowest"):
        DenoiseCrops(IMAGES, crop=8, batch=1, sigmas=(0.0, 0.1), drawing=Drawing(levels="ratio"))
