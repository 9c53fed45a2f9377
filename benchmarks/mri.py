"""Multi-coil MRI of brains that nothing was trained on: PnP-ADMM with each prior beside zero filling and TV.

Complex images (the last six of ``mri_images/complex_brain31.npy``) seen by eight smooth coils, Cartesian masks of
random columns, 4 and 8 times accelerated, noise of 1 % of the largest magnitude. PSNR of the magnitude, the peak being
its maximum; TV has its best strength for the very image. ``--spokes``: golden-angle spokes instead of columns.

    python -m benchmarks.mri --data DIR [--images 6] [--priors drunet lofi] [--spokes 48] [--coils 1] [--noise 0.002]
"""

import statistics
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from operators import MRI, NonCartesianMRI, gaussian_noise, radial_trajectory, random_columns
from pnp import PnPADMM, plot, tv_reconstruction
from pnp.metrics import psnr, ssim
from pnp.train.recipes.unrolled import coil_maps

from .common import parser, save, shipped, table

STRENGTHS = (0.1, 0.2, 0.5, 1.0, 2.0)


def brains(data: str | None, count: int) -> Tensor:
    """Complex images (B, 1, 256, 256), largest magnitude one."""
    path = Path(data or ".") / "mri_images" / "complex_brain31.npy"
    if not path.exists():
        raise SystemExit("no file mri_images/complex_brain31.npy in the data folder; pass --data or set PNP_DATA")
    x = torch.view_as_complex(torch.from_numpy(np.load(path)[25:].astype(np.float32)).contiguous())[:count, None]
    return x / x.abs().amax((1, 2, 3), keepdim=True)


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--figures", help="folder for pictures")
    p.add_argument("--priors", nargs="+", default=["drunet", "lofi"])
    p.add_argument("--spokes", type=int, help="golden-angle spokes, instead of columns")
    p.add_argument("--coils", type=int, choices=(1, 8), default=8)
    p.add_argument("--noise", type=float, default=0.01, help="of the largest magnitude")
    options = p.parse_args()
    std, images = options.noise, brains(options.data, options.images or 6)
    side = images.shape[-1]
    priors = {name: shipped(name) for name in options.priors}
    maps, rows = coil_maps(side) if options.coils > 1 else None, []
    ops = {f"{a:g} x": MRI(random_columns((side, side), a, 0.32 / a), maps) for a in (4.0, 8.0)}
    if options.spokes:
        points = radial_trajectory(options.spokes, 2 * side)
        ops = {f"{options.spokes} spokes": NonCartesianMRI(points, (side, side), maps)}
    for sampled, op in ops.items():
        scores: dict[str, list[tuple[float, float, float]]] = {}
        for i in range(len(images)):
            x = images[i : i + 1]
            y = gaussian_noise(op.A(x), std, seed=i)
            y = op.mask * y if isinstance(op, MRI) else y
            skies = [tv_reconstruction(op, y, std, strength=s, iterations=100) for s in STRENGTHS]
            answers = {
                "zero-filled": (op.A_adjoint(y), 0),
                "TV": (max(skies, key=lambda v: float(psnr(v.abs(), x.abs()))), 0),
            }
            for name, denoiser in priors.items():
                result = PnPADMM(op, denoiser, noise_std=std).solve(y)
                answers[name] = (result.x, len(result.history))
            for name, (answer, calls) in answers.items():
                figures = (float(psnr(answer.abs(), x.abs())), float(ssim(answer.abs(), x.abs())), float(calls))
                scores.setdefault(name, []).append(figures)
            print(sampled, i, {k: (round(v[-1][0], 2), int(v[-1][2])) for k, v in scores.items()}, flush=True)
            if options.figures and i == 0:
                shown = {"brain": x.abs(), **{k: v.abs() for k, (v, _) in answers.items()}}
                plot.show(shown, ref=x.abs(), path=Path(options.figures) / f"mri-{sampled.replace(' ', '-')}.png")
        for name, values in scores.items():
            over = [v[0] - w[0] for v, w in zip(values, scores[options.priors[-1]])]
            level, likeness, calls = [statistics.fmean(column) for column in zip(*values)]
            rows.append([sampled, name, level, f"{likeness:.3f}", f"{min(over):+.2f}", f"{calls:.0f}" if calls else ""])
    heads = ["sampled", "method", "PSNR / dB", "SSIM", f"worst over {options.priors[-1]}", "calls"]
    print(table(rows, heads))
    save(options.save, {"mri": {" ".join(row[:2]): row[2:] for row in rows}})


if __name__ == "__main__":
    main()
