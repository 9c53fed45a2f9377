"""How well a trained model does on examples: scores of its input and of its answer."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from denoisers.weights import family_of, load_weights
from denoisers.weights.filling import fill

from ..metrics import psnr, ssim
from ..reconstructor import Reconstructor
from .recipes import RECIPES, Recipe
from .tasks.base import Drawn

__all__ = ["Scores", "evaluate", "load_trained", "recipe_of", "score"]


class Scores(NamedTuple):
    """PSNR in dB and SSIM of an answer; PSNR of what the model was given, NaN where this is no such image."""

    psnr: float
    ssim: float
    input_psnr: float


def _picture(x: Tensor) -> Tensor:
    return x.abs() if x.is_complex() else x


@torch.no_grad()
def score(model: nn.Module, examples: Iterable[Drawn]) -> tuple[list[Scores], list[Tensor]]:
    """Scores of each example, on the span of its target, and the pictures of the first: input, answer, target."""
    found, pictures = [], []
    model.eval()
    for given, target, _ in examples:
        answer, truth = _picture(model(*given)), _picture(target)
        seen = given[0]
        if isinstance(model, Reconstructor):
            images = [model.image(seen)] if isinstance(seen, Tensor) else [model.image(y, op) for y, op in zip(*given)]
            seen = torch.cat(images)
        seen = _picture(seen)
        span = (truth.amax() - truth.amin()).clamp_min(torch.finfo(truth.dtype).tiny)
        comparable = seen.shape == truth.shape
        before = float(psnr(seen, truth, data_range=span).mean()) if comparable else float("nan")
        small = min(truth.shape[-2:]) < 7
        alike = float("nan") if small else float(ssim(answer, truth, data_range=span).mean())
        found.append(Scores(float(psnr(answer, truth, data_range=span).mean()), alike, before))
        if not pictures:
            pictures = [seen[0], answer[0], truth[0]] if comparable else [answer[0], truth[0]]
    return found, pictures


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Means over the examples."""
    return Scores(*(statistics.fmean(column) for column in zip(*scores)))


def recipe_of(card: dict[str, Any], source: str) -> Recipe:
    """The recipe that made what ``card`` describes; ``source`` is its name for errors.

    Raises:
        ValueError: the card names none that is there.
    """
    name = str(card.get("name", "")) if isinstance(card, dict) else ""
    recipe = RECIPES.get(name.removesuffix("-tiny"))
    if recipe is None:
        raise ValueError(f"{source}: made by no recipe that is there (name {name!r} in its card)")
    recipe = recipe.tiny() if name.endswith("-tiny") else recipe
    settings = card.get("recipe")
    known = settings if isinstance(settings, dict) else {}
    return replace(recipe, normalise=known.get("normalise", recipe.normalise))


def load_trained(weights: str | Path) -> tuple[nn.Module, Recipe]:
    """The model of a weight file that a recipe made, and the recipe.

    Raises:
        ValueError: the file is damaged, no weight file, or its card names no recipe. FileNotFoundError: no such file.
    """
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    state, card = load_weights(str(path.resolve()), family=family_of(path))
    recipe = recipe_of(card, path.name)
    model = recipe.build()
    fill(model.network if isinstance(model, Reconstructor) else model, state, path.name)
    return model.eval(), recipe


def evaluate(weights: str | Path, data: str | Path, *, skip_broken: bool = False) -> list[Scores]:
    """Scores of a weight file on each image of a folder, measured or spoilt as in its training."""
    model, recipe = load_trained(weights)
    return score(model, recipe.examples(recipe.read(data, skip_broken=skip_broken, whole=True)))[0]
