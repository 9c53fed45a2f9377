"""PSNR and SSIM of trained weights on images that are corrupted or measured as in the training, a line each."""

import argparse
import math
from pathlib import Path

from ..io.writing import write_images
from ..train.evaluation import evaluated, mean_scores
from .common import level, weight_file

__all__ = ["options", "run"]


def options(p: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    p.add_argument("weights", help="weight file that a recipe made, or the name of shipped weights (`pnp info`)")
    p.add_argument("--data", required=True, help="folder of clean images")
    p.add_argument("--sigma", type=level, nargs="+", help="noise levels, 0.1 or 25/255 (default: the middle of the "
                   "training's); of denoisers")  # fmt: skip
    p.add_argument("--to", help="folder for the answers, as PNG")
    p.add_argument("--recursive", action="store_true", help="images in the folders below, too")
    p.add_argument("--skip-broken", action="store_true", help="leave out files that cannot be read")
    p.add_argument("--force", action="store_true", help="replace answers that are there")


def run(given: argparse.Namespace) -> None:
    """Score every image at every level; the means come last."""
    for sigma in given.sigma or [None]:
        found = evaluated(
            weight_file(given.weights), given.data, sigma=sigma, skip_broken=given.skip_broken,
            recursive=given.recursive,
        )  # fmt: skip
        scores, at = [], "" if sigma is None else f"sigma {sigma:.4g}, "
        if not given.quiet:
            print("| image | input, dB | answer, dB | SSIM |\n|---|---|---|---|")
        for number, (name, one, picture) in enumerate(found):
            scores.append(one)
            if not given.quiet:
                print(f"| {name} | {one.input_psnr:.2f} | {one.psnr:.2f} | {one.ssim:.4f} |")
            if given.to is not None:
                Path(given.to).mkdir(parents=True, exist_ok=True)
                level_name = "" if sigma is None else f"-{sigma:.4f}"
                place = Path(given.to) / f"{number}-{Path(name).stem}{level_name}.png"
                write_images(place, [picture], overwrite=given.force)
        mean = mean_scores(scores)
        before = "" if math.isnan(mean.input_psnr) else f"input {mean.input_psnr:.2f} dB, "
        print(f"{at}{len(scores)} images: {before}answer {mean.psnr:.2f} dB, SSIM {mean.ssim:.4f}")
