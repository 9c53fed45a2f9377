"""Trains the weights that ship again, each within a time on one CUDA device: to be stopped and run again at will.

How many steps fit is measured once for a recipe, by its first ones, and kept in OUT/steps.json, so that the rate falls
to its end in time; checkpoints are continued. It needs torch and this repository; data sets lie in the folders of
--data, recipes that simulate theirs need none.

    python -m benchmarks.gpu_train --data DIR [--recipes NAME ...] [--minutes 25] [--out runs] [--device cuda]
"""

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pnp.train import Trainer, train
from pnp.train.loop import settled_precision
from pnp.train.one_device import OneDevice
from pnp.train.recipes import RECIPES, Recipe

from .common import table

SETS = {  # of a recipe's name the beginning: folders of images, and of images to be scored
    "drunet-ct": (["ct"], None),
    "drunet-radio": (["galaxies_radio"], None),
    "drunet-natural-gray": (["bsds400_color", "natural_more"], "bsd68"),
    "drunet-natural-rgb": (["bsds400_color", "natural_more"], "cbsd68"),
    "lofi-natural-gray": (["bsds400_color"], "bsd68"),
    "lofi-natural-rgb": (["bsds400_color"], "cbsd68"),
    "mixer-natural-gray": (["bsd400_gray"], "bsd68"),
    "mixer-natural-rgb": (["bsds400_color"], "cbsd68"),
    "xdncnn-natural-gray": (["bsds400_color"], "bsd68"),
    "xdncnn-natural-rgb": (["bsds400_color"], "cbsd68"),
    "mass": (None, None),
}
SHIPPED = (
    "drunet-ct-fast", "drunet-natural-gray-accurate", "drunet-natural-gray-fast", "drunet-natural-rgb-fast",
    "drunet-radio-fast", "lofi-natural-gray", "lofi-natural-gray-fast", "lofi-natural-rgb", "mass-field",
    "mass-field-prior", "mass-lognormal", "mixer-natural-gray-small", "mixer-natural-rgb-30-small",
    "xdncnn-natural-gray", "xdncnn-natural-gray-25", "xdncnn-natural-gray-50", "xdncnn-natural-rgb",
    "xdncnn-natural-rgb-25", "xdncnn-natural-rgb-50",
)  # fmt: skip
_TRIED = 10  # steps


def main(arguments: list[str] | None = None) -> None:
    """Train, print what was made."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", default=os.environ.get("PNP_DATA"), help="folder of the data sets (or set PNP_DATA)")
    p.add_argument("--recipes", nargs="+", default=[*SHIPPED], choices=sorted(RECIPES), metavar="NAME")
    p.add_argument("--minutes", type=float, default=25, help="for each (default: 25)")
    p.add_argument("--out", default="runs")
    p.add_argument("--device", default="cuda")
    p.add_argument("--tiny", action="store_true", help="a few steps of each, to see that everything runs")
    options = p.parse_args(arguments)
    rows = []
    for name in options.recipes:
        begin = time.perf_counter()
        try:
            path, steps = one(RECIPES[name].tiny() if options.tiny else RECIPES[name], options)
            rows.append([name, str(path), steps, f"{(time.perf_counter() - begin) / 60:.1f}"])
        except (FileNotFoundError, ValueError) as error:  # data that are not there
            rows.append([name, str(error).splitlines()[0], 0, ""])
        print(rows[-1], flush=True)
    print(table(rows, ["recipe", "weights", "steps", "minutes"]))


def one(recipe: Recipe, options: Any) -> tuple[Path, int]:
    """The weight file of a recipe, and the steps that it took."""
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    sets, scored = next(v for k, v in SETS.items() if recipe.name.startswith(k))
    data = None if sets is None else [Path(options.data or ".") / s for s in sets]
    valid = None if scored is None or options.data is None else Path(options.data) / scored
    precision = settled_precision(getattr(recipe, "precision", "32-true"), torch.device(options.device))
    fabric = OneDevice(options.device, precision)
    recipe = replace(recipe, steps=_steps(recipe, data, fabric, 60 * options.minutes, out / "steps.json"))
    path = out / f"{recipe.name}-v{recipe.version}.safetensors"
    checkpoint = out / f"{recipe.name}.pt"
    if path.exists() and not checkpoint.exists():
        return path, recipe.steps
    each = max(1, recipe.steps // 10)
    return train(recipe, data, out, valid=valid, resume=True, save_every=each, fabric=fabric), recipe.steps


def _steps(recipe: Recipe, data: list[Path] | None, fabric: OneDevice, seconds: float, kept: Path) -> int:
    """Steps that fit into so many seconds, an eighth of which is for scores; those of an earlier run are taken."""
    known = json.loads(kept.read_text()) if kept.exists() else {}
    if recipe.name not in known:
        images = [image for folder in data or [None] for image in recipe.read(folder)]
        torch.manual_seed(recipe.seed)
        model = recipe.build()
        trainer = Trainer(model, recipe.task(images), optimizer=recipe.optimizer(model), fabric=fabric)
        list(trainer.run(_TRIED // 2))
        begin = time.perf_counter()
        list(trainer.run(_TRIED))
        pace = (_TRIED - _TRIED // 2) / (time.perf_counter() - begin)
        known[recipe.name] = max(1, min(recipe.steps, int(0.875 * seconds * pace)))
        kept.write_text(json.dumps(known, indent=1) + "\n")
    return known[recipe.name]


if __name__ == "__main__":
    main()
