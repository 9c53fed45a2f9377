"""The averaged weights of a checkpoint as a weight file; prints it."""

import argparse
from pathlib import Path

from denoisers.weights import mismatch

from ..train.by_recipe import save_trained
from ..train.checkpoint import check_kept, load_checkpoint
from ..train.evaluation import recipe_of
from .common import put

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("checkpoint", help="NAME.pt of a training")
    p.add_argument("--to", help="weight file; default: beside the checkpoint, as NAME-stepN.safetensors")
    p.add_argument("--force", action="store_true", help="replace a file of that name")


def run(given: argparse.Namespace) -> None:
    """Export."""
    path = Path(given.checkpoint)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    state = load_checkpoint(path)
    check_kept(state)
    recipe = recipe_of(state["card"], path.name)
    model = recipe.build()
    if wrong := mismatch(state["averaged"], model.state_dict()):
        raise ValueError(f"{path.name}: not of the network of the recipe {recipe.name}, {wrong}")
    target = given.to or path.with_name(f"{path.stem}-step{state['step']}.safetensors")
    card = state["card"] | {"steps made": state["step"]}
    save_trained(target, model, state["averaged"], card, overwrite=given.force)
    put(given, target, file=str(target))
