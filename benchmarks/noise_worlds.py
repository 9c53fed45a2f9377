"""Whether the goal for estimated noise levels can be met: pairs of worlds whose data would have to be told apart.

In the first world an image has noise of deviation sigma; in the second the same image, denoised until 1.375 sigma of it
(root mean square) are gone, as cameras and JPEG do, has noise of 1.7 sigma, so that the pixels vary as much in both. No
number is 0.8 to 1.3 times both levels: an estimate that meets that goal in both worlds tells their data apart. A judge
tries to: a linear discriminant on what is known of the data (quantiles of the residues of smooth blocks, or of
magnitudes in k-space and its rings; what the network of masked photographs says; how well the default solver
predicts a tenth of the data that it is not shown). It is told both levels, which no estimate is, learns from both
worlds of all other images and is asked about the two of the one left out; the best of three regularisations counts.
Its share of errors is the least share of data, over both worlds, for which any estimate of these statistics misses the
goal.

Photographs: ``bsds400_color`` in gray, 192 x 192, sigma 0.02, behind masks. One coil: 31 complex brains, denoised,
100 x 100, undersampled four times, sigma of 0.5 % of the peak. Errors are given for all images, and for those whose
estimate misses the goal in the first world.

    python -m benchmarks.noise_worlds --data DIR [--images 30] [--parts photographs coil] [--keep 0.1 0.3 0.7]
"""

import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers import DRUNetDenoiser
from operators import MRI, Inpainting, gaussian_noise, poisson_disc, random_columns, random_mask
from pnp import PnPADMM, estimate_noise
from pnp.noise_level.patches import smoothest_blocks
from pnp.noise_level.texture import textured

from .common import data_folder, parser, save, table
from .noise_levels import LEAST, MOST, SIDE

RATIO = 1.7  # of the two levels; 1.3 / 0.8 = 1.625
RIDGES = (0.03, 0.3, 3.0)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def smoothed(x: Tensor, gone: float, denoiser: Callable[[Tensor, float], Tensor]) -> Tensor:
    """``x`` denoised so far that the root mean square of what is gone is ``gone``."""
    low, high = 0.1 * gone, 0.3
    parts = torch.cat((x.real, x.imag)) if x.is_complex() else x
    for _ in range(9):
        level = math.sqrt(low * high)
        less = denoiser(parts, level)
        size = float((parts - less).square().mean().sqrt()) * (2**0.5 if x.is_complex() else 1)
        low, high = (level, high) if size < gone else (low, level)
    return torch.complex(*less.chunk(2)) if x.is_complex() else less


def predicted(op: Inpainting | MRI, y: Tensor, std: float) -> list[float]:
    """Logarithms of how far the default solver, told ``std``, misses a tenth of the data that it is not shown."""
    kept = torch.rand(op.mask.shape, generator=torch.Generator().manual_seed(1)) > 0.1
    fewer = Inpainting(op.mask * kept) if isinstance(op, Inpainting) else MRI(op.mask * kept)
    x = PnPADMM(fewer, noise_std=std).solve(y * kept).x
    missed = (op.A(x) - y)[((op.mask != 0) & ~kept).expand_as(y)].abs() / std
    sizes = [missed.square().mean().sqrt(), *missed.quantile(missed.new_tensor((0.1, 0.3, 0.5, 0.7)))]
    return [math.log(float(v)) for v in sizes]


def of_photograph(op: Inpainting, y: Tensor, std: float) -> list[float]:
    """Statistics of masked photographs."""
    there = op.measured.expand_as(y)
    blocks = [math.log(float(smoothest_blocks(y, there, smooth=share)) / std) for share in SHARES]
    return [*blocks, math.log(float(textured(y, there, smoothest_blocks(y, there))[0]) / std), *predicted(op, y, std)]


def of_coil(op: MRI, y: Tensor, std: float) -> list[float]:
    """Statistics of the k-space of one coil."""
    rows, columns = (torch.linspace(-1, 1, n) for n in y.shape[-2:])
    radius, there = torch.hypot(rows[:, None], columns), op.measured[0, 0]
    found = [*y[0, 0][there].abs().quantile(y.real.new_tensor(SHARES))]
    for low, high in ((0.4, 0.6), (0.6, 0.8), (0.8, 1.0), (1.0, 1.5)):
        ring = y[0, 0][there & (radius > low) & (radius <= high)].abs()
        found += [ring.square().mean().sqrt(), ring.median()]
    return [math.log(float(v) / std) for v in found] + predicted(op, y, std)


