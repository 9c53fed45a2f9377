"""Train by a recipe; prints the weight file. `pnp recipes` lists them."""

import argparse
from dataclasses import fields, replace
from typing import Any

import torch

from ..train import train
from ..train.loop import PRECISIONS, settled_precision
from ..train.one_device import OneDevice
from ..train.recipes import RECIPES, Recipe
from .common import level, put

__all__ = ["options", "run"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """A time, ``90``, ``90s``, ``30m``, ``1.5h``, ``2d``, in seconds.

    >>> seconds("1.5h")
    5400.0
    """
    try:
        value = float(text.rstrip("smhd")) * _UNITS[text[-1] if text[-1:] in _UNITS else "s"]
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 30m or 1.5h, got {text!r}")
    return value


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("recipe", choices=sorted(RECIPES), metavar="RECIPE", help=", ".join(sorted(RECIPES)))
    p.add_argument("--data", nargs="+", help="folders of training images; recipes that simulate theirs need none")
    p.add_argument("--recursive", action="store_true", help="images in the folders below, too")
    p.add_argument("--valid", help="folder of other images, scored at every checkpoint")
    p.add_argument("--out", default="runs", help="folder for checkpoints, log and weights (default: runs)")
    p.add_argument("--resume", action="store_true", help="continue from the checkpoint in the folder, if there is one")
    p.add_argument("--start", help="weight file of a network of the same kind to start from")
    p.add_argument("--steps", type=int, help="number of steps in all, instead of the recipe's")
    p.add_argument("--time", type=seconds, help="end after this time, 90s, 30m, 1.5h, with checkpoint and weights")
    p.add_argument("--batch", type=int, help="samples per step, instead of the recipe's")
    p.add_argument("--rate", type=float, help="learning rate, instead of the recipe's; lower where --start has learnt")
    p.add_argument("--sigma", type=level, nargs="+", help="noise level, or lowest and highest, such as 5/255 50/255, "
                   "instead of the recipe's")  # fmt: skip
    p.add_argument("--crop", type=int, help="side of the crops in pixels, instead of the recipe's")
    p.add_argument("--seed", type=int, help="of everything random, instead of the recipe's")
    p.add_argument("--save-every", type=int, default=500, help="steps between checkpoints (default: 500)")
    p.add_argument("--threads", type=int, help="CPU threads; bit-for-bit resuming wants the same number")
    p.add_argument("--devices", type=int, default=1, help="processes, one per device (default: 1)")
    p.add_argument("--nodes", type=int, default=1, help="machines of that many devices each (default: 1)")
    p.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    p.add_argument("--precision", choices=("auto", *PRECISIONS), help="of the training, instead of the recipe's")
    p.add_argument("--accumulate", type=int, default=1, help="shares of a batch taken one after the other")
    p.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files as well")
    p.add_argument("--normalise", action="store_true", help="map each image to [0, 1], from its extremes")
    p.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read or are too small")
    p.add_argument("--tiny", action="store_true", help="a few steps, to try the recipe out")


def run(given: argparse.Namespace) -> None:
    """Train."""
    for name in ("steps", "batch", "crop", "save_every", "threads", "devices", "nodes", "accumulate"):
        value = getattr(given, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')}: expected a positive number, got {value}")
    if given.rate is not None and not 0 < given.rate < float("inf"):
        raise ValueError(f"--rate: expected a positive number, got {given.rate}")
    if given.threads:
        torch.set_num_threads(given.threads)
    recipe = _changed(RECIPES[given.recipe].tiny() if given.tiny else RECIPES[given.recipe], given)
    fabric = _fabric(given, given.precision or recipe.precision)
    path = train(
        recipe, given.data, given.out, valid=given.valid, start=given.start, resume=given.resume,
        save_every=given.save_every, skip_broken=given.skip_broken, tensorboard=given.tensorboard,
        accumulate=given.accumulate, fabric=fabric, seconds=given.time, quiet=given.quiet,
    )  # fmt: skip
    if fabric is None or fabric.is_global_zero:
        put(given, path, file=str(path))


def _changed(recipe: Recipe, given: argparse.Namespace) -> Recipe:
    """The recipe with the user's settings.

    Raises:
        ValueError: the recipe has no such setting.
    """
    names = ("steps", "batch", "rate", "crop", "seed")
    changes: dict[str, Any] = {n: getattr(given, n) for n in names if getattr(given, n) is not None}
    changes |= {n: True for n in ("normalise", "recursive") if getattr(given, n)}
    if given.sigma is not None:
        if len(given.sigma) > 2:
            raise ValueError(f"--sigma: expected one level, or the lowest and the highest, got {len(given.sigma)}")
        changes["sigmas"] = (given.sigma[0], given.sigma[-1])
    known = {f.name for f in fields(recipe)}
    for name in changes:
        if name not in known:
            raise ValueError(f"--{name.removesuffix('s')}: {recipe.name} has no such setting")
    return replace(recipe, **changes)


def _fabric(given: argparse.Namespace, precision: Any) -> Any:
    """Lightning Fabric for several processes and precisions that take it; plain PyTorch for one process."""
    cuda = given.accelerator in ("auto", "cuda") and torch.cuda.is_available()
    precision = settled_precision(precision, torch.device("cuda" if cuda else "cpu"))
    plain = given.devices == given.nodes == 1 and precision == "32-true"
    if plain and (given.accelerator == "cpu" or (given.accelerator == "auto" and not torch.cuda.is_available())):
        return None
    if cuda and given.devices == given.nodes == 1 and precision in ("32-true", "bf16-mixed"):
        return OneDevice("cuda", precision)
    try:
        from lightning import Fabric
    except ImportError as error:
        raise ImportError(
            "other devices, precisions and processes need lightning: pip install 'pnp-imaging[train]'"
        ) from error
    try:
        fabric = Fabric(
            accelerator=given.accelerator, devices=given.devices, num_nodes=given.nodes, precision=precision
        )
    except RuntimeError as error:  # what Fabric says of devices that are not there
        raise ValueError(f"--accelerator, --devices: {error}") from error
    fabric.launch()
    return fabric
