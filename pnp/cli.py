"""The command ``pnp``: train by recipe, evaluate what was trained, turn a checkpoint into weights."""

import argparse
import math
from typing import Any

import torch

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Command line; ``python -m pnp`` is the same."""
    parser = argparse.ArgumentParser(prog="pnp", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _train_options(commands.add_parser("train", help="train a network by a recipe", description=_train.__doc__))
    p = commands.add_parser("evaluate", help="score trained weights", description=_evaluate.__doc__)
    p.add_argument("weights", help="weight file that a recipe made")
    p.add_argument("--data", required=True, help="folder of clean images")
    p.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")
    p = commands.add_parser("export", help="weights from a checkpoint", description=_export.__doc__)
    p.add_argument("checkpoint", help="NAME.pt of a training")
    p.add_argument("--to", help="weight file; default: beside the checkpoint, as NAME-stepN.safetensors")
    p.add_argument("--force", action="store_true", help="replace a file of that name")
    options = parser.parse_args(arguments)
    try:
        {"train": _train, "evaluate": _evaluate, "export": _export}[options.command](options)
    except (OSError, ValueError, ImportError, FloatingPointError) as error:
        parser.exit(2, f"pnp {options.command}: {error}\n")
    except KeyboardInterrupt as interrupt:
        status = 128 + getattr(interrupt, "number", 2)
        parser.exit(status, f"pnp {options.command}: {interrupt or 'stopped'}\n")


def _train_options(p: argparse.ArgumentParser) -> None:
    from .train.loop import PRECISIONS
    from .train.recipes import RECIPES

    p.add_argument("recipe", choices=sorted(RECIPES), metavar="RECIPE", help=", ".join(sorted(RECIPES)))
    p.add_argument("--data", nargs="+", help="folders of training images; recipes that simulate theirs need none")
    p.add_argument("--valid", help="folder of other images, scored at every checkpoint")
    p.add_argument("--out", default="runs", help="folder for checkpoints, log and weights (default: runs)")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in the folder, if there is one")
    p.add_argument("--start", help="weight file of a network of the same kind to start from")
    p.add_argument("--steps", type=int, help="number of steps in all, instead of the recipe's")
    p.add_argument("--batch", type=int, help="samples a step, instead of the recipe's")
    p.add_argument("--rate", type=float, help="learning rate, instead of the recipe's; lower where --start has learnt")
    p.add_argument("--save-every", type=int, default=500, help="steps between checkpoints (default: 500)")
    p.add_argument("--threads", type=int, help="CPU threads; bit-for-bit resuming wants the same number")
    p.add_argument("--devices", type=int, default=1, help="processes, one a device (default: 1)")
    p.add_argument("--nodes", type=int, default=1, help="machines of that many devices each (default: 1)")
    p.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    p.add_argument("--precision", choices=("auto", *PRECISIONS), help="of the training, instead of the recipe's")
    p.add_argument("--accumulate", type=int, default=1, help="shares of a batch taken one after the other")
    p.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files as well")
    p.add_argument("--normalise", action="store_true", help="map each image to [0, 1], from its extremes")
    p.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read or are too small")
    p.add_argument("--tiny", action="store_true", help="a few steps, to try the recipe out")


def _fabric(options: argparse.Namespace, precision: Any) -> Any:
    """Lightning Fabric where it is needed; plain PyTorch on one CPU."""
    from .train.loop import settled_precision

    cuda = options.accelerator in ("auto", "cuda") and torch.cuda.is_available()
    precision = settled_precision(precision, torch.device("cuda" if cuda else "cpu"))
    plain = options.devices == options.nodes == 1 and precision == "32-true"
    if plain and (options.accelerator == "cpu" or (options.accelerator == "auto" and not torch.cuda.is_available())):
        return None
    try:
        from lightning import Fabric
    except ImportError as error:
        raise ImportError(
            "other devices, precisions and processes need lightning: pip install 'pnp-imaging[train]'"
        ) from error
    try:
        fabric = Fabric(
            accelerator=options.accelerator,
            devices=options.devices,
            num_nodes=options.nodes,
            precision=precision,
        )
    except RuntimeError as error:  # what Fabric says of devices that are not there
        raise ValueError(f"--accelerator, --devices: {error}") from error
    fabric.launch()
    return fabric


def _train(options: argparse.Namespace) -> None:
    """Train by a recipe; prints the weight file. Recipes: pnp/train/recipes."""
    from dataclasses import replace

    from .train import train
    from .train.recipes import RECIPES

    for name in ("steps", "batch", "save_every", "threads", "devices", "nodes", "accumulate"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')}: expected a positive number, got {value}")
    if options.rate is not None and not options.rate > 0:
        raise ValueError(f"--rate: expected a positive number, got {options.rate}")
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = RECIPES[options.recipe].tiny() if options.tiny else RECIPES[options.recipe]
    changes = {
        name: getattr(options, name) for name in ("steps", "batch", "rate", "normalise") if getattr(options, name)
    }
    recipe = replace(recipe, **changes)
    fabric = _fabric(options, options.precision or recipe.precision)
    path = train(
        recipe, options.data, options.out, valid=options.valid, start=options.start, resume=options.resume,
        save_every=options.save_every, skip_broken=options.skip_broken, tensorboard=options.tensorboard,
        accumulate=options.accumulate, fabric=fabric,
    )  # fmt: skip
    if fabric is None or fabric.is_global_zero:
        print(path)


def _evaluate(options: argparse.Namespace) -> None:
    """PSNR and SSIM of trained weights on images that are spoilt or measured as in the training."""
    from .train.evaluation import evaluate, mean_scores

    scores = evaluate(options.weights, options.data, skip_broken=options.skip_broken)
    mean = mean_scores(scores)
    before = "" if math.isnan(mean.input_psnr) else f"input {mean.input_psnr:.2f} dB, "
    print(f"{len(scores)} images: {before}answer {mean.psnr:.2f} dB, SSIM {mean.ssim:.4f}")


def _export(options: argparse.Namespace) -> None:
    """The averaged weights of a checkpoint as a weight file."""
    from pathlib import Path

    from denoisers.weights.filling import mismatch

    from .train.by_recipe import save_trained
    from .train.checkpoint import check_kept, load_checkpoint
    from .train.evaluation import recipe_of

    path = Path(options.checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    state = load_checkpoint(path)
    check_kept(state)
    model = (recipe := recipe_of(state["card"], path.name)).build()
    if wrong := mismatch(state["averaged"], model.state_dict()):
        raise ValueError(f"{path.name}: not of the network of the recipe {recipe.name}, {wrong}")
    target = options.to or path.with_name(f"{path.stem}-step{state['step']}.safetensors")
    card = state["card"] | {"steps made": state["step"]}
    save_trained(target, model, state["averaged"], card, overwrite=options.force)
    print(target)
