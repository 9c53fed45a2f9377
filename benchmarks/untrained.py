"""What untrained networks like: Mixer, U-Net and ViT fitted to an image, to noise, and to both together.

As in the Mixer paper's experiment: one fixed random input, Adam on the mean squared error, noise of half the image's
norm; the same network starts from the same weights for all three. Prints how many steps the image and the noise take
to half of their energy, and the best PSNR on the way to the noisy image (early stopping) beside that at the end; draws
the curves. A crop of 64 x 64 of the shipped photograph; learning rates as the paper's code has them.

    python -m benchmarks.untrained [--steps 600]
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from denoisers import Img2ImgMixer, UNet, ViT
from operators import Identity
from pnp.data import sample
from pnp.metrics import psnr
from pnp.train.untrained import fit_untrained

from .common import parser, save, table

SIDE = 64
NETWORKS: dict[str, tuple[Callable[[], nn.Module], float]] = {
    "Mixer": (partial(Img2ImgMixer, SIDE, 1, width=64, depth=8, factor=4), 1e-4),
    "U-Net": (partial(UNet, 1, width=14, poolings=3), 5e-3),
    "ViT": (partial(ViT, SIDE, 1, patch=8, width=96, depth=3, heads=6), 1e-3),
}


def targets() -> dict[str, Tensor]:
    """Image, noise of half its norm, and their sum."""
    x = sample("camera")[..., 100 : 100 + SIDE, 200 : 200 + SIDE]
    x = x / x.amax()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noise = 0.5 * noise * x.norm() / noise.norm()
    return {"image": x, "noise": noise, "noisy image": x + noise}


def curves(name: str, steps: int) -> tuple[dict[str, list[float]], list[float]]:
    """Relative misfit over the steps for each target, and PSNR of the estimate while the noisy image is fitted."""
    build, rate = NETWORKS[name]
    found, quality = {}, []
    for kind, y in targets().items():
        torch.manual_seed(0)
        size = float(y.square().mean())
        found[kind] = []
        for fit in fit_untrained(build(), y, Identity((SIDE, SIDE)), steps=steps, rate=rate):
            found[kind].append(fit.misfit / size)
            if kind == "noisy image":
                quality.append(float(psnr(fit.x, targets()["image"])))
    return found, quality


def half(curve: list[float]) -> int | str:
    """First step at which half of the energy is fitted."""
    return next((i + 1 for i, v in enumerate(curve) if v < 0.5), f"> {len(curve)}")


def draw(path: Path, all_curves: dict[str, tuple[dict[str, list[float]], list[float]]]) -> None:
    """Misfits above, PSNR below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(all_curves), figsize=(11, 6), constrained_layout=True, sharey="row", sharex=True)
    for (name, (misfits, quality)), (above, below) in zip(all_curves.items(), axes.T):
        for kind, curve in misfits.items():
            above.semilogy(curve, label=kind)
        above.set(title=name, ylim=(1e-3, 3))
        below.plot(quality, "k")
        below.set(xlabel="step")
        above.grid(alpha=0.3)
        below.grid(alpha=0.3)
    axes[0, 0].set_ylabel("relative misfit")
    axes[1, 0].set_ylabel("PSNR of the image, dB")
    axes[0, 0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Fit, print, draw."""
    p = parser(__doc__)
    p.add_argument("--steps", type=int, default=600)
    options = p.parse_args()
    rows, kept = [], {}
    for name in NETWORKS:
        misfits, quality = kept[name] = curves(name, options.steps)
        best = max(range(len(quality)), key=lambda i: quality[i])
        rows.append([name, half(misfits["image"]), half(misfits["noise"]), quality[best], best + 1, quality[-1]])
        save(options.save, {f"untrained {name}": rows[-1][1:]})
        print(rows[-1], flush=True)
    head = ["network", "half of the image, steps", "half of the noise", "best PSNR / dB", "at step", "at the end"]
    print(table(rows, head))
    draw(Path("figures") / "untrained.png", kept)


if __name__ == "__main__":
    main()
