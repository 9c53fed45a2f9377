"""Multi-coil MRI of brains that nothing was trained on: PnP-ADMM with each prior beside zero filling and TV.

Complex images (the last six of ``mri_images/complex_brain31.npy``) seen by eight smooth coils, Cartesian masks of
random columns, 4 and 8 times accelerated, noise of 1 % of the largest magnitude. PSNR of the magnitude, the peak being
its maximum; TV has its best strength for the very image.

    python -m benchmarks.mri --data DIR [--images 6] [--priors drunet lofi] [--figures FOLDER]
"""

import statistics
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from operators import MRI, gaussian_noise, random_columns
from pnp import PnPADMM, plot, tv_reconstruction
from pnp.metrics import psnr, ssim
from pnp.train.recipes.unrolled import coil_maps

from .common import parser, save, shipped, table

COILS, STD = 8, 0.01
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
    options = p.parse_args()
    images = brains(options.data, options.images or 6)
    priors, maps, rows = {name: shipped(name) for name in options.priors}, coil_maps(images.shape[-1]), []
    for acceleration in (4.0, 8.0):
        op = MRI(random_columns((256, 256), acceleration, 0.32 / acceleration), maps)
        scores: dict[str, list[tuple[float, float]]] = {}
        for i in range(len(images)):
            x = images[i : i + 1]
            y = op.mask * gaussian_noise(op.A(x), STD, seed=i)
            answers = {"zero-filled": op.A_adjoint(y)}
            skies = [tv_reconstruction(op, y, STD, strength=s, iterations=100) for s in STRENGTHS]
            answers["TV"] = max(skies, key=lambda v: float(psnr(v.abs(), x.abs())))
            answers |= {name: PnPADMM(op, denoiser, noise_std=STD)(y) for name, denoiser in priors.items()}
            for name, answer in answers.items():
                figures = (float(psnr(answer.abs(), x.abs())), float(ssim(answer.abs(), x.abs())))
                scores.setdefault(name, []).append(figures)
            print(acceleration, i, {k: round(v[-1][0], 2) for k, v in scores.items()}, flush=True)
            if options.figures and i == 0:
                shown = {"brain": x.abs(), **{k: v.abs() for k, v in answers.items()}}
                plot.show(shown, ref=x.abs(), path=Path(options.figures) / f"mri-{acceleration:g}.png")
        for name, values in scores.items():
            over = [v[0] - w[0] for v, w in zip(values, scores[options.priors[-1]])]
            mean = [statistics.fmean(column) for column in zip(*values)]
            rows.append([f"{acceleration:g} x", name, mean[0], f"{mean[1]:.3f}", f"{min(over):+.2f}"])
    print(table(rows, ["mask", "method", "PSNR / dB", "SSIM", f"worst over {options.priors[-1]}"]))
    save(options.save, {"mri": {" ".join(row[:2]): row[2:] for row in rows}})


if __name__ == "__main__":
    main()
