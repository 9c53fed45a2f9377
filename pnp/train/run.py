"""A training by recipe, from a folder of images to a weight file: checkpoints, validation, a log, and going on."""

import copy
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from denoisers.weights import load_weights, save_weights

from ..reconstructor import Reconstructor
from .checkpoint import fit_weights, load_checkpoint, save_checkpoint
from .evaluation import mean_scores, score
from .log import TrainingLog
from .loop import Trainer
from .recipes import Recipe

__all__ = ["save_trained", "train"]


def train(
    recipe: Recipe,
    data: str | Path | None,
    out: str | Path = "runs",
    *,
    valid: str | Path | None = None,
    start: str | Path | None = None,
    resume: bool = False,
    save_every: int = 500,
    skip_broken: bool = False,
    tensorboard: bool = False,
    accumulate: int = 1,
    fabric: Any = None,
) -> Path:
    """Train by ``recipe`` on the images in ``data`` (``None``: simulated, where the recipe can); returns the weight
    file, ``out/NAME-vVERSION.safetensors``.

    Every ``save_every`` steps ``out/NAME.pt`` takes the whole state and ``out/NAME.csv`` a row; with ``valid``, a
    folder of images, these are scored too, a picture is drawn, and the best weights so far are kept in
    ``out/NAME-best.safetensors``. With one process on the CPU a training that was stopped anywhere ends with the same
    bits as if it had not.

    Args:
        start: weight file of a network of the same kind to start from, instead of random weights.
        resume: go on from ``out/NAME.pt`` where there is one; without, such a file is an error.
        skip_broken: leave out files that cannot be read, with a warning.
        tensorboard: write TensorBoard's files to ``out/NAME``.
        accumulate, fabric: as in :class:`Trainer`.

    Raises:
        FileExistsError: a training of this name lies in ``out``. ValueError: it has other settings.
    """
    if save_every < 1:
        raise ValueError(f"save_every: expected a positive number of steps, got {save_every}")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f"{recipe.name}.pt"
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"{checkpoint} is there: go on from it (--resume), or choose another folder (--out)")
    images = recipe.read(data, skip_broken=skip_broken)
    torch.manual_seed(recipe.seed)
    model = recipe.build()
    card = recipe.card() | {
        "data": f"{len(images)} images" + (", simulated" if data is None else f" of {Path(data).name}")
    }
    if start is not None:
        card["start"] = _start_from(model, str(start), recipe)
    trainer = Trainer(
        model, recipe.task(images), optimizer=recipe.optimizer(model), schedule=recipe.rates(), clip=recipe.clip,
        average=recipe.average, accumulate=accumulate, fabric=fabric,
    )  # fmt: skip
    best = float("-inf")
    if checkpoint.exists():
        best = _go_on(trainer, load_checkpoint(checkpoint), recipe)
    leader = fabric is None or fabric.is_global_zero
    if leader:
        examples = None if valid is None else recipe.read(valid, skip_broken=skip_broken)
        board = out / recipe.name if tensorboard else None
        log = TrainingLog(out / f"{recipe.name}.csv", step=trainer.step, tensorboard=board)
        _lead(trainer, recipe, card, out, log, examples, save_every, best)
    else:
        for _ in trainer.run(recipe.steps):
            pass
    target = out / f"{recipe.name}-v{recipe.version}.safetensors"
    if leader:
        save_trained(target, model, trainer.averaged, card)
    return target


def _lead(
    trainer: Trainer,
    recipe: Recipe,
    card: dict,
    out: Path,
    log: TrainingLog,
    examples: Any,
    save_every: int,
    best: float,
) -> None:
    """The loop of the process that writes."""
    bar = tqdm(total=recipe.steps, initial=trainer.step, desc=recipe.name, mininterval=10)
    total, count, begin = 0.0, 0, time.perf_counter()
    for record in trainer.run(recipe.steps):
        bar.update()
        total, count = total + record.loss, count + 1
        if record.step % save_every and record.step != recipe.steps:
            continue
        row = {"loss": total / count, "rate": record.rate, "gradient": record.gradient}
        pace = count / (time.perf_counter() - begin)
        if examples is not None:
            model = _averaged(trainer)
            scores, pictures = score(model, recipe.examples(examples))
            mean = mean_scores(scores)
            row |= mean._asdict()
            log.picture(record.step, pictures)
            if mean.psnr > best:
                best = mean.psnr
                save_trained(out / f"{recipe.name}-best.safetensors", model, trainer.averaged, card)
        log.write(record.step, **row)
        save_checkpoint(
            out / f"{recipe.name}.pt",
            trainer.state_dict() | {"best": best, "recipe": recipe.describe(), "card": card},
        )
        bar.write(f"step {record.step}, {pace:.2f} steps/s, " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
        total, count, begin = 0.0, 0, time.perf_counter()
    bar.close()


def _averaged(trainer: Trainer) -> nn.Module:
    model = copy.deepcopy(trainer.model).cpu()
    model.load_state_dict(trainer.averaged)
    return model


def _start_from(model: nn.Module, start: str, recipe: Recipe) -> str:
    state, origin = load_weights(start, family=recipe.family)
    network = model.network if isinstance(model, Reconstructor) else model
    colours = recipe.channels == 3 and origin.get("channels") == 1
    network.load_state_dict(fit_weights(state, network.state_dict(), colours=colours))
    return f"{origin.get('name', Path(start).stem)}, {origin['sha256'][:12]}"


def _go_on(trainer: Trainer, state: dict[str, Any], recipe: Recipe) -> float:
    """Continue from a checkpoint; the best score so far."""
    old, new = ({k: v for k, v in d.items() if k != "steps"} for d in (state["recipe"], recipe.describe()))
    if old != new:
        names = sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))
        raise ValueError(f"resume: the checkpoint was made with other settings: {', '.join(names)}")
    trainer.load_state_dict(state)
    print(f"continuing {recipe.name} at step {trainer.step}")
    return float(state["best"])


def save_trained(path: str | Path, model: nn.Module, state: dict[str, Any], card: dict[str, Any]) -> None:
    """Write the weights ``state`` of ``model`` with their card."""
    if isinstance(model, Reconstructor):
        whole = copy.deepcopy(model).cpu()
        whole.load_state_dict(state)
        whole.save(path, card)
    else:
        save_weights(path, state, card)
