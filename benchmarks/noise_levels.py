"""Estimated over true noise level in every field: median, least and greatest ratio for each kind of data.

Natural images (30 of ``bsds400_color`` in gray, 192 x 192 pixels, peak one; noise 0.02, 0.05, 0.1): whole, masked with
and without noise where nothing is measured, padded with a constant, blurred, down-sampled. Brains (complex, denoised,
256 x 256 and 100 x 100; noise of 0.5, 1 and 5 % of the peak) seen by 1 to 8 coils on full, variable-density and radial
trajectories. CT slices and photographs at 30 to 720 angles, and by 300 to 1e5 photons a ray, weighted by the roots of
the counts; skies at 10 to 40 dB, diffuse, of points and of both, seen by MeerKAT and the VLA; shear of a simulated map.
The goal for every single estimate is 0.8 to 1.3. Of the factor by which one may be off, ``pnp.noise_doubt``: how
often the truth lies within, and how many estimates, within the goal and beyond it, reports call unsure.

    python -m benchmarks.noise_levels --data DIR [--fields images mri ct radio shear] [--kinds PART ...] [--images 30]
        [--worst]

``python -m benchmarks.noise_worlds`` says of data that miss the goal whether their noise can be told from texture.
"""

import math
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers import DRUNetDenoiser
from operators import (
    MRI,
    Blur,
    Downsampling,
    Identity,
    Inpainting,
    KaiserSquires,
    LinearOperator,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    Weighted,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    poisson_disc,
    radial_trajectory,
    random_columns,
    random_mask,
    std_from_snr,
    transmission_noise,
    uv_coverage,
)
from pnp.noise_level.doubt import DOUBTFUL
from pnp.noise_level.estimate import judged
from pnp.train.recipes.fields import ct_slices
from pnp.train.recipes.unrolled import coil_maps

from .common import data_folder, parser, save, table
from .mri import brains
from .radio import sky

Case = tuple[str, LinearOperator, Tensor, float]
"""What it is, operator, data with noise, its deviation for each real component."""

SIDE, LEAST, MOST = 192, 0.8, 1.3


def images(data: str | None, count: int) -> Iterator[Case]:
    """Natural images."""
    folder, shape = data_folder(data, "bsds400_color"), (SIDE, SIDE)
    kernels = {"Gaussian blur": gaussian_kernel(1.6), "motion blur": motion_kernel(15, 30.0)}
    for i in range(min(count, len(folder))):
        x = folder[i][None, :1, 64 : 64 + SIDE, 64 : 64 + SIDE]
        for std in (0.02, 0.05, 0.1):
            noisy = gaussian_noise(x, std, seed=i)
            yield "identity", Identity(shape), noisy, std
            for keep in (0.1, 0.3, 0.7):
                op = Inpainting(random_mask(shape, keep, seed=i))
                yield f"{keep:.0%} of the pixels", op, op.A(noisy), std
            op = Inpainting(random_mask(shape, 0.3, seed=i))
            yield "30 %, noise everywhere", op, gaussian_noise(op.A(x), std, seed=i), std
            padded = F.pad(noisy[..., :128, :128], (32, 32, 32, 32), value=-1.0)
            yield "padded with a constant", Identity(shape), padded, std
            for name, kernel in kernels.items():
                blur = Blur(kernel, shape)
                yield name, blur, gaussian_noise(blur.A(x), std, seed=i), std
            down = Downsampling(2, shape)
            yield "down-sampling", down, gaussian_noise(down.A(x), std, seed=i), std


