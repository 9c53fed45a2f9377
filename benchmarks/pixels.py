"""Tomography of objects that know no pixels: pixels as wide as the detector's bins, and half as wide, averaged.

Slices of patients; data of an image on pixels twice as fine ("coarse", "low dose"), four times as fine with bins that
are means of four rays ("finer still"), or on the very pixels of the answer ("CT 180"). PSNR of the means over pixels on
both grids, and on the finer one with bins as means of two rays: PnP-ADMM with strength="auto" and at the best of six
strengths for the truth, total variation (x >= 0) tuned on the truth; and by how much data left out are predicted better
on the finer grid, with the deviation of that.

    python -m benchmarks.pixels --data DIR [--images 2] [--size 64] [--problems "CT 180, coarse"]
    python -m benchmarks.pixels --data DIR --gain [--size 32] [--problems ...]     (only what strength 1 gains)
    python -m benchmarks.pixels --data DIR --measured     (a tooth, three quarters of its views, judged by the others)
"""

import math
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from operators import Radon, gaussian_noise, std_from_snr
from pnp import FinerGrid, PnPADMM, tv_reconstruction
from pnp.analysis.holdout import Holdout, held_out
from pnp.corrections import ct as corrections
from pnp.finer import block_means
from pnp.io import open as open_measurement

from .common import parser, save, table
from .ct import measure as strips
from .strength import TV, score
from .strength_problems import PROBLEMS, Case, images, low_dose


def _still_finer(big: Tensor, level: float, seed: int, *, dose: bool = False) -> Case:
    """180 views of an image on pixels four times as fine, each bin the mean of four rays."""
    side = big.shape[-1] // 4
    angles = torch.arange(180, dtype=torch.float64) * (math.pi / 180)
    op = Radon(side, angles)
    rays = Radon(4 * side, angles, 4 * op.detector_count, pixel_size=0.25, detector_spacing=0.25)
    clean = rays.A(big).unflatten(-1, (-1, 4)).mean(-1)
    if dose:
        return low_dose(op, clean, block_means(big, 4), level, seed)
    std = float(std_from_snr(clean, level))
    return Case(op, gaussian_noise(clean, std, seed=seed), std, block_means(big, 4))


def _strips(big: Tensor, level: float, seed: int) -> Case:
    """180 views by ASTRA's strips of an image on pixels twice as fine, as those of ``benchmarks.ct``."""
    side = big.shape[-1] // 2
    op = Radon(side, torch.arange(180, dtype=torch.float64) * (math.pi / 180))
    clean = strips(big[0, 0], op)
    std = float(std_from_snr(clean, level))
    return Case(op, gaussian_noise(clean, std, seed=seed), std, block_means(big, 2))


CASES: dict[str, tuple[tuple[float, ...], Callable[[Tensor, float, int], Case]]] = {
    "CT 180, finer still": ((20.0, 30.0, 40.0), _still_finer),
    "CT 180, low dose, finer still": ((1e3, 3e3, 1e4), partial(_still_finer, dose=True)),
    "CT 180, strips": ((30.0, 35.0, 40.0), _strips),
    **{
        name: (levels, lambda big, level, seed, make=make: make(avg_pool2d(big, 2), level, seed))
        for name, (field, levels, make) in PROBLEMS.items()
        if field == "ct"
    },
}
GRIDS = {"own": (1, 1), "finer": (2, 1), "rays": (2, 2)}  # pixels, rays of a bin
USUAL = ["CT 180, coarse", "CT 180, low dose", "CT 180, finer still", "CT 180"]
STRENGTHS = [2 ** (k / 2) for k in range(-1, 5)]


def measure(case: Case) -> dict[str, float]:
    """PSNR on each grid, by each method, and what data left out say."""
    found: dict[str, float] = {}
    out, runs = held_out(case.op, case.y), []
    for grid, finer in GRIDS.items():
        op = case.op.finer(*finer)
        solver = PnPADMM(op, noise_std=case.noise_std)
        runs.append(Holdout(solver, case.y, solver.begin(case.y), out=out))
        scores = [_score(PnPADMM(op, noise_std=case.noise_std, strength=s)(case.y), case.x) for s in STRENGTHS]
        auto = PnPADMM(op, noise_std=case.noise_std, strength="auto").solve(case.y)
        options: dict[str, Any] = {"iterations": 300, "nonnegative": True}
        tv = [_score(tv_reconstruction(op, case.y, case.noise_std, strength=s, **options), case.x) for s in TV]
        found |= {f"{grid}, auto": _score(auto.x, case.x), f"{grid}, oracle": max(scores), f"{grid}, TV": max(tv)}
        found |= {f"{grid}, auto at": float(auto.report["strength"])}
        found |= {f"{grid}, oracle at": STRENGTHS[scores.index(max(scores))]}
    better = -runs[1].misfit_from(runs[0].start)
    return found | {"left out": float(better.sum()), "deviation": float(better.std()) * better.shape[1] ** 0.5}


