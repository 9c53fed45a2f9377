"""Denoisers side by side on BSD68 (or CBSD68), same noise: PSNR, SSIM, parameters, seconds and peak memory an image.

Protocol: noise of standard deviation sigma / 255, neither clipped nor rounded; estimates clipped to [0, 1]; mean over
the images of the PSNR with peak 1. TV has its default weight, the best on average for other images; ``tv-oracle`` tunes
it for each image against the truth. BM3D is the package ``bm3d`` with its own settings, wavelets those of PyWavelets
(extra ``bench``; BM3D's licence is non-commercial).
Networks come as FAMILY or FAMILY:WEIGHTS (drunet, lofi, mixer, xdncnn; WEIGHTS a shipped name or a file); one for a
single noise level is shown that level only, such as the colour Mixer (30).

    python -m benchmarks.denoising --data DIR [--methods lofi xdncnn:natural-gray-25 bm3d wavelet tv] [--colour]
"""

import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from denoisers import BM3DDenoiser, Denoiser, TVDenoiser, WaveletDenoiser
from pnp.metrics import psnr, ssim
from pnp.passport.memory import peak_memory

from .common import FAMILIES, data_folder, noisy, parser, save, shipped, table, timed

CLASSICAL = {"bm3d": BM3DDenoiser, "tv": TVDenoiser, "wavelet": WaveletDenoiser, "tv-oracle": TVDenoiser}
Method = Callable[[Tensor, float, Tensor], Tensor]


def make(name: str, colour: bool) -> tuple[Denoiser, Method]:
    """A denoiser by its name on the command line, and how it is used; ``tv-oracle`` is tuned on the truth."""
    if name not in CLASSICAL and name.partition(":")[0] not in FAMILIES:
        raise SystemExit(
            f"--methods: expected {', '.join(CLASSICAL)}, or {', '.join(FAMILIES)} [:WEIGHTS]; got {name!r}"
        )
    denoiser: Denoiser = CLASSICAL[name]() if name in CLASSICAL else shipped(name, colour=colour)
    if name not in CLASSICAL and denoiser.channels != (3 if colour else 1):
        raise SystemExit(f"--methods {name}: the weights are for {denoiser.channels} channel(s); see --colour")
    if name == "tv-oracle":

        def tuned(y: Tensor, sigma: float, truth: Tensor) -> Tensor:
            candidates = [denoiser(y, sigma * factor) for factor in (0.7, 0.85, 1.0, 1.15, 1.3)]
            return max(candidates, key=lambda x: float(psnr(x.clamp(0, 1), truth)))

        return denoiser, tuned
    return denoiser, lambda y, sigma, _: denoiser(y, sigma)


def knows(denoiser: Denoiser, sigma: float) -> bool:
    """Whether the denoiser was made for this level."""
    low, high = denoiser.sigma_range or (0.0, 1.0)
    return low - 1e-6 <= sigma <= high + 1e-6


@torch.no_grad()
def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--methods", nargs="+", help="default: all, in gray the fast DRUNet, too")
    p.add_argument("--sigmas", nargs="+", type=float, help="default: 15 25 50, in colour 15 25 30 50")
    p.add_argument("--colour", action="store_true", help="CBSD68 and the colour weights")
    options = p.parse_args()
    channels = 3 if options.colour else 1
    folder = data_folder(options.data, "cbsd68" if options.colour else "bsd68", channels=channels)
    fast = [] if options.colour else ["drunet:natural-gray-fast"]
    names = options.methods or ["drunet", *fast, "lofi", "xdncnn", "mixer", "bm3d", "wavelet", "tv"]
    methods = {name: make(name, options.colour) for name in names}
    rows = []
    for sigma in options.sigmas or ([15, 25, 30, 50] if options.colour else [15, 25, 50]):
        for name, (denoiser, method) in methods.items():
            if not knows(denoiser, sigma / 255):
                continue
            scores, likeness, seconds = [], [], []
            for i in range(min(len(folder), options.images or len(folder))):
                x = folder[i][None]
                y = noisy(x, sigma / 255, seed=i)
                estimate, took = timed(lambda m=method, x=x, y=y, s=sigma: m(y, s / 255, x).clamp(0, 1))
                scores.append(float(psnr(estimate, x)))
                likeness.append(float(ssim(estimate, x)))
                seconds.append(took)
            peak = peak_memory(lambda d=denoiser, s=sigma: d(noisy(folder[0][None], s / 255, seed=0), s / 255))
            size = sum(p.numel() for p in denoiser.parameters())
            figures = [statistics.mean(scores), statistics.mean(likeness), statistics.median(seconds)]
            memory = "" if peak is None else f"{peak / 2**20:.0f}"
            rows.append([f"{sigma:g}", name, figures[0], f"{figures[1]:.4f}", min(scores), size, figures[2], memory])
            save(options.save, {f"{folder.names[0]} {len(scores)} images, sigma {sigma:g}, {name}": figures})
            print(rows[-1], flush=True)
    print(table(rows, ["sigma", "method", "PSNR / dB", "SSIM", "worst PSNR", "parameters", "s/image", "peak MiB"]))


if __name__ == "__main__":
    main()
