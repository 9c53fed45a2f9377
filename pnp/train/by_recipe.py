"""A training by recipe, from a folder of images to a weight file: checkpoints, validation, a log, and resuming."""

import copy
import hashlib
import math
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from denoisers.networks.drunet import DRUNet
from denoisers.weights import load_weights, save_weights
from denoisers.weights.writing import new_folder, refuse_existing, remove_partial
from denoisers.wrappers.gradient_step import GradientStep

from ..io.measurement import Measurement
from ..reconstructor import Reconstructor
from .checkpoint import Interrupted, alone, check_kept, fit_weights, interruptible, load_checkpoint, save_checkpoint
from .evaluation import mean_scores, score
from .log import TrainingLog
from .loop import Record, Trainer
from .recipes import DenoiserRecipe, Recipe
from .wider import is_twin, is_wider, twinned, widened

__all__ = ["save_trained", "train"]


def train(
    recipe: Recipe,
    data: str | Path | Sequence[str | Path] | None,
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
    seconds: float | None = None,
    quiet: bool = False,
) -> Path:
    """Train by ``recipe`` on the images in ``data``, a folder or several (``None``: simulated, where the recipe can);
    returns the weight file, ``out/NAME-vVERSION.safetensors``.

    Every ``save_every`` steps ``out/NAME.pt`` takes the whole state and ``out/NAME.csv`` a row; with ``valid``, a
    folder of images, these are scored too, a picture is drawn, and the best weights so far are kept in
    ``out/NAME-best.safetensors``. With one process on the CPU a training that was stopped anywhere ends with the same
    bits as if it had not. Ctrl-C and SIGTERM end it after the step, with a checkpoint and ``KeyboardInterrupt``; again
    at once. Only one process trains a NAME in ``out`` at a time.

    Args:
        start: weight file of a network of the same kind to start from, instead of random weights.
        resume: continue from ``out/NAME.pt`` where there is one, with the same images (by their content) and settings
            (``steps`` may grow, processes may become more or fewer); without, such a file is an error.
        skip_broken: leave out files that cannot be read or are too small, with a warning.
        tensorboard: write TensorBoard's files to ``out/NAME``.
        accumulate, fabric: as in :class:`Trainer`.
        seconds: end after the step in which this time has passed, with a checkpoint and the weights as they are then.
        quiet: no progress and no lines of checkpoints on the error stream.

    Raises:
        FileExistsError: a training of this name, or its weights, lie in ``out``, or another process trains there.
        ValueError: it has other settings, images or beginnings, or has made more steps than are asked for.
    """
    begin = time.monotonic()
    if save_every < 1:
        raise ValueError(f"save_every: expected a positive number of steps, got {save_every}")
    if seconds is not None and not seconds > 0:
        raise ValueError(f"seconds: expected a positive time, got {seconds}")
    folders = [data] if data is None or isinstance(data, str | Path) else [*data]
    if not folders:
        raise ValueError("data: expected a folder, or several, got none")
    out = new_folder("out", out)
    leader = fabric is None or fabric.is_global_zero
    with alone(out / f"{recipe.name}.lock") if leader else nullcontext():
        found = _found(recipe, out, resume=resume, leader=leader)
        images = [image for folder in folders for image in recipe.read(folder, skip_broken=skip_broken)]
        torch.manual_seed(recipe.seed)
        model = recipe.build()
        card = recipe.card()
        names = ", simulated" if folders[0] is None else f" of {', '.join(Path(str(f)).name for f in folders)}"
        card["data"] = f"{len(images)} images" + names
        if start is not None:
            card["start"] = _start_from(model, str(start), recipe)
        trainer = Trainer(
            model, recipe.task(images), optimizer=recipe.optimizer(model), schedule=recipe.rates(), clip=recipe.clip,
            average=recipe.average, accumulate=accumulate, fabric=fabric,
        )  # fmt: skip
        settings = recipe.describe() | {
            "images": "simulated" if folders[0] is None else _content(images),
            "accumulate": accumulate,
            "precision": trainer.precision,
        }
        keeper = _Keeper(trainer, recipe, out, card, settings, quiet=quiet)
        if found is not None:
            keeper.go_on(found, given=start is not None)
        if leader:
            examples = None if valid is None else recipe.read(valid, skip_broken=skip_broken, whole=True)
            keeper.open(examples, out / recipe.name if tensorboard else None)
        until = math.inf if seconds is None else begin + seconds
        _run(trainer, recipe.steps, save_every, keeper if leader else None, until=until)
        if leader:
            made = {} if trainer.step == recipe.steps else {"steps made": trainer.step}
            save_trained(_weights(recipe, out), model, trainer.averaged, keeper.card | made)
    return _weights(recipe, out)


