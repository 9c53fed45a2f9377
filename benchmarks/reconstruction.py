"""Default reconstructions beside honest rivals, and with every prior: 20 test images, every operator, one setting.

For each problem of :data:`pnp.train.in_solver.PROBLEMS`: PSNR of the adjoint (or zero-filled, interpolated, filtered)
image, of one plain denoising of it at the level that the noise has in the image, of total variation with the strength
tuned on the truth, and of PnP-ADMM and PnP-HQS with the first prior at their defaults; median and worst margins, share
of runs that converged, and how far four times the iterations move the answer. Then PnP-ADMM with each prior: medians,
median (and worst) difference from the last one, and seconds. Images: the first 20 of BSD68, centre 128 x 128; the
defaults were set on others, and nothing was trained on them.

    python -m benchmarks.reconstruction --data DIR [--images 20] [--priors drunet drunet:natural-gray-fast xdncnn lofi]
"""

import statistics
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from denoisers import Denoiser
from operators import MRI, Downsampling
from pnp import PnPADMM, PnPHQS, Stop, tv_reconstruction
from pnp.metrics import psnr
from pnp.train.in_solver import PROBLEMS, measured

from .common import data_folder, parser, save, shipped, table

SIZE = 128


def score(x: Tensor, ref: Tensor) -> float:
    """PSNR with peak 1, of the real part (the phantom phase is known to be zero for all methods alike)."""
    return float(psnr((x.real if x.is_complex() else x).clamp(0, 1), ref))


def rivals(name: str, op: Any, y: Tensor, x: Tensor, denoiser: Denoiser) -> dict[str, float]:
    """What has no prior, or no solver."""
    std = PROBLEMS[name].noise_std
    adjoint = _interpolated(y) if isinstance(op, Downsampling) else op.fbp(y) if hasattr(op, "fbp") else op.A_adjoint(y)
    once = PnPADMM(op, denoiser, noise_std=std)
    facts = once.begin(y).facts
    single = once.problem(y, facts).prior(adjoint, facts.image_noise.clamp(max=0.2))
    solutions = [tv_reconstruction(op, y, std, strength=s, iterations=150) for s in (0.25, 0.5, 1.0, 2.0, 4.0)]
    return {
        "input": score(adjoint, x), "one denoising": score(single, x), "TV": max(score(v, x) for v in solutions)
    }  # fmt: skip


def run(
    name: str, images: list[Tensor], priors: dict[str, Denoiser], compare: bool, calls: int | None = None
) -> dict[str, list[float]]:
    """Scores of all methods on one problem."""
    out: dict[str, list[float]] = {}
    first, std = next(iter(priors)), PROBLEMS[name].noise_std
    for i, x in enumerate(images):
        op, y = measured(name, x, seed=i)
        figures = rivals(name, op, y, x, priors[first]) if compare else {}
        for prior, denoiser in priors.items():
            start = time.perf_counter()
            stop = None if calls is None else Stop(0.0, 2 * calls if isinstance(op, MRI) else calls)
            result = PnPADMM(op, denoiser, noise_std=std, stop=stop).solve(y)
            figures |= {prior: score(result.x, x), f"{prior} s": time.perf_counter() - start}
            figures |= {f"{prior} ok": float(result.reason == "converged"), f"{prior} calls": len(result.history)}
            if compare and prior == first:
                figures["HQS"] = score(PnPHQS(op, denoiser, noise_std=std)(y), x)
                longer = Stop(max_iter=4 * len(result.history), tolerance=0)
                if i < 3:
                    more = PnPADMM(op, denoiser, noise_std=std, stop=longer).solve(y)
                    out.setdefault("drift", []).append(abs(score(more.x, x) - figures[prior]))
        for key, value in figures.items():
            out.setdefault(key, []).append(value)
    return out


def _interpolated(y: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(y, scale_factor=2, mode="bicubic", align_corners=False)


def _against(r: dict[str, list[float]], a: str, b: str) -> str:
    """Median and worst difference of two columns."""
    differences = [v - w for v, w in zip(r[a], r[b])]
    return f"{statistics.median(differences):+.2f} ({min(differences):+.2f})"


def main() -> None:
    """Print the tables."""
    p = parser(__doc__)
    p.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    p.add_argument("--priors", nargs="+", default=["drunet", "drunet:natural-gray-fast", "xdncnn", "mixer", "lofi"])
    p.add_argument("--no-rivals", action="store_true", help="only the table of the priors")
    p.add_argument("--calls", type=int, help="end after so many denoiser calls, twice as many for MRI")
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    folder = data_folder(options.data, "bsd68")
    images = []
    for i in range(min(len(folder), options.images or 20)):
        x = folder[i][None]
        top, left = (x.shape[-2] - SIZE) // 2, (x.shape[-1] - SIZE) // 2
        images.append(x[..., top : top + SIZE, left : left + SIZE])
    priors = {name: shipped(name) for name in options.priors}
    best, (first, last) = statistics.median, (options.priors[0], options.priors[-1])
    rows, others = [], []
    for name in options.problems:
        r = run(name, images, priors, not options.no_rivals, options.calls)
        if not options.no_rivals:
            rows.append([name, *(best(r[k]) for k in ("input", "one denoising", "TV", "HQS", first)),
                         _against(r, first, "input"), _against(r, first, "TV"),
                         f"{100 * statistics.mean(r[f'{first} ok']):.0f} %", f"{max(r['drift']):.3f}"])  # fmt: skip
        told = [
            f"{best(r[k]):.2f}, {_against(r, k, last)}, {best(r[f'{k} calls']):.0f} calls, {best(r[f'{k} s']):.2f} s"
            for k in options.priors
        ]
        others.append([name, *told])
        print([*(rows[-1:] or [[]])[0], *told], flush=True)
        save(options.save, {name: {k: statistics.median(v) for k, v in r.items()}})
    head = ["problem", "input", "one denoising", "TV, oracle", "PnP-HQS", "PnP-ADMM", "ADMM over input (worst)",
            "ADMM over TV (worst)", "converged", "drift / dB"]  # fmt: skip
    if rows:
        print(table(rows, head) + "\n")
    print(table(others, ["PSNR / dB, over the last prior (worst), calls, time", *options.priors]))


if __name__ == "__main__":
    main()
