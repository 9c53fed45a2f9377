"""Denoisers that learn the answers of a better one."""

from dataclasses import replace

import pytest
import torch

from denoisers import DRUNetDenoiser, LoFiDenoiser
from pnp.train import DenoiseCrops, Trainer, train
from pnp.train.muon import Muon
from pnp.train.recipes import RECIPES
from pnp.train.tasks.taught import Taught

from .training import draw_pictures


def crops(seed: int = 0, **others) -> DenoiseCrops:
    images = [torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    return DenoiseCrops(images, **{"crop": 24, "batch": 4, "sigmas": (0.05, 0.2), "seed": seed} | others)


class Shrink(torch.nn.Module):
    """A multiple of the image."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))

    def forward(self, x, sigma):
        return self.factor * x


def test_the_teacher_is_learned_whatever_the_images_are():
    teacher = Shrink(0.3)
    task = Taught(crops(), teacher)
    model = Shrink(1.0)
    trainer = Trainer(model, task, optimizer=torch.optim.Adam(model.parameters(), lr=0.02), average=0.0)
    losses = [record.loss for record in trainer.run(150)]
    assert float(model.factor.detach()) == pytest.approx(0.3, abs=1e-3) and losses[-1] < 1e-6 < losses[0]
    assert float(teacher.factor) == pytest.approx(0.3) and not teacher.factor.requires_grad and not teacher.training


def test_samples_levels_and_weights_are_those_of_the_task():
    plain, taught = crops(), Taught(crops(), Shrink(0.5))
    a, b = plain.draw(3, range(4)), taught.draw(3, range(4))
    torch.testing.assert_close(a, b)
    model = Shrink(0.8)
    noisy, level = b.given
    by_hand = ((0.3 * noisy).square().flatten(1).mean(1) / level).mean()
    torch.testing.assert_close(taught.loss(model, b), by_hand)


@pytest.mark.parametrize("name", ["lofi-natural-gray-taught", "lofi-natural-rgb-taught"])
def test_recipes_of_taught_fields(name, tmp_path):
    recipe = RECIPES[name].tiny()
    model = recipe.build()
    assert isinstance(model, LoFiDenoiser) and model.channels == recipe.channels
    optimizer = recipe.optimizer(model)
    assert isinstance(optimizer, Muon)
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    assert sizes[0] == len(model.fields) - 1 and sum(sizes) == len(list(model.parameters()))
    task = recipe.task([torch.rand(recipe.channels, 24, 24)] * 2)
    assert isinstance(task, Taught) and isinstance(task.teacher, DRUNetDenoiser)
    drawn = task.draw(0, range(2))
    with torch.no_grad():
        assert float(task.loss(task.teacher, drawn)) == pytest.approx(0, abs=1e-9)
    path = train(replace(recipe, steps=2), draw_pictures(tmp_path), tmp_path / "out", quiet=True)
    assert LoFiDenoiser(str(path)).card["recipe"]["teacher"] == name.removeprefix("lofi-").removesuffix("-taught")