def _weights(recipe: Recipe, out: Path) -> Path:
    return out / f"{recipe.name}-v{recipe.version}.safetensors"


def _found(recipe: Recipe, out: Path, *, resume: bool, leader: bool) -> dict[str, Any] | None:
    """The checkpoint of an earlier training, if there is one; without, there may not be weights of one either."""
    checkpoint, best = out / f"{recipe.name}.pt", out / f"{recipe.name}-best.safetensors"
    if leader:
        for path in (checkpoint, best, _weights(recipe, out), out / f"{recipe.name}.csv"):
            remove_partial(path)
    if checkpoint.exists():
        if not resume:
            raise FileExistsError(f"{checkpoint} is there: continue it (--resume), or choose another folder (--out)")
        return load_checkpoint(checkpoint)
    for path in (best, _weights(recipe, out)) if leader else ():
        if path.exists():
            raise FileExistsError(f"{path} is there, without its checkpoint: choose another folder (--out)")
    return None


def _run(trainer: Trainer, steps: int, save_every: int, keeper: "_Keeper | None", *, until: float) -> None:
    """The loop of a process; the one that writes has a keeper. It ends after the step in which the clock passes
    ``until``."""
    with interruptible() as caught:
        for record in trainer.run(steps):
            stopped = trainer.agree(bool(caught))
            late = trainer.agree(until < math.inf and time.monotonic() >= until)
            if keeper is not None:
                due = record.step % save_every == 0 or record.step == steps
                keeper.note(record, due=due, stopped=stopped or late)
            if stopped and keeper is None:
                raise SystemExit(130)  # one process says it
            if stopped:
                raise Interrupted(f"stopped after step {record.step}; --resume continues from there", *caught[:1])
            if late:
                break


class _Keeper:
    """What is written beside a training: rows, pictures, the best weights, checkpoints."""

    def __init__(
        self,
        trainer: Trainer,
        recipe: Recipe,
        out: Path,
        card: dict[str, Any],
        settings: dict[str, Any],
        *,
        quiet: bool,
    ) -> None:
        self.trainer, self.recipe, self.out, self.card, self.settings = trainer, recipe, out, card, settings
        self.quiet = quiet
        self.best, self.total, self.count = float("-inf"), 0.0, 0

    def go_on(self, state: dict[str, Any], *, given: bool) -> None:
        """Continue from a checkpoint, whose card says where the training began; ``given``: the user says so too."""
        check_kept(state)
        later = {k: self.settings[k] for k in ("images", "accumulate", "precision")}  # older checkpoints lack them
        saved = later | state["recipe"]
        names = [k for k in sorted(saved.keys() | self.settings.keys()) if saved.get(k) != self.settings.get(k)]
        old, new = state["card"], self.card
        if "images" in names:
            raise ValueError(f"resume: the checkpoint was made of other images: {old.get('data')}, now {new['data']}")
        if names := [k for k in names if k != "steps"]:
            raise ValueError(f"resume: the checkpoint was made with other settings: {', '.join(names)}")
        if given and old.get("start") != new["start"]:
            began = old.get("start", "random weights")
            raise ValueError(f"start: the checkpoint began from {began}, not {new['start']}; leave --start out")
        if state["step"] > self.recipe.steps:
            raise ValueError(f"steps: the checkpoint has made {state['step']} already, got {self.recipe.steps}")
        kept = ("data", "start", "valid") if state["step"] == self.recipe.steps else ("data", "start")
        self.card |= {name: old[name] for name in kept if name in old}
        self.trainer.load_state_dict(state)
        self.best, self.total, self.count = float(state["best"]), *state.get("since", (0.0, 0))
        if not self.quiet:
            print(f"continuing {self.recipe.name} at step {self.trainer.step}", file=sys.stderr)

    def open(self, examples: Any, board: Path | None) -> None:
        """Begin to write; ``examples`` are scored at every checkpoint."""
        self.examples = examples
        self.log = TrainingLog(self.out / f"{self.recipe.name}.csv", step=self.trainer.step, tensorboard=board)
        self.bar = tqdm(total=self.recipe.steps, initial=self.trainer.step, desc=self.recipe.name, mininterval=10,
                        disable=self.quiet)  # fmt: skip
        self.begin, self.first = time.perf_counter(), self.count

    def note(self, record: Record, *, due: bool, stopped: bool) -> None:
        """A step was made; write a row where it is ``due``, and a checkpoint then, or where the training stops."""
        self.bar.update()
        self.total, self.count = self.total + record.loss, self.count + 1
        if due:
            self._report(record)
        if due or stopped:
            extra = {"best": self.best, "since": [self.total, self.count], "recipe": self.settings, "card": self.card}
            save_checkpoint(self.out / f"{self.recipe.name}.pt", self.trainer.state_dict() | extra)
        if stopped or record.step == self.recipe.steps:
            self.bar.close()

    def _report(self, record: Record) -> None:
        row = {"loss": self.total / self.count, "rate": record.rate, "gradient": record.gradient}
        pace = (self.count - self.first) / (time.perf_counter() - self.begin)
        if self.examples is not None:
            row |= self._scores(record.step)
        self.log.write(record.step, **row)
        words = ", ".join(f"{k} {v:.4g}" for k, v in row.items())
        if not self.quiet:
            self.bar.write(f"step {record.step}, {pace:.2f} steps/s, {words}", file=sys.stderr)
        self.total, self.count, self.first, self.begin = 0.0, 0, 0, time.perf_counter()

    def _scores(self, step: int) -> dict[str, float]:
        """Scores of the averaged weights, which the card takes."""
        model = _averaged(self.trainer)
        scores, pictures = score(model, self.recipe.examples(self.examples))
        mean = mean_scores(scores)
        self.log.picture(step, pictures)
        judged = self.recipe.judge(model, self.examples)
        told = {"psnr": round(mean.psnr, 3), "ssim": round(mean.ssim, 4), "images": len(scores), "step": step}
        told |= {name: round(value, 3) for name, value in judged.items()}
        self.card["valid"] = {name: value for name, value in told.items() if not math.isnan(value)}
        decides = judged.get("solver", mean.psnr)
        if decides > self.best:
            self.best = decides
            save_trained(self.out / f"{self.recipe.name}-best.safetensors", model, self.trainer.averaged, self.card)
        return mean._asdict() | judged


