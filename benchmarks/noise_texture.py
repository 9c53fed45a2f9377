"""Fit of the noise estimate of masked photographs: how much of what varies in smooth blocks is texture.

Photographs of ``bsds400_color`` that ``benchmarks.noise_levels`` does not use, in gray, and as many drawings (shapes of
constant value, boards, waves, blobs), seen by masks that keep 5 to 95 % of the pixels of 192 x 192 or 96 x 96, noise of
0.005 to 0.3 of the peak, evenly in logarithms. Ridge regression of the logarithm of the noise over the smoothest
blocks' deviation, in which too low an answer counts twice; the weights that are printed are those in
``pnp/noise_level/texture.py``. A quarter of the images is left out to see how good they are.

    python -m benchmarks.noise_texture --data DIR [--images 280] [--ridge 0.01]
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from operators import gaussian_noise, random_mask
from pnp.noise_level.texture import curve, describe

from .common import data_folder, parser
from .noise_levels import LEAST, MOST

_FIRST, _EACH, _LOW = 40, 4, 2.0


def drawing(side: int, g: torch.Generator) -> Tensor:
    """Shapes, a board, waves or blobs, (1, 1, side, side), in 0 ... 1."""
    rows, columns = torch.meshgrid(*[torch.arange(float(side))] * 2, indexing="ij")
    kind = int(torch.randint(4, (), generator=g))

    def place() -> tuple[Tensor, list[float]]:
        a, b, turn, *others = torch.rand(6, generator=g).tolist()
        along = (rows - a * side) * math.cos(6.28 * turn) + (columns - b * side) * math.sin(6.28 * turn)
        return along, [*others, a * side, b * side]

    if kind == 0:
        x = torch.zeros(side, side)
        for _ in range(int(torch.randint(2, 13, (), generator=g))):
            along, (height, size, round_, a, b) = place()
            inside = torch.hypot(rows - a, columns - b) < 0.4 * size * side if round_ < 0.5 else along > 0
            x = torch.where(inside, height, x)
    elif kind == 1:
        (one, (size, *_)), (other, _) = place(), place()
        period = 4 + 0.2 * size * side
        x = ((one / period).floor() + (other / period).floor()) % 2
    elif kind == 2:
        (one, (size, *_)), (other, _) = place(), place()
        x = torch.sin(one * (0.05 + size)) + torch.sin(0.01 * one * other * size)
    else:
        x = torch.zeros(side, side)
        for _ in range(8):
            along, (height, size, _, a, b) = place()
            x = x + height * torch.exp(-((rows - a) ** 2 + (columns - b) ** 2) / (2 * (2 + 0.2 * size * side) ** 2))
    return ((x - x.min()) / (x.max() - x.min()).clamp_min(1e-6))[None, None]


def masked(data: str | None, count: int) -> Iterator[tuple[Tensor, Tensor, float, int]]:
    """Data (1, 1, H, W), mask (1, H, W), noise level, and whether they are of a photograph."""
    folder, g = data_folder(data, "bsds400_color"), torch.Generator().manual_seed(0)
    for i in range(_FIRST, min(_FIRST + count, len(folder))):
        for k in range(_EACH):
            a, b, c = torch.rand(3, generator=g).tolist()
            keep, std, side = 0.05 * 19**a, 0.005 * 60**b, 192 if c < 0.7 else 96
            x = folder[i][None, :1, 64 : 64 + side, 64 : 64 + side] if k % 2 else drawing(side, g)
            mask = random_mask((side, side), keep, seed=_EACH * i + k)[None]
            yield mask * gaussian_noise(x, std, seed=_EACH * i + k), mask, std, k % 2


def examples(data: str | None, count: int) -> Iterator[tuple[Tensor, Tensor, int]]:
    """What is known of an example, the logarithm of the right correction, and whether it is a photograph."""
    for y, mask, std, photograph in masked(data, count):
        found = curve(y[0], mask)
        if found is not None:
            yield describe(found[1]), math.log(std) - found[0], photograph


def fitted(known: Tensor, wanted: Tensor, ridge: float) -> Tensor:
    """Weights of a ridge regression in units of each column's deviation; too low an answer counts twice."""
    unit, weights = known.std(0).clamp_min(1e-6), known.new_zeros(known.shape[1])
    scaled = known / unit
    damping = ridge * torch.diag(torch.tensor([0.0] + [1.0] * (len(unit) - 1), dtype=known.dtype))
    for _ in range(8):
        counts = torch.where(scaled @ weights < wanted, _LOW, 1.0)[:, None] / len(known)
        weights = torch.linalg.solve(scaled.mT @ (counts * scaled) + damping, scaled.mT @ (counts[:, 0] * wanted))
    return weights / unit


def main() -> None:
    """Print the weights."""
    p = parser(__doc__)
    p.add_argument("--ridge", type=float, default=0.01)
    options = p.parse_args()
    known, wanted, kind = zip(*examples(options.data, options.images or 280))
    known, wanted, photograph = torch.stack(known), torch.stack(wanted), torch.tensor(kind) > 0
    first = 3 * len(known) // 4
    weights = fitted(known[:first], wanted[:first], options.ridge)
    out = torch.arange(len(known)) >= first
    for name, part in {
        "fitted": ~out, "photographs left out": out & photograph, "drawings left out": out & ~photograph
    }.items():  # fmt: skip
        ratio = ((known[part] @ weights).clamp(math.log(0.4), 0) - wanted[part]).exp()
        fine = float(((ratio >= LEAST) & (ratio <= MOST)).double().mean())
        print(f"{name}: {len(ratio)}, median {ratio.median():.2f}, least {ratio.min():.2f}, {fine:.0%} within "
              f"{LEAST} ... {MOST}")  # fmt: skip
    weights = fitted(known, wanted, options.ridge)
    print(", ".join(f"{float(w):.4g}" for w in weights))


if __name__ == "__main__":
    main()