def gain(case: Case) -> tuple[float, float, float]:
    """PSNR at strength 1 on own pixels, what :class:`pnp.FinerGrid` adds, and the misfit over the noise on own ones."""
    solver = PnPADMM(case.op, noise_std=case.noise_std)
    own = solver.solve(case.y)
    before = _score(own.x, case.x)
    misfit = float(torch.as_tensor(own.report["answer misfit"])) / case.noise_std
    return before, _score(FinerGrid(solver)(case.y), case.x) - before, misfit


def _score(image: Tensor, x: Tensor) -> float:
    return float(score(block_means(image, image.shape[-1] // x.shape[-1]), x))


def row(name: str, level: float, found: list[dict[str, float]]) -> list[Any]:
    """Means over images, the largest loss of the automatic strength on finer grids, and left-out data."""
    keys = [f"{grid}, {method}" for grid in GRIDS for method in ("auto", "oracle", "TV")]
    means = [f"{statistics.mean(f[k] for f in found):.2f}" for k in keys]
    worst = [f"{max(f[f'{grid}, oracle'] - f[f'{grid}, auto'] for f in found):.2f}" for grid in ("finer", "rays")]
    told = ", ".join(f"{f['left out']:.0f} ± {f['deviation']:.0f}" for f in found)
    return [name, f"{level:g}", *means, *worst, told]


def measured(data: str | None, width: int) -> list[list[Any]]:
    """Squares of residuals over those of the noise, of views used and kept out, in bins of ``width`` columns."""
    m = open_measurement(Path(data or ".") / "ct_extra" / "tooth.h5", rows=0)
    y = avg_pool2d(corrections.remove_stripes(m.y), (1, width))
    std = avg_pool2d(torch.as_tensor(m.noise_std).square(), (1, width)).sqrt() / width**0.5
    angles, side = torch.as_tensor(m.arguments["angles"]), y.shape[-1]
    used = torch.arange(len(angles)) % 4 != 0
    rows = []
    for grid, finer in GRIDS.items():
        op, rest = (Radon(side, angles[k], side, offset=(319.5 - 296) / width).finer(*finer) for k in (used, ~used))
        result = PnPADMM(op, noise_std=std[:, :, used]).solve(y[:, :, used])
        far = [
            ((a(result.x) - y[:, :, k]) / std[:, :, k]).square().mean().item() for a, k in ((op, used), (rest, ~used))
        ]
        rows.append([width, grid, *(f"{v:.2f}" for v in far), len(result.history)])
    return rows


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--measured", action="store_true", help="a tooth, three quarters of its views")
    p.add_argument("--gain", action="store_true", help="only what finer pixels gain at strength 1")
    p.add_argument("--problems", nargs="+", choices=list(CASES), default=USUAL)
    p.add_argument("--size", type=int, default=64, help="pixels of an image's side")
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    if options.measured:
        rows = [row for width in (8, 4) for row in measured(options.data, width)]
        print(table(rows, ["columns of a bin", "grid", "views used", "views kept out", "calls"]))
        return
    rows = []
    pictures = images(options.data, "ct", 2 * options.size, options.images or 2, training=False)  # four times the size
    for name in options.problems:
        levels, make = CASES[name]
        for level in levels:
            if options.gain:
                gains = [gain(make(x, level, i)) for i, x in enumerate(pictures)]
                rows.append([name, f"{level:g}", *(", ".join(f"{v:.2f}" for v in column) for column in zip(*gains))])
                print(*rows[-1], sep=" | ", flush=True)
                continue
            found = [measure(make(x, level, i)) for i, x in enumerate(pictures)]
            rows.append(row(name, level, found))
            print(*rows[-1], sep=" | ", flush=True)
            save(options.save, {f"{name}, {level:g}": found})
    if options.gain:
        print("\n" + table(rows, ["problem", "SNR / dB, photons", "own pixels", "finer: more", "misfit, own pixels"]))
        return
    grids = [
        f"{grid}: {method}"
        for grid in ("own pixels", "finer", "rays")
        for method in ("auto", "best strength", "best TV")
    ]
    head = [
        "problem",
        "SNR / dB, photons",
        *grids,
        *(f"{g}, auto below best: worst" for g in ("finer", "rays")),
        "left out: finer better by",
    ]
    print("\n" + table(rows, head))


if __name__ == "__main__":
    main()
