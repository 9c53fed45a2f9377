"""Denoisers side by side on BSD68 (or CBSD68), same noise: PSNR, SSIM, seconds an image.

Protocol: noise of standard deviation sigma / 255, neither clipped nor rounded; estimates clipped to [0, 1]; mean over
the images of the PSNR with peak 1. TV's weight is tuned for each image against the truth. BM3D is the package
``bm3d`` with its own settings (extra ``bench``; its licence is non-commercial).

    python -m benchmarks.denoising --data DIR [--methods lofi bm3d tv] [--colour]
"""

import statistics

import torch
from torch import Tensor

from denoisers import LoFiDenoiser
from pnp.metrics import psnr, ssim

from .common import data_folder, noisy, parser, save, table, timed


def lofi(weights: str):
    """The shipped LoFi denoiser."""
    denoiser = LoFiDenoiser(weights)

    def run(y: Tensor, sigma: float, _: Tensor) -> Tensor:
        with torch.no_grad():
            return denoiser(y, sigma)

    return run


def bm3d(y: Tensor, sigma: float, _: Tensor) -> Tensor:
    """BM3D (or its colour version) by the authors' package."""
    import bm3d as package

    array = y[0].permute(1, 2, 0).double().numpy()
    out = package.bm3d(array[..., 0], sigma) if array.shape[-1] == 1 else package.bm3d_rgb(array, sigma)
    out = torch.from_numpy(out).float()
    return out[None, None] if out.ndim == 2 else out.permute(2, 0, 1)[None]


def tv(y: Tensor, sigma: float, truth: Tensor) -> Tensor:
    """Total variation, the best of a range of weights for this image."""
    from denoisers import TVDenoiser

    denoiser = TVDenoiser()
    candidates = [denoiser(y, sigma * factor) for factor in (0.7, 0.85, 1.0, 1.15, 1.3)]
    return max(candidates, key=lambda x: float(psnr(x.clamp(0, 1), truth)))


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--methods", nargs="+", default=["lofi", "bm3d", "tv"], choices=["lofi", "bm3d", "tv"])
    p.add_argument("--sigmas", nargs="+", type=float, default=[15, 25, 50])
    p.add_argument("--colour", action="store_true", help="CBSD68 and the colour weights")
    p.add_argument("--weights", default=None, help="weights of LoFi, by name or file")
    options = p.parse_args()
    channels = 3 if options.colour else 1
    folder = data_folder(options.data, "cbsd68" if options.colour else "bsd68", channels=channels)
    methods = {"bm3d": bm3d, "tv": tv}
    if "lofi" in options.methods:
        methods["lofi"] = lofi(options.weights or ("natural-rgb" if options.colour else "natural-gray"))
    rows = []
    for sigma in options.sigmas:
        for name in options.methods:
            scores, likeness, seconds = [], [], []
            for i in range(min(len(folder), options.images or len(folder))):
                x = folder[i][None]
                y = noisy(x, sigma / 255, seed=i)
                estimate, took = timed(lambda name=name, x=x, y=y, s=sigma: methods[name](y, s / 255, x).clamp(0, 1))
                scores.append(float(psnr(estimate, x)))
                likeness.append(float(ssim(estimate, x)))
                seconds.append(took)
            figures = [statistics.mean(scores), statistics.mean(likeness), statistics.median(seconds)]
            rows.append([f"{sigma:g}", name, figures[0], f"{figures[1]:.4f}", min(scores), figures[2]])
            save(options.save, {f"{folder.names[0]} {len(scores)} images, sigma {sigma:g}, {name}": figures})
            print(rows[-1], flush=True)
    print(table(rows, ["sigma", "method", "PSNR / dB", "SSIM", "worst PSNR", "s/image"]))


if __name__ == "__main__":
    main()
