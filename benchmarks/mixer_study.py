"""Mixer, U-Net and ViT of similar size over the number of training images, trained equally long.

Gray squares of 64 x 64, sigma = 30, about 0.37 million parameters each; scores are PSNR on BSD68's first 20 images,
centre 128 x 128 (Mixer and ViT in overlapping squares).

    python -m benchmarks.mixer_study --data DIR [--steps 600] [--counts 4 20 100 400]
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from denoisers import Img2ImgMixer, UNet, ViT

from .common import data_folder, parser, save, table
from .study import parameters, plot_lines, train_and_score

NETWORKS: dict[str, tuple[Callable[[], nn.Module], float]] = {  # and their learning rates
    "Mixer": (partial(Img2ImgMixer, 64, 1, width=64, depth=8, factor=4), 1e-3),
    "U-Net": (partial(UNet, 1, width=14, poolings=3), 1e-3),
    "ViT": (partial(ViT, 64, 1, patch=8, width=96, depth=3, heads=6), 1e-3),
}


def main() -> None:
    """Train, print, draw."""
    p = parser(__doc__)
    p.add_argument("--steps", type=int, default=600)
    p.add_argument("--seeds", type=int, default=1)
    p.add_argument("--counts", type=int, nargs="+", default=[4, 20, 100, 400])
    options = p.parse_args()
    images = data_folder(options.data, "bsd400_gray").images
    lines: dict[str, list[tuple[float, list[float]]]] = {}
    rows = []
    for name, (build, rate) in NETWORKS.items():
        for count in options.counts:
            scores = [
                train_and_score(
                    build, images[:count], options.data, sigma=30 / 255, steps=options.steps, crop=64, batch=8,
                    seed=s, rate=rate,
                )
                for s in range(options.seeds)
            ]  # fmt: skip
            lines.setdefault(name, []).append((count, scores))
            rows.append([name, parameters(build()), count, statistics.mean(scores)])
            save(options.save, {f"{name}, {count} images, {options.steps} steps": scores})
            print(rows[-1], flush=True)
    print(table(rows, ["network", "parameters", "images", "PSNR / dB"]))
    title = f"sigma = 30, {options.steps} steps"
    plot_lines(lines, Path("figures") / "mixer-study.png", x="training images", title=title, log=True)


if __name__ == "__main__":
    main()
