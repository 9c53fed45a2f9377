"""Do intervals hold the truth: coverage on images that they were not calibrated on, and how wide they have to be.

For each problem of :data:`pnp.train.in_solver.PROBLEMS` (the first IMAGES of BSD68, centre SIZE x SIZE, which nothing
was trained or set on) and for shear maps at Stage-IV noise (simulated lognormal maps): 90 % intervals of PnP-ADMM with
its default prior, by the equivariant bootstrap, as they come and calibrated, additive and multiplicative, by pixels.
The images are split into FOLDS parts; each is covered by what was calibrated on the others. Beside them intervals of
one width for all pixels: that of the noise in the image as it is, and calibrated in the same way. Figures: share of the
pixels whose truth is held, in % (of the image with the least); mean widths, in % of the calibrated constant one; share
of images that are held in every pixel by intervals for that.

    python -m benchmarks.uncertainty --data DIR [--images 60] [--problems NAME ...] [--size 128] [--draws 25]
"""

import time
import warnings
from statistics import NormalDist, fmean
from typing import Any

from torch import Tensor

from denoisers import Denoiser, MassDenoiser
from operators import KaiserSquires, gaussian_noise
from pnp import PnPADMM, calibrate_intervals, uncertainty
from pnp.analysis import Uncertainty
from pnp.lensing import LognormalMaps
from pnp.train.in_solver import PROBLEMS, measured
from pnp.train.recipes.mass import NOISE, PIXEL

from .common import data_folder, parser, save, shipped, table

LEVEL = 0.9
SHEAR = "shear maps"
HEAD = ["problem", "as they come", "additive (least)", "multiplicative (least)", "noise in the image",
        "constant (least)", "width, additive", "width, multiplicative", "whole images", "s per image"]  # fmt: skip

Pair = tuple[Uncertainty, Tensor]


def photographs(data: str | None, count: int, size: int) -> list[Tensor]:
    """Centres of the first images of BSD68."""
    folder, found = data_folder(data, "bsd68"), []
    for i in range(min(count, len(folder))):
        x = folder[i][None]
        top, left = (max(n - size, 0) // 2 for n in x.shape[-2:])
        found.append(x[..., top : top + size, left : left + size])
    return found


def uncertain(name: str, x: Tensor, i: int, denoiser: Denoiser, options: Any) -> tuple[Pair, float]:
    """What is known of an image from its data, with the truth; half-width of what the noise in the image makes."""
    if name == SHEAR:
        op, std = KaiserSquires((x.shape[-2], x.shape[-1])), NOISE
        x = x - x.mean()
        y = gaussian_noise(op.A(x), std, seed=i)
    else:
        (op, y), std = measured(name, x, seed=i), PROBLEMS[name].noise_std
    solver = PnPADMM(op, denoiser, noise_std=std)
    found = uncertainty(solver, y, method=options.method, draws=options.draws, level=LEVEL)
    noise = float(solver.begin(y).facts.image_noise)
    return (found, x), NormalDist().inv_cdf((1 + LEVEL) / 2) * noise


def constant(pair: Pair, half: float) -> Pair:
    """The same with one width for all pixels."""
    return pair[0]._replace(lower=pair[0].x - half, upper=pair[0].x + half), pair[1]


def coverage(pairs: list[Pair], folds: int, kind: str, coverage: str = "pixels") -> tuple[list[float], float]:
    """Share of the truth that is held in each image by what was calibrated on the other folds, and the mean width."""
    shares, widths = [], []
    for fold in range(folds):
        others = [pair for i, pair in enumerate(pairs) if i % folds != fold]
        calibrated = calibrate_intervals(others, LEVEL, kind, coverage=coverage)
        for found, truth in pairs[fold::folds]:
            exact = calibrated(found)
            inside = exact.covers(truth).double()
            shares.append(float(inside.mean() if coverage == "pixels" else inside.min()))
            widths.append(float(exact.width.mean()))
    return shares, fmean(widths)


def run(name: str, images: list[Tensor], denoiser: Denoiser, options: Any) -> dict[str, float]:
    """The figures of one problem."""
    start = time.perf_counter()
    found = [uncertain(name, x, i, denoiser, options) for i, x in enumerate(images)]
    seconds = (time.perf_counter() - start) / len(images)
    pairs, even = [pair for pair, _ in found], [constant(pair, half) for pair, half in found]

    def raw(some: list[Pair]) -> float:
        return 100 * fmean(float(u.covers(x).double().mean()) for u, x in some)

    out = {"as they come": raw(pairs), "noise": raw(even)}
    width = coverage(even, options.folds, "additive")[1]
    for label, some, kind in (("additive", pairs, "additive"), ("multiplicative", pairs, "multiplicative"),
                              ("constant", even, "additive")):  # fmt: skip
        shares, wide = coverage(some, options.folds, kind)
        out |= {label: 100 * fmean(shares), f"{label}, least": 100 * min(shares), f"{label}, width": 100 * wide / width}
    out["whole"] = 100 * fmean(coverage(pairs, options.folds, "additive", "simultaneous")[0])
    return {**out, "constant width": width, "seconds": seconds}


def row(name: str, r: dict[str, float]) -> list[Any]:
    """A line of the table."""
    both = [f"{r[k]:.1f} ({r[f'{k}, least']:.0f})" for k in ("additive", "multiplicative", "constant")]
    widths = [f"{r[f'{k}, width']:.0f}" for k in ("additive", "multiplicative")]
    return [name, f"{r['as they come']:.1f}", both[0], both[1], f"{r['noise']:.1f}", both[2], *widths,
            f"{r['whole']:.0f}", f"{r['seconds']:.1f}"]  # fmt: skip


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--problems", nargs="+", choices=[*PROBLEMS, SHEAR], default=[*list(PROBLEMS)[1:], SHEAR])
    p.add_argument("--size", type=int, default=128, help="side of the images")
    p.add_argument("--draws", type=int, default=25)
    p.add_argument("--folds", type=int, default=10)
    p.add_argument("--method", choices=["bootstrap", "jacobian", "laplace"], default="bootstrap")
    p.add_argument("--prior", default="drunet", help="of photographs, FAMILY or FAMILY:WEIGHTS")
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    count, rows = options.images or 60, []
    if count - -(-count // options.folds) < round(LEVEL / (1 - LEVEL)):
        raise SystemExit(f"--images: {count} in {options.folds} folds leave fewer than nine to calibrate on")
    for name in options.problems:
        if name == SHEAR:
            maps = LognormalMaps(count, (options.size, options.size), PIXEL, first=0)
            images, denoiser = [maps[i][None] for i in range(count)], MassDenoiser("lognormal")
        else:
            images, denoiser = photographs(options.data, count, options.size), shipped(options.prior)
        figures = run(name, images, denoiser, options)
        rows.append(row(name, figures))
        print(rows[-1], flush=True)
        save(options.save, {f"{options.method}, {name}": figures})
    print(table(rows, HEAD))


if __name__ == "__main__":
    main()
