"""Three measurements, three reconstructions: accelerated MRI, missing pixels, motion blur.

Everything ships with the package: the operators, the trained DRUNet denoiser, two photographs and a measured brain
slice of eight coils (of which the MRI problem is simulated). Prints PSNR and SSIM of the input (adjoint or
zero-filled image), of total variation at its best strength for this very image, and of plug-and-play ADMM with DRUNet
at its default; writes a picture of each.

    python examples/quickstart.py [--out figures/quickstart.png] [--small]
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from pnp import (
    MRI,
    Blur,
    DRUNetDenoiser,
    Inpainting,
    PnPADMM,
    data,
    estimate_coil_maps,
    gaussian_noise,
    metrics,
    motion_kernel,
    plot,
    random_columns,
    random_mask,
    tv_reconstruction,
)


def brain(_: int):
    """Brain slice, eight coils, every fourth column, noise: simulated from a measured slice.

    The measured k-space holds 12 % of the samples only, so it is not a truth by itself. Its least-squares (SENSE) image
    with the coil maps estimated from it serves as the object of a simulation, in which the truth is known.
    """
    kspace = data.sample("brain")
    maps = estimate_coil_maps(kspace, crop=0.0)[0]
    acquired = MRI((kspace != 0).any(1)[0], maps)
    x = acquired.prox_l2(torch.zeros(1, 1, 230, 180, dtype=kspace.dtype), kspace, gamma=100.0)
    op = MRI(random_columns((230, 180), acceleration=4, center_fraction=0.08), maps)
    noise_std = 0.01
    return op, x, op.mask * gaussian_noise(op.A(x), noise_std), noise_std


def photograph(size: int):
    """Camera man, 30 % of the pixels kept, little noise."""
    x = data.sample("camera")[..., :size, :size]
    op = Inpainting(random_mask((size, size), keep=0.3))
    return op, x, op.A(gaussian_noise(x, 0.01)), 0.01


def motion(size: int):
    """Astronaut in gray, blurred by a motion of 15 pixels, noise of 1 %."""
    x = data.sample("astronaut").mean(1, keepdim=True)[..., :size, -size:]
    op = Blur(motion_kernel(15, 0.6), (size, size))
    return op, x, gaussian_noise(op.A(x), 0.01), 0.01


def best_tv(op, y: Tensor, noise_std: float, x: Tensor) -> Tensor:
    """Total variation reconstruction, the strength chosen with the truth at hand."""
    solutions = [tv_reconstruction(op, y, noise_std, strength=s, iterations=100) for s in (0.25, 0.5, 1.0, 2.0)]
    return min(solutions, key=lambda v: float(metrics.nrmse(v, x)))


def scores(v: Tensor, x: Tensor) -> str:
    """PSNR and SSIM of magnitudes, peak 1 being the reference's maximum."""
    v, x = v.abs() / x.abs().max(), x.abs() / x.abs().max()
    return f"{float(metrics.psnr(v, x)):6.2f} dB  {float(metrics.ssim(v, x)):.3f}"


def main() -> None:
    """Run the three problems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="figures/quickstart.png", help="picture to write")
    parser.add_argument("--small", action="store_true", help="128 pixels instead of 512, to try it out")
    options = parser.parse_args()
    size = 128 if options.small else 512
    denoiser = DRUNetDenoiser()
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    print(f"{'':24s} {'input':18s} {'TV (best strength)':18s} {'PnP-ADMM, DRUNet':18s}")
    for title, problem in (("MRI, 4 x, 8 coils", brain), ("30 % of the pixels", photograph), ("motion blur", motion)):
        op, x, y, noise_std = problem(size)
        start = time.perf_counter()
        result = PnPADMM(op, denoiser, noise_std=noise_std).solve(y)
        seconds = time.perf_counter() - start
        images = {"input": op.A_adjoint(y), "TV": best_tv(op, y, noise_std, x), "PnP-ADMM, DRUNet": result.x}
        print(f"{title:24s} " + "  ".join(f"{scores(v, x)}" for v in images.values()), end="   ")
        print(f"{result.reason}, {len(result.history)} iterations, {seconds:.1f} s", flush=True)
        path = Path(options.out).with_stem(f"{Path(options.out).stem}-{problem.__name__}")
        plot.show({name: v.abs() for name, v in images.items()}, ref=x.abs(), path=str(path))
        print(f"{'':24s} picture: {path}")


if __name__ == "__main__":
    main()
