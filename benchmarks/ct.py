"""Real CT slices from few angles: PnP-ADMM with LoFi at its defaults beside FBP and total variation.

Slices of 512 x 512 are projected by ASTRA's strip model onto bins two pixels wide, with 30 dB of noise, and
reconstructed at 256 x 256, so the data do not come from the operator that is inverted; the reference is the slice,
averaged over 2 x 2 pixels. FBP has its best filter, TV (x >= 0) its best strength for the very slice. Before that,
filtered backprojections with the ramp filter by three packages from the same sinogram, without noise.

    python -m benchmarks.ct --data DIR [--images 4] [--figures FOLDER]
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisers import LoFiDenoiser
from operators import Radon, gaussian_noise_snr, std_from_snr
from pnp import PnPADMM, PnPHQS, tv_reconstruction
from pnp.metrics import psnr, ssim

from .common import data_folder, parser, save, table

SIDE, SNR = 256, 30.0
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
STRENGTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def measure(fine: Tensor, op: Radon) -> Tensor:
    """Sinogram of a slice (512, 512) by ASTRA's strips, in pixels of the operator, without noise."""
    import astra

    n = fine.shape[-1]
    angles = op.angles.double().numpy()
    volume = astra.create_vol_geom(n, n)
    geometry = astra.create_proj_geom("parallel", n / SIDE, op.detector_count, angles)
    _, sinogram = astra.create_sino(fine.numpy(), astra.create_projector("strip", geometry, volume))
    astra.clear()
    return torch.from_numpy(np.asarray(sinogram, dtype=np.float32))[None, None] * (SIDE / n)


def reconstruct(y: Tensor, op: Radon, std: float, x: Tensor, denoiser: LoFiDenoiser) -> dict[str, Tensor]:
    """All methods' images."""

    def best(images: list[Tensor]) -> Tensor:
        return max(images, key=lambda v: float(psnr(v.clamp(0, 1), x)))

    return {
        "FBP": best([op.fbp(y, name) for name in FILTERS]),
        "TV": best([tv_reconstruction(op, y, std, strength=s, iterations=150, nonnegative=True) for s in STRENGTHS]),
        "PnP-HQS": PnPHQS(op, denoiser, noise_std=std)(y),
        "PnP-ADMM": PnPADMM(op, denoiser, noise_std=std)(y),
    }


def backprojections(y: Tensor, op: Radon) -> dict[str, Tensor]:
    """Ramp-filtered backprojections of one sinogram: ours, ASTRA's on the CPU, scikit-image's."""
    import astra
    from skimage.transform import iradon

    angles, count = op.angles.double().numpy(), op.detector_count
    volume = astra.create_vol_geom(SIDE, SIDE)
    geometry = astra.create_proj_geom("parallel", 1.0, count, angles)
    config = astra.astra_dict("FBP")
    config["ProjectorId"] = astra.create_projector("linear", geometry, volume)
    config["ProjectionDataId"] = astra.data2d.create("-sino", geometry, y[0, 0].numpy())
    config["ReconstructionDataId"] = image = astra.data2d.create("-vol", volume)
    astra.algorithm.run(astra.algorithm.create(config))
    theirs = torch.from_numpy(np.array(astra.data2d.get(image)))[None, None]
    astra.clear()
    # scikit-image turns about pixel n // 2, half a pixel from the middle: its sinogram is moved along the detector
    shift = 0.5 * (op.angles.cos() - op.angles.sin())[:, None]
    frequency = torch.fft.rfftfreq(count, dtype=torch.float64) * 2 * torch.pi
    moved = torch.fft.irfft(torch.fft.rfft(y[0, 0].double()) * torch.exp(1j * shift * frequency), n=count)
    other = iradon(moved.T.numpy(), np.degrees(angles), output_size=SIDE, circle=False, filter_name="ramp")
    return {"ours": op.fbp(y), "ASTRA": theirs, "scikit-image": torch.from_numpy(other).float()[None, None]}


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--figures", help="folder for pictures")
    options = p.parse_args()
    folder = data_folder(options.data, "ct")
    step = len(folder) // (options.images or 4)
    denoiser, rows = LoFiDenoiser(), []
    for views in (180, 720):
        op = Radon(SIDE, torch.arange(views, dtype=torch.float64) * torch.pi / views)
        x = torch.nn.functional.avg_pool2d(folder[0][None], 2)
        images = backprojections(measure(folder[0][0], op), op)
        print(f"FBP of {views} angles, PSNR / dB:", {k: round(float(psnr(v, x)), 2) for k, v in images.items()})
    for views in (180, 40):
        op = Radon(SIDE, torch.arange(views, dtype=torch.float64) * torch.pi / views)
        scores: dict[str, list[tuple[float, float]]] = {}
        for i in range(0, step * (options.images or 4), step):
            fine = folder[i][0]
            x = torch.nn.functional.avg_pool2d(fine[None, None], 2)
            clean = measure(fine, op)
            y = gaussian_noise_snr(clean, SNR, seed=i)
            images = reconstruct(y, op, float(std_from_snr(clean, SNR)), x, denoiser)
            for name, image in images.items():
                image = image.clamp(0, 1)
                scores.setdefault(name, []).append((float(psnr(image, x)), float(ssim(image, x))))
            if options.figures and i == 0:
                _picture(Path(options.figures) / f"ct-{views}.png", {"slice": x, **images}, x)
            print(views, i, {k: round(v[-1][0], 2) for k, v in scores.items()}, flush=True)
        for name, values in scores.items():
            mean = np.mean(values, 0)
            margin = min(v[0] - t[0] for v, t in zip(values, scores["TV"]))
            rows.append([views, name, float(mean[0]), f"{mean[1]:.3f}", f"{margin:+.2f}"])
    print(table(rows, ["angles", "method", "PSNR / dB", "SSIM", "worst margin over TV"]))
    save(options.save, {"ct": {f"{row[0]} {row[1]}": row[2:] for row in rows}})


def _picture(path: Path, images: dict[str, Any], x: Tensor) -> None:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(1, len(images), figsize=(4 * len(images), 4.4), layout="constrained")
    for axis, (name, image) in zip(axes, images.items()):
        axis.imshow(image[0, 0].clamp(0, 1), cmap="gray", vmin=0, vmax=float(x.max()))
        axis.set_title(name if name == "slice" else f"{name}, {float(psnr(image.clamp(0, 1), x)):.2f} dB")
        axis.axis("off")
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
