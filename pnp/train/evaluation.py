"""How well a trained model does on examples: scores of its input and of its answer."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from denoisers.weights import family_of, load_weights
from denoisers.weights.filling import fill

from ..io import image_files
from ..metrics import psnr, ssim
from ..reconstructor import Reconstructor
from .recipes import RECIPES, DenoiserRecipe, Recipe
from .tasks.base import Drawn, device_of, moved

__all__ = ["Scores", "evaluate", "evaluated", "load_trained", "recipe_of", "score"]


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
    for example in examples:
        given, target, _ = moved(example, device_of(model, torch.device("cpu")))
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
            pictures = [v[0].cpu() for v in ((seen, answer, truth) if comparable else (answer, truth))]
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
    """Scores of a weight file on each image of a folder, measured or corrupted as in its training."""
    return [scores for _, scores, _ in evaluated(weights, data, skip_broken=skip_broken)]


def evaluated(
    weights: str | Path,
    data: str | Path,
    *,
    sigma: float | None = None,
    skip_broken: bool = False,
    recursive: bool = False,
) -> Iterator[tuple[str, Scores, list[Tensor]]]:
    """The same, one image after the other, with its name (its number, where files do not hold one image each) and the
    pictures of :func:`score`; ``sigma``: noise level of a denoiser, instead of the middle of its training's.

    Raises:
        ValueError: ``sigma`` for what is not a denoiser, or outside the levels of its training.
    """
    model, recipe = load_trained(weights)
    if sigma is not None:
        if not isinstance(recipe, DenoiserRecipe):
            raise ValueError(f"sigma: {recipe.name} does not denoise images of any level")
        low, high = recipe.sigmas
        if not low / 1.001 <= sigma <= high * 1.001:
            raise ValueError(f"sigma: {sigma:.4g}, but {recipe.name} was trained for {low:.4g} to {high:.4g}")
        recipe = replace(recipe, sigmas=(sigma, sigma))
    images = replace(recipe, recursive=recursive).read(data, skip_broken=skip_broken, whole=True)
    files = [f.relative_to(data).as_posix() for f in image_files(data, recursive=recursive)]
    names = files if len(files) == len(images) else [str(number) for number in range(len(images))]
    for name, example in zip(names, recipe.examples(images)):
        (scores,), pictures = score(model, [example])
        yield name, scores, pictures
