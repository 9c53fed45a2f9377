"""The recipes of `pnp train`, or the settings of one."""

import argparse
import json

from ..train.recipes import RECIPES
from .common import put

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("recipe", nargs="?", choices=sorted(RECIPES), metavar="RECIPE", help="print its settings")


def run(given: argparse.Namespace) -> None:
    """Print them."""
    if given.recipe is not None:
        card = RECIPES[given.recipe].card()
        put(given, json.dumps(card, indent=1), recipe=card)
        return
    for name, recipe in sorted(RECIPES.items()):
        colour = "colour" if recipe.channels == 3 else "gray"
        put(
            given, f"{name:28} {recipe.family:13} {colour:6} {recipe.steps:>6} steps of {recipe.batch}",
            recipes=[{"name": name, **recipe.card()}],
        )  # fmt: skip
