"""``python -m pnp.train RECIPE --data DIR``: train a denoiser by its recipe; run it again to go on after a stop."""

import argparse
import time
from pathlib import Path

import torch
from tqdm import tqdm

from denoisers.weights import load_weights, save_weights

from .checkpoint import fit_weights, load_checkpoint, save_checkpoint
from .images import ImageFolder
from .loop import Trainer, warmup_stable_decay
from .recipes import RECIPES, DenoiserRecipe
from .tasks import denoise_crops

__all__ = ["main", "train_denoiser"]


def train_denoiser(
    recipe: DenoiserRecipe, data: str | Path, out: str | Path, *, start: str | Path | None = None, save_every: int = 500
) -> Path:
    """Train by ``recipe`` on the images in ``data``, from random weights or those of the file ``start``; returns the
    weight file.

    Checkpoints go to ``out/NAME.pt`` every ``save_every`` steps; where one lies already, training continues from
    it, and on the CPU ends with the same bits as if it had never stopped.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    folder = ImageFolder(data, channels=recipe.channels)
    torch.manual_seed(recipe.seed)
    model = recipe.build()
    card = _card(recipe, folder)
    if start is not None:
        state, origin = load_weights(str(start), family=recipe.family)
        model.load_state_dict(fit_weights(state, model.state_dict()))
        card["start"] = f"{origin.get('name', Path(start).stem)}, {origin['sha256'][:12]}"
    loss = denoise_crops(
        folder.images, crop=recipe.crop, batch=recipe.batch, sigmas=recipe.sigmas, seed=recipe.seed
    )  # fmt: skip
    schedule = warmup_stable_decay(recipe.steps, decay=recipe.decay)
    trainer = Trainer(model, loss, rate=recipe.rate, schedule=schedule, clip=recipe.clip, average=recipe.average)
    checkpoint = out / f"{recipe.name}.pt"
    if checkpoint.exists():
        trainer.load_state_dict(load_checkpoint(checkpoint))
        print(f"continuing {recipe.name} at step {trainer.step}")
    _loop(trainer, recipe, checkpoint, save_every)
    target = out / f"{recipe.name}-v{recipe.version}.safetensors"
    save_weights(target, trainer.averaged, card)
    return target


def _loop(trainer: Trainer, recipe: DenoiserRecipe, checkpoint: Path, save_every: int) -> None:
    bar = tqdm(total=recipe.steps, initial=trainer.step, desc=recipe.name, mininterval=10)
    total, count, start = 0.0, 0, time.perf_counter()
    for record in trainer.run(recipe.steps):
        bar.update()
        total, count = total + record.loss, count + 1
        if record.step % save_every == 0 or record.step == recipe.steps:
            save_checkpoint(checkpoint, trainer.state_dict())
            pace = count / (time.perf_counter() - start)
            bar.write(f"step {record.step} loss {total / count:.6f} rate {record.rate:.2e} {pace:.2f} steps/s")
            total, count, start = 0.0, 0, time.perf_counter()
    bar.close()


def _card(recipe: DenoiserRecipe, folder: ImageFolder) -> dict:
    return {
        "family": recipe.family,
        "name": recipe.name,
        "preset": recipe.preset,
        "channels": recipe.channels,
        "sigma_range": [0.0 if recipe.sigmas[0] < recipe.sigmas[1] else recipe.sigmas[0], recipe.sigmas[1]],
        "recipe": recipe.describe(),
        "data": f"{len(folder)} images, {folder.names[0]} ... {folder.names[-1]}",
        "pixels_seen": recipe.steps * recipe.batch * recipe.crop**2,
    }


def main(arguments: list[str] | None = None) -> None:
    """Command line of the training."""
    parser = argparse.ArgumentParser(prog="python -m pnp.train", description=__doc__)
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--data", required=True, help="folder of training images")
    parser.add_argument("--start", help="weight file of a network of the same kind to start from")
    parser.add_argument("--out", default="runs", help="folder for checkpoints and weights (default: runs)")
    parser.add_argument("--steps", type=int, help="number of steps in all, instead of the recipe's")
    parser.add_argument("--threads", type=int, help="CPU threads; bit-for-bit resuming wants the same number")
    parser.add_argument("--tiny", action="store_true", help="a few steps on small crops, to try the recipe out")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = RECIPES[options.recipe].tiny() if options.tiny else RECIPES[options.recipe]
    if options.steps:
        recipe = recipe.with_steps(options.steps)
    try:
        print(train_denoiser(recipe, options.data, options.out, start=options.start))
    except (OSError, ValueError, ImportError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()
