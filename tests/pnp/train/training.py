"""What the tests of training share: a folder of pictures, a quick recipe, a task of one sample."""

from pathlib import Path

import pytest
import torch

from denoisers.weights import load_weights
from pnp.train import Drawn, Task
from pnp.train.recipes import RECIPES

FAST = RECIPES["lofi-natural-gray-fast"].tiny()


def draw_pictures(folder: Path) -> Path:
    """Three gray pictures of 40 x 50 pixels."""
    image = pytest.importorskip("PIL.Image")
    for i in range(3):
        rows = torch.arange(40)[:, None] * (i + 2) + torch.arange(50)
        image.fromarray((rows % 256).to(torch.uint8).numpy()).save(folder / f"{i}.png")
    return folder


class Ones(Task):
    """Two ones, of which two zeros are to be made."""

    def draw(self, step, samples):
        return Drawn((torch.ones(1, 2),), torch.zeros(1, 2))


def card_of(path) -> dict:
    return load_weights(str(path), family="lofi")[1]
