"""xUnit's claim at small scale: at equal parameters xNet above ConvNet; and the designs of its figure 6.

Gray images, sigma = 25; width 24; xNet (gates 9 x 9) of 3, 4 and 5 convolutions beside the ConvNet whose number of
convolutions brings it to at least as many parameters; three seeds, same crops and noise for both. Scores are PSNR on
BSD68's first 20 images, centre 128 x 128.

    python -m benchmarks.xunit_study --data DIR [--steps 800] [--designs]
"""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from denoisers import ConvNet, XNet

from .common import data_folder, parser, save, table
from .study import parameters, plot_lines, train_and_score

WIDTH = 24
DESIGNS = ("BN+RL+CD+BN+GS", "CD+GS", "RL+CD+BN+GS", "BN+RL+CD+BN+SG", "BN+RL+CD")


def matching(target: int) -> int:
    """Convolutions of the smallest ConvNet with at least ``target`` parameters."""
    return next(d for d in range(2, 60) if parameters(ConvNet(1, width=WIDTH, depth=d)) >= target)


def main() -> None:
    """Train, print, draw."""
    p = parser(__doc__)
    p.add_argument("--steps", type=int, default=800)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--depths", type=int, nargs="+", default=[3, 4, 5])
    p.add_argument("--designs", action="store_true", help="other gates instead of other depths")
    options = p.parse_args()
    images = data_folder(options.data, "bsd400_gray").images
    nets: list[tuple[str, Callable[[], nn.Module]]] = []
    if options.designs:
        nets += [(d, partial(XNet, 1, width=WIDTH, depth=4, design=d)) for d in DESIGNS]
        nets += [("ConvNet", partial(ConvNet, 1, width=WIDTH, depth=matching(parameters(nets[0][1]()))))]
    else:
        for depth in options.depths:
            nets += [("xNet", partial(XNet, 1, width=WIDTH, depth=depth))]
            nets += [("ConvNet", partial(ConvNet, 1, width=WIDTH, depth=matching(parameters(nets[-1][1]()))))]
    lines: dict[str, list[tuple[float, list[float]]]] = {}
    rows = []
    for name, build in nets:
        size = parameters(build())
        scores = [
            train_and_score(build, images, options.data, sigma=25 / 255, steps=options.steps, crop=40, batch=12, seed=s)
            for s in range(options.seeds)
        ]
        lines.setdefault(name, []).append((size, scores))
        spread = f"{min(scores):.2f} - {max(scores):.2f}"
        rows.append([name, size, statistics.mean(scores), spread])
        save(options.save, {f"{name}, {size} parameters, {options.steps} steps": scores})
        print(rows[-1], flush=True)
    print(table(rows, ["network", "parameters", "PSNR / dB", "seeds"]))
    name = "xunit-designs.png" if options.designs else "xunit-study.png"
    plot_lines(lines, Path("figures") / name, x="parameters", title=f"sigma = 25, {options.steps} steps")


if __name__ == "__main__":
    main()
