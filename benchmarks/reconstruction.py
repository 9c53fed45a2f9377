"""Default reconstructions beside honest rivals: 20 test images, every operator, one set of constants.

For each operator: PSNR of the adjoint (or zero-filled, or interpolated) image, of one plain denoising of it at the
level that the noise has in the image, of total variation with the strength tuned on the truth, and of PnP-ADMM and
PnP-HQS with LoFi at their defaults; median and worst margins, share of runs that converged, and how far four times
the iterations move the answer. Images: the first 20 of BSD68, centre 128 x 128; the defaults were set on others.

    python -m benchmarks.reconstruction --data DIR [--images 20]
"""

import statistics
import time
import warnings

import torch

from denoisers import LoFiDenoiser
from operators import (
    MRI,
    Blur,
    Downsampling,
    Identity,
    Inpainting,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    random_columns,
    random_mask,
)
from pnp import PnPADMM, PnPHQS, Stop, tv_reconstruction
from pnp.metrics import psnr

from .common import data_folder, parser, save, table

SIZE = 128
PROBLEMS = {
    "denoising, noise 0.1": (Identity((SIZE, SIZE)), 0.1),
    "inpainting 30 %, noise 0.01": (Inpainting(random_mask((SIZE, SIZE), 0.3)), 0.01),
    "motion blur 15 px, noise 0.01": (Blur(motion_kernel(15, 0.6), (SIZE, SIZE)), 0.01),
    "gaussian blur 1.6 px, noise 0.02": (Blur(gaussian_kernel(1.6), (SIZE, SIZE)), 0.02),
    "downsampling 2, noise 0.01": (Downsampling(2, (SIZE, SIZE)), 0.01),
    "MRI 4 x, noise 0.02": (MRI(random_columns((SIZE, SIZE), 4.0, 0.08)), 0.02),
}


def score(x: torch.Tensor, ref: torch.Tensor) -> float:
    """PSNR with peak 1, of the real part (the phantom phase is known to be zero for all methods alike)."""
    return float(psnr((x.real if x.is_complex() else x).clamp(0, 1), ref))


def run(name: str, images: list[torch.Tensor], denoiser: LoFiDenoiser) -> dict[str, list[float]]:
    """Scores of all methods on one problem."""
    op, std = PROBLEMS[name]
    out: dict[str, list[float]] = {k: [] for k in ("input", "one denoising", "TV", "ADMM", "HQS", "ok", "drift", "s")}
    for i, x in enumerate(images):
        clean = op.A(x.to(torch.complex64) if op.in_dtype.is_complex else x)
        y = gaussian_noise(clean, std, seed=i)
        y = torch.where(clean == 0, clean, y) if isinstance(op, (Inpainting, MRI)) else y
        adjoint = op.A_adjoint(y) if not isinstance(op, Downsampling) else _interpolated(y)
        out["input"].append(score(adjoint, x))
        once = PnPADMM(op, denoiser, noise_std=std)
        state = once.init(y)
        out["one denoising"].append(score(once.denoise(adjoint, state.problem.image_noise.clamp(max=0.2), state), x))
        solutions = [tv_reconstruction(op, y, std, strength=s, iterations=150) for s in (0.25, 0.5, 1.0, 2.0, 4.0)]
        out["TV"].append(max(score(v, x) for v in solutions))
        for label, method in (("ADMM", PnPADMM), ("HQS", PnPHQS)):
            start = time.perf_counter()
            result = method(op, denoiser, noise_std=std).solve(y)
            out[label].append(score(result.x, x))
            out["ok"].append(float(result.reason == "converged"))
            if label == "ADMM":
                out["s"].append(time.perf_counter() - start)
                if i < 3:
                    longer = Stop(max_iter=4 * len(result.history), tolerance=0)
                    more = method(op, denoiser, noise_std=std, stop=longer).solve(y)
                    out["drift"].append(abs(score(more.x, x) - score(result.x, x)))
    return out


def _interpolated(y: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(y, scale_factor=2, mode="bicubic", align_corners=False)


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    options = p.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    folder = data_folder(options.data, "bsd68")
    images = []
    for i in range(min(len(folder), options.images or 20)):
        x = folder[i][None]
        top, left = (x.shape[-2] - SIZE) // 2, (x.shape[-1] - SIZE) // 2
        images.append(x[..., top : top + SIZE, left : left + SIZE])
    denoiser = LoFiDenoiser()
    rows = []
    for name in options.problems:
        r = run(name, images, denoiser)
        best = statistics.median
        over_input = [a - b for a, b in zip(r["ADMM"], r["input"])]
        over_tv = [a - b for a, b in zip(r["ADMM"], r["TV"])]
        rows.append([name, *(best(r[k]) for k in ("input", "one denoising", "TV", "HQS", "ADMM")),
                     f"{best(over_input):+.2f} ({min(over_input):+.2f})", f"{best(over_tv):+.2f} ({min(over_tv):+.2f})",
                     f"{100 * statistics.mean(r['ok']):.0f} %", f"{max(r['drift']):.3f}", best(r["s"])])  # fmt: skip
        print(rows[-1], flush=True)
        save(options.save, {name: {k: statistics.median(v) for k, v in r.items()}})
    head = ["problem", "input", "one denoising", "TV, oracle", "PnP-HQS", "PnP-ADMM", "ADMM over input (worst)",
            "ADMM over TV (worst)", "converged", "drift / dB", "s"]  # fmt: skip
    print(table(rows, head))


if __name__ == "__main__":
    main()
