"""How far the noise estimate of masked images is off, and whether it says so.

Forty photographs of ``bsds400_color`` that ``benchmarks.noise_texture`` does not train with, in gray, and as many
drawings, each four times, seen by masks that keep 5 to 95 % of the pixels of 192 x 192 or 96 x 96, noise of 0.005 to
0.3 of the peak, evenly in logarithms. How many estimates are within the goal, how many of the true levels lie within
the factor of ``pnp.noise_doubt``, and of how many estimates, within the goal and beyond it, a report would say that
they are unsure. The same of forty photographs of the training: what is missed of these, a network that has seen more
photographs would miss, too. ``benchmarks.noise_levels`` tells the same of its grid.

    python -m benchmarks.noise_doubt --data DIR [--images 40]
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from operators import Inpainting, gaussian_noise, random_mask
from pnp.noise_level.doubt import DOUBTFUL
from pnp.noise_level.estimate import judged

from .common import data_folder, parser, table
from .noise_levels import LEAST, MOST
from .noise_texture import FIRST, LAST, drawing

_EACH = 4


def masked(data: str | None, count: int) -> Iterator[tuple[str, Tensor, Tensor, float]]:
    """What it is, data (1, 1, H, W), mask (H, W), and noise level."""
    folder, g = data_folder(data, "bsds400_color"), torch.Generator().manual_seed(0)
    for name, first in (("photographs", LAST), ("drawings", LAST), ("photographs of the training", FIRST)):
        for i in range(first, min(first + count, len(folder))):
            for k in range(_EACH):
                a, b, c = torch.rand(3, generator=g).tolist()
                keep, std, side = 0.05 * 19**a, 0.005 * 60**b, 192 if c < 0.7 else 96
                drawn = name == "drawings"
                x = drawing(side, g) if drawn else folder[i][None, :1, 64 : 64 + side, 64 : 64 + side]
                mask = random_mask((side, side), keep, seed=_EACH * i + k)
                yield name, mask * gaussian_noise(x, std, seed=_EACH * i + k), mask, std


def main() -> None:
    """Print the table."""
    options = parser(__doc__).parse_args()
    found: dict[str, list[tuple[float, float]]] = {}
    for name, y, mask, std in masked(options.data, options.images or 40):
        level, doubt, _ = judged(Inpainting(mask), y)
        found.setdefault(name, []).append((float(level) / std, float(doubt)))
    rows = []
    for name, pairs in found.items():
        ratio, doubt = torch.tensor(pairs, dtype=torch.float64).unbind(1)
        fine, told = (ratio >= LEAST) & (ratio <= MOST), doubt > DOUBTFUL
        inside = float((ratio.log().abs() <= doubt.log()).double().mean())
        rows.append([
            name, len(ratio), f"{ratio.median():.2f}", f"{ratio.min():.2f}", f"{ratio.max():.2f}",
            f"{float(fine.double().mean()):.0%}", f"{inside:.0%}", f"{int((told & fine).sum())} of {int(fine.sum())}",
            f"{int((told & ~fine).sum())} of {int((~fine).sum())}",
        ])  # fmt: skip
    head = ["images", "cases", "median", "least", "greatest", f"within {LEAST} ... {MOST}", "within its factor"]
    print(table(rows, [*head, "unsure of these", "of others"]))


if __name__ == "__main__":
    main()
