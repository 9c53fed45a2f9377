"""The network of masked photographs: its statistics by other means, and what its answers do not depend on."""

import math

import pytest
import torch

from operators import gaussian_noise, random_mask
from pnp import data
from pnp.noise_level.neighbours import neighbours
from pnp.noise_level.texture import TextureNet, textured


def masked(keep: float, side: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    there = random_mask((side, side), keep, seed=3)[None, None]
    return there * gaussian_noise(data.sample("camera")[..., 288 : 288 + side, 192 : 192 + side], 0.02, seed=1), there


@pytest.mark.parametrize("keep", [0.15, 0.5, 1.0])
def test_neighbours_by_other_means(keep):
    y, there = masked(keep, 48)
    told, unit, about = neighbours(y.double(), there.double())
    values = y[there].double()
    for row, column in ((24, 20), (9, 31), (0, 47)):
        assert bool(told[0, 0, row, column]) == bool(there[0, 0, row, column])
        for k, (side, level) in enumerate(zip((3, 5, 9, 17), told[0, 3:, row, column])):
            rows, columns = (slice(max(v - side // 2, 0), v + side // 2 + 1) for v in (row, column))
            near = y[0, 0, rows, columns][there[0, 0, rows, columns]].double()
            if len(near) < 2:
                assert level == 0
                continue
            assert level.item() == pytest.approx(float(near.std().log() - unit), rel=1e-6)
            if k in (1, 3) and bool(there[0, 0, row, column]):
                off = torch.asinh((y[0, 0, row, column] - near.mean()) / unit.exp())
                assert told[0, 1 + k // 2, row, column].item() == pytest.approx(off.item(), rel=1e-6)
    assert about[0, 0].item() == pytest.approx(math.log(len(values) / 48**2))
    assert about[0, 1].item() == pytest.approx(float(values.std(correction=0).log() - unit))


def test_network_knows_no_units():
    y, there = masked(0.4)
    network = TextureNet().double().eval()
    first, other = (network(v * there, there.double()) for v in (y.double(), 700 * y.double() + 30))
    assert torch.allclose(other - first, torch.tensor([[math.log(700), 0, 0]]).double(), atol=1e-6)


def test_answer_does_not_depend_on_how_the_image_lies_or_on_its_batch():
    y, there = masked(0.3)
    level = torch.tensor([0.05])
    found = textured(y, there, level)
    for turn in (lambda x: x.mT, lambda x: x.flip(-2, -1)):
        assert torch.allclose(torch.stack(textured(turn(y), turn(there), level)), torch.stack(found), rtol=1e-4)
    both = textured(torch.cat((y.flip(-1), y)), torch.cat((there.flip(-1), there)), level.expand(2))
    assert all(torch.equal(two[1:], one) for two, one in zip(both, found))
    colour = textured(y.expand(-1, 3, -1, -1), there.expand(-1, 3, -1, -1), level)
    assert torch.allclose(colour[0], found[0], rtol=1e-5) and bool((found[1] >= 1.1).all())


def test_large_images_are_judged_by_the_part_that_is_measured():
    there = torch.zeros(1, 1, 700, 600, dtype=torch.bool)
    there[..., 600:, 500:] = random_mask((100, 100), 0.5)
    y = there * torch.randn(1, 1, 700, 600, generator=torch.Generator().manual_seed(0))
    assert textured(y, there, torch.ones(1))[0].item() == pytest.approx(1, abs=0.15)