def mri(data: str | None, count: int) -> Iterator[Case]:
    """Brains."""
    denoiser = DRUNetDenoiser()  # the images have noise of their own, of 1 to 2 %
    for i, x in enumerate(brains(data, min(count, 3)).split(1)):
        x = torch.complex(denoiser(x.real, 0.02), denoiser(x.imag, 0.02))
        small = torch.complex(*(F.interpolate(p, (100, 100), mode="area") for p in (x.real, x.imag)))
        for image in (x, small):
            side = image.shape[-1]
            masks = {
                "full": torch.ones(side, side, dtype=torch.bool),
                "columns, 4 x": random_columns((side, side), 4.0, 0.08),
                "Poisson disc, 4 x": poisson_disc((side, side), 4.0, seed=i),
            }
            for coils in (1, 2, 4, 8):
                maps = None
                if coils > 1:
                    maps = coil_maps(side)[:: 8 // coils]
                    maps = maps / maps.abs().square().sum(0, keepdim=True).sqrt()
                spokes = radial_trajectory(side // 4, 2 * side)
                for std in (0.005, 0.01, 0.05):
                    for name, mask in masks.items():
                        op = MRI(mask, maps)
                        y = op.mask * gaussian_noise(op.A(image), std, seed=i)
                        yield f"{name}, {side}²", op, y, std
                    radial = NonCartesianMRI(spokes, (side, side), maps)
                    scale = float(radial.norm())
                    yield f"radial, {side}²", radial, gaussian_noise(radial.A(image), std * scale, seed=i), std * scale


def ct(data: str | None, count: int) -> Iterator[Case]:
    """Slices of patients kept for tests, and photographs as if they were, projected on a grid twice as fine."""
    slices = ct_slices(Path(data or ".") / "ct_patients" / "tcga", held_out=True)
    slices = [x for x in slices if x.shape[-1] == 512][: min(count, 3)]
    folder = data_folder(data, "bsds400_color")
    textured = [F.pad(folder[i][:1, :320, :320], (96, 96, 96, 96)) for i in range(min(count, 3))]
    for i, x in enumerate([*slices, *textured]):
        for angles in (30, 60, 180, 720):
            turns = torch.arange(angles) * (math.pi / angles)
            op, fine = Radon(256, turns), Radon(512, turns)
            clean = F.avg_pool1d(fine.A(x[None])[0], 2)[None, ..., : op.out_shape[-1]] / 2
            for snr in (20.0, 30.0, 40.0):
                std = float(std_from_snr(clean, snr))
                yield f"{angles} angles", op, gaussian_noise(clean, std, seed=i), std
            density = 4 / float(clean.max())
            for photons in (300.0, 1e3, 3e3, 1e4, 1e5) if angles == 180 else ():
                y = transmission_noise((density * clean).clamp(min=0), photons, seed=i)
                root = photons**0.5 * (-y / 2).exp()
                yield "180 angles, counts", Weighted(root[0]) @ (density * op), root * y, 1.0


def radio(data: str | None, count: int) -> Iterator[Case]:
    """Skies."""
    folder = Path(data or ".") / "radio"
    diffuse = {"M31": sky(folder / "M31_256.fits"), "3C288": sky(folder / "3c288.fits")[..., :256, :256]}
    one, many = torch.zeros(1, 1, 256, 256), torch.zeros(1, 1, 256, 256)
    one[..., 90, 150] = 1.0
    g = torch.Generator().manual_seed(0)
    for flux in torch.logspace(-1.5, 0, 12):
        many[..., *(int(v) for v in torch.randint(20, 236, (2,), generator=g))] = flux
    skies = diffuse | {"a point": one, "12 points": many, "M31 / 100, a point": diffuse["M31"] / 100 + one}
    uv = torch.from_numpy(np.load(folder / "meerkat_uv_1h.npy")).double()
    vla = uv_coverage("vla-a", declination=30.0, hours=(-2.0, 2.0), samples=60)
    vla = vla * (math.pi / float(vla.abs().max()))
    for array, points in (("MeerKAT", uv), ("VLA", vla)):
        op = RadioInterferometry(points, (256, 256), unit="rad/pixel")
        for name, x in skies.items():
            clean = op.A(x)
            for snr in (10.0, 20.0, 30.0, 40.0):
                std = 10 ** (-snr / 20) * float(clean.norm()) / (2 * clean.numel()) ** 0.5
                yield f"{array}, {name}", op, gaussian_noise(clean, std, seed=0), std


def shear(data: str | None, count: int) -> Iterator[Case]:
    """Convergence maps of two simulations, and of the first behind a mask."""
    from pnp.lensing import read_map

    folder = Path(data or ".")
    kappa = read_map(folder / "lensing" / "ktng_kappa360v2.fits")[0].float()
    mask = torch.rand(360, 360, generator=torch.Generator().manual_seed(0)) > 0.2
    for std in (0.02, 0.1, 0.3):
        for name, op in (("shear", KaiserSquires((360, 360))), ("masked shear", KaiserSquires((360, 360), mask=mask))):
            y = gaussian_noise(op.A(kappa), std, seed=0)
            yield name, op, y if op.measured is None else torch.where(op.measured, y, torch.zeros_like(y)), std


FIELDS: dict[str, Callable[[str | None, int], Iterator[Case]]] = {
    "images": images, "mri": mri, "ct": ct, "radio": radio, "shear": shear
}  # fmt: skip


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--fields", nargs="+", choices=list(FIELDS), default=list(FIELDS))
    p.add_argument("--kinds", nargs="+", default=[""], help="only data whose name holds one of these parts")
    p.add_argument("--worst", action="store_true", help="print every estimate outside of the goal")
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    rows, figures = [], {}
    for field in options.fields:
        ratios: dict[str, list[float]] = {}
        doubts: dict[str, list[float]] = {}
        sources: dict[str, set[str]] = {}
        seconds: dict[str, list[float]] = {}
        for name, op, y, std in FIELDS[field](options.data, options.images or 30):
            if not any(part in name for part in options.kinds):
                continue
            start = time.perf_counter()
            found, doubt, how = judged(op, y)
            seconds.setdefault(name, []).append(time.perf_counter() - start)
            ratios.setdefault(name, []).append(float(found) / std)
            doubts.setdefault(name, []).append(float(doubt))
            sources.setdefault(name, set()).add(how)
            missed = not LEAST <= ratios[name][-1] <= MOST
            if options.worst and missed:
                print(f"{field}, {name}: {float(found):.3g} instead of {std:.3g} ({ratios[name][-1]:.2f}), {how}")
        for name, r in ratios.items():
            inside = sum(1 / d <= v <= d for v, d in zip(r, doubts[name])) / len(r)
            good = [LEAST <= v <= MOST for v in r]
            told = [sum(d > DOUBTFUL for d, g in zip(doubts[name], good) if g == wanted) for wanted in (True, False)]
            rows.append([
                field, name, len(r), statistics.median(r), min(r), max(r), f"{sum(good) / len(r):.0%}",
                f"{inside:.0%}", f"{told[0]} of {sum(good)}", f"{told[1]} of {len(r) - sum(good)}",
                f"{1e3 * statistics.median(seconds[name]):.0f}", "; ".join(sorted(sources[name])),
            ])  # fmt: skip
            print(rows[-1], flush=True)
            figures[f"{field}, {name}"] = [statistics.median(r), min(r), max(r)]
    head = ["field", "data", "cases", "median", "least", "greatest", "within 0.8 ... 1.3", "within its factor"]
    print(table(rows, [*head, "unsure of these", "of others", "ms", "from"]))
    save(options.save, {"noise_levels": figures})


if __name__ == "__main__":
    main()
