"""How the papers draw their samples, and the recipes that bear their names."""

import pytest
import torch

from pnp.train import DenoiseCrops, DenoisePixels, Drawing
from pnp.train.recipes import RECIPES, DenoiserRecipe
from pnp.train.recipes.simulate import with_noise


def test_papers_ways_of_drawing():
    images = [torch.rand(1, 30, 40) for _ in range(2)]
    still = DenoiseCrops(
        images, crop=16, batch=8, sigmas=(0.5, 0.5), criterion=torch.nn.functional.mse_loss,
        drawing=Drawing(fixed=True, clipped=True),
    )  # fmt: skip
    (first, _), clean, _ = still.draw(0, range(8))
    (second, _), again, _ = still.draw(1, range(8))
    assert first.min() >= 0 and first.max() <= 1
    for x, y in zip(torch.cat((clean, again)), torch.cat((first, second))):
        number = next(i for i in range(2) if torch.equal(x, images[i][:, 7:23, 12:28]))  # the middle, as it is
        assert torch.equal(y, next(b for a, b in zip(clean, first) if torch.equal(a, images[number][:, 7:23, 12:28])))
    task = DenoisePixels(
        images, batch=4, pixels=8, corrupt=with_noise(0.1), crop=30,
        drawing=Drawing(orientations=1, shared=True, repeat=3),
    )  # fmt: skip
    steps = [task.draw(k, range(4)) for k in range(4)]
    assert all(torch.equal(place, drawn.given[1][0]) for drawn in steps for place in drawn.given[1])
    assert torch.equal(steps[0].given[0], steps[2].given[0]) and not torch.equal(steps[0].given[0], steps[3].given[0])
    assert not torch.equal(steps[0].given[1], steps[1].given[1])
    flips = DenoiseCrops(images[:1], crop=None, batch=16, sigmas=(0.1, 0.1), drawing=Drawing(orientations=2))
    seen = {tuple(x[0, 0, :2].tolist()) for x in flips.draw(0, range(16)).target}
    assert seen == {tuple(images[0][0, 0, :2].tolist()), tuple(images[0][0, 0, -2:].flip(0).tolist())}


def test_recipes_with_the_papers_names_have_their_settings():
    paper = RECIPES["xdncnn-paper-25"]
    assert isinstance(paper, DenoiserRecipe)
    assert (paper.batch, paper.crop, paper.betas, paper.rate) == (64, 80, (0.9, 0.999), 1e-3)
    assert paper.rates()(0) == 1 and paper.rates()(paper.steps) == pytest.approx(0.1)
    assert RECIPES["mixer-natural-rgb-30"].describe()["clipped"] and RECIPES["lofi-faces"].describe()["repeat"] == 3
    assert "fixed" not in RECIPES["lofi-mass"].describe()  # fresh noise there
    for name, recipe in RECIPES.items():  # those of shipped weights draw as they did
        if "natural" in name and name != "mixer-natural-rgb-30":
            assert recipe.drawing == Drawing(levels="ratio" if name.startswith("drunet") else "uniform")


def test_the_usual_way_of_drawing_has_the_same_numbers_as_ever():
    images = [torch.rand(1, 30, 40) for _ in range(2)]
    (given, level), target, _ = DenoiseCrops(images, crop=16, batch=2, sigmas=(0.1, 0.3)).draw(5, [1])
    g = torch.Generator().manual_seed(5 * 100_003 + 1)
    image = images[int(torch.randint(2, (1,), generator=g))]
    top, left, turn = (int(n * u) for n, u in zip((15, 25, 8), torch.rand(3, generator=g, dtype=torch.float64)))
    x = image[..., top : top + 16, left : left + 16].flip([a for bit, a in ((1, -1), (2, -2)) if turn & bit])
    x = x.transpose(-1, -2) if turn & 4 else x
    sigma = 0.1 + (0.3 - 0.1) * torch.rand((), generator=g)
    assert torch.equal(target[0], x) and torch.equal(level[0], sigma)
    assert torch.equal(given[0], x + sigma * torch.randn(x.shape, generator=g))
