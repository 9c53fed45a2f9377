"""PSNR and SSIM of trained weights on images that are corrupted or measured as in the training, a line each.

--to writes the answers, --figure a sheet of the worst one: input, answer, truth and errors.
"""

import argparse
import math
from pathlib import Path
from typing import Any

from torch import Tensor

from denoisers.weights.writing import new_folder, refuse_existing, refuse_unwritable

from ..io.writing import write_images
from ..plot import show
from ..train.evaluation import evaluated, mean_scores
from .common import level, put, weight_file

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("weights", help="weight file that a recipe made, or the name of shipped weights (`pnp info`)")
    p.add_argument("--data", required=True, help="folder of clean images")
    p.add_argument("--sigma", type=level, nargs="+", help="noise levels, 0.1 or 25/255 (default: the middle of the "
                   "training's); of denoisers")  # fmt: skip
    p.add_argument("--to", "--out", dest="to", help="folder for the answers, as PNG")
    p.add_argument("--figure", help="file for a sheet of the image with the least PSNR, with errors")
    p.add_argument("--recursive", action="store_true", help="images in the folders below, too")
    p.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")
    p.add_argument("--force", action="store_true", help="replace answers that are there")


def run(given: argparse.Namespace) -> None:
    """Score every image at every level; the means come last."""
    if given.figure is not None:
        refuse_existing(given.figure, overwrite=given.force)
        refuse_unwritable(given.figure)
    to = None if given.to is None else new_folder("--to", given.to)
    worst: tuple[float, list[Tensor]] | None = None
    for sigma in given.sigma or [None]:
        found = evaluated(
            weight_file(given.weights), given.data, sigma=sigma, skip_broken=given.skip_broken,
            recursive=given.recursive,
        )  # fmt: skip
        scores, at = [], "" if sigma is None else f"sigma {sigma:.4g}, "
        rows: list[dict[str, Any]] = []
        for number, (name, one, pictures) in enumerate(found):
            scores.append(one)
            rows.append({"image": name, **one._asdict()})
            if not given.quiet:
                if not number:
                    put(given, "| image | input, dB | answer, dB | SSIM |\n|---|---|---|---|")
                put(given, f"| {name} | {one.input_psnr:.2f} | {one.psnr:.2f} | {one.ssim:.4f} |")
            if worst is None or one.psnr < worst[0]:
                worst = (one.psnr, pictures)
            if to is not None:
                level_name = "" if sigma is None else f"-{sigma:.4f}"
                place = to / f"{number}-{Path(name).stem}{level_name}.png"
                write_images(place, [pictures[-2]], overwrite=given.force)
        mean = mean_scores(scores)
        before = "" if math.isnan(mean.input_psnr) else f"input {mean.input_psnr:.2f} dB, "
        words = f"{at}{len(scores)} images: {before}answer {mean.psnr:.2f} dB, SSIM {mean.ssim:.4f}"
        put(given, words, levels=[{"sigma": sigma, "mean": mean._asdict(), "images": rows}])
    if given.figure is not None and worst is not None:
        pictures = [p[None] for p in worst[1]]
        names = ("input", "answer") if len(pictures) == 3 else ("answer",)
        show(dict(zip(names, pictures, strict=False)), ref=pictures[-1], path=given.figure)
        put(given, given.figure, figure=given.figure)