def photographs(data: str | None, count: int, keeps: list[float]) -> Iterator[tuple[str, Callable, list]]:
    """Name, statistics, and (operator, image, sigma) of each photograph."""
    folder = data_folder(data, "bsds400_color")
    images = [folder[i][None, :1, 64 : 64 + SIDE, 64 : 64 + SIDE] for i in range(min(count, len(folder)))]
    for keep in keeps:
        masks = [Inpainting(random_mask((SIDE, SIDE), keep, seed=i)) for i in range(len(images))]
        yield f"{keep:.0%} of the pixels", of_photograph, [(op, x, 0.02) for op, x in zip(masks, images)]


def coil(data: str | None, count: int, keeps: list[float]) -> Iterator[tuple[str, Callable, list]]:
    """The same of brains seen by one coil."""
    path = Path(data or ".") / "mri_images" / "complex_brain31.npy"
    x = torch.view_as_complex(torch.from_numpy(np.load(path).astype(np.float32)).contiguous())[:, None]
    x, denoiser = x / x.abs().amax((1, 2, 3), keepdim=True), DRUNetDenoiser()
    x = torch.complex(denoiser(x.real, 0.02), denoiser(x.imag, 0.02))  # the images have noise of their own
    x = torch.complex(*(F.interpolate(part, (100, 100), mode="area") for part in (x.real, x.imag)))[:count]
    for name, mask in {
        "columns, 4 x": random_columns((100, 100), 4.0, 0.08),
        "Poisson disc, 4 x": poisson_disc((100, 100), 4.0, seed=0),
    }.items():
        yield f"one coil, {name}", of_coil, [(MRI(mask), one[None], 0.005) for one in x]


def errors(first: Tensor, second: Tensor) -> Tensor:
    """Errors of the judge about each image's data in both worlds, (images, 2), from statistics (images, n)."""
    best = torch.ones(len(first), 2)
    for ridge in RIDGES:
        wrong = torch.zeros(len(first), 2)
        for i in range(len(first)):
            others = [torch.cat((v[:i], v[i + 1 :])) for v in (first, second)]
            unit = torch.cat(others).std(0).clamp_min(1e-9)
            means = [v.mean(0) / unit for v in others]
            spread = sum((v / unit - m).mT @ (v / unit - m) for v, m in zip(others, means)) / (2 * len(others[0]))
            axis = torch.linalg.solve(spread + ridge * torch.eye(len(unit)), means[1] - means[0])
            middle = (means[0] + means[1]) / 2
            wrong[i] = torch.stack(((first[i] / unit - middle) @ axis > 0, (second[i] / unit - middle) @ axis <= 0))
        best = wrong if wrong.mean() < best.mean() else best
    return best


@torch.no_grad()
def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--parts", nargs="+", choices=["photographs", "coil"], default=["photographs", "coil"])
    p.add_argument("--keep", nargs="+", type=float, default=[0.1, 0.3, 0.7])
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    denoiser, rows, figures = DRUNetDenoiser(), [], {}
    for part in options.parts:
        for name, statistics, cases in {"photographs": photographs, "coil": coil}[part](
            options.data, options.images or (30 if part == "photographs" else 31), options.keep
        ):
            found, missed = [], []
            for i, (op, x, std) in enumerate(cases):
                gone = math.sqrt(RATIO**2 - 1) * std * (2**0.5 if x.is_complex() else 1)
                worlds = ((x, std), (smoothed(x, gone, denoiser), RATIO * std))
                data = [op.mask * gaussian_noise(op.A(image), level, seed=i) for image, level in worlds]
                found.append([statistics(op, y, math.sqrt(RATIO) * std) for y in data])
                missed.append(not LEAST <= float(estimate_noise(op, data[0])[0]) / std <= MOST)
            both = torch.tensor(found)
            wrong, out = errors(both[:, 0], both[:, 1]).mean(1), torch.tensor(missed)
            shares = [f"{float(w.mean()):.0%}" if len(w) else "-" for w in (wrong, wrong[out], wrong[~out])]
            rows.append([name, len(cases), int(out.sum()), *shares])
            print(rows[-1], flush=True)
            figures[name] = shares
    print(
        table(rows, ["data", "images", "estimates that miss", "errors of the judge", "where one misses", "elsewhere"])
    )
    save(options.save, {"noise_worlds": figures})


if __name__ == "__main__":
    main()