def _content(images: Sequence[Any]) -> str:
    """Hash of the images, or pairs of them, in their order: shapes, types, values; not their files."""
    digest = hashlib.sha256()
    for image in images:
        parts = image.y if isinstance(image, Measurement) else image
        for part in (parts,) if isinstance(parts, torch.Tensor) else parts:
            digest.update(f"{tuple(part.shape)} {part.dtype}".encode())
            digest.update(part.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _averaged(trainer: Trainer) -> nn.Module:
    model = copy.deepcopy(trainer.model)
    model.load_state_dict(trainer.averaged)
    return model


def _start_from(model: nn.Module, start: str, recipe: Recipe) -> str:
    state, origin = load_weights(start, family=recipe.family)
    network = model.network if isinstance(model, Reconstructor) else _inner(model)
    colours = recipe.channels == 3 and origin.get("channels") == 1
    low, high = recipe.sigmas if isinstance(recipe, DenoiserRecipe) else (0, 1)
    level = low if low == high else None
    unshuffle = next((m.unshuffle for m in network.modules() if isinstance(m, DRUNet)), 1)
    if is_twin(network, state):
        fitted = twinned(network, state)
    elif is_wider(network, state):
        fitted = widened(network, state, seed=recipe.seed)
    else:
        fitted = fit_weights(state, network.state_dict(), colours=colours, level=level, unshuffle=unshuffle)
    network.load_state_dict(fitted)
    return f"{origin.get('name', Path(start).stem)}, {origin['sha256'][:12]}"


def save_trained(
    path: str | Path, model: nn.Module, state: dict[str, Any], card: dict[str, Any], *, overwrite: bool = True
) -> None:
    """Write the weights ``state`` of ``model`` with their card."""
    if isinstance(model, Reconstructor):
        whole = copy.deepcopy(model).cpu()
        whole.load_state_dict(state)
        whole.save(path, card, overwrite=overwrite)
    else:
        refuse_existing(path, overwrite=overwrite)
        own = state if _inner(model) is model else {name.removeprefix("denoiser."): v for name, v in state.items()}
        save_weights(path, own, card, overwrite=overwrite)


def _inner(model: nn.Module) -> nn.Module:
    """The network whose weights are kept: that inside of a gradient step."""
    return model.denoiser if isinstance(model, GradientStep) else model
