"""CT slices of patients that nothing was trained on: PnP-ADMM with each prior beside FBP and total variation.

Slices of 512 x 512 are projected by ASTRA's strip model onto bins two pixels wide and reconstructed at 256 x 256, so
the data do not come from the operator that is inverted; the reference is the slice, averaged over 2 x 2 pixels. Noise:
30 dB, or, "low dose", counts of 3000 photons per ray before the body, of which the densest ray of a slice keeps 2 %.
FBP has its best filter, TV (x >= 0) its best strength for the very slice. Patients: the one of the folder ``ct``
(windowed), and those of ``ct_patients/tcga`` whom the recipes keep apart (attenuation over twice that of water). Before
that, filtered backprojections with the ramp filter by three packages from the same sinogram, without noise.

    python -m benchmarks.ct --data DIR [--images 4] [--priors drunet:ct drunet lofi] [--figures FOLDER]
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisers import Denoiser
from operators import Radon, Weighted, gaussian_noise_snr, std_from_snr, transmission_noise
from pnp import PnPADMM, tv_reconstruction
from pnp.metrics import psnr, ssim
from pnp.train.recipes.fields import ct_slices

from .common import data_folder, parser, save, shipped, table

SIDE, SNR, PHOTONS = 256, 30.0, 3000.0
CASES = ((180, "30 dB"), (60, "30 dB"), (30, "30 dB"), (180, "low dose"))
FILTERS = ("ram-lak", "shepp-logan", "cosine", "hamming", "hann")
STRENGTHS = (0.1, 0.2, 0.5, 1.0, 1.4, 2.0, 3.0)


def measure(fine: Tensor, op: Radon) -> Tensor:
    """Sinogram of a slice (n, n) by ASTRA's strips, in pixels of the operator, without noise."""
    import astra

    n, side = fine.shape[-1], op.in_shape[-1]
    angles = op.angles.double().numpy()
    volume = astra.create_vol_geom(n, n)
    geometry = astra.create_proj_geom("parallel", n / side, op.detector_count, angles)
    _, sinogram = astra.create_sino(fine.numpy(), astra.create_projector("strip", geometry, volume))
    astra.clear()
    return torch.from_numpy(np.asarray(sinogram, dtype=np.float32))[None, None] * (side / n)


def problem(clean: Tensor, op: Radon, dose: str, seed: int) -> tuple[Any, Tensor, float, Tensor]:
    """Whitened operator and data, their noise level, and the sinogram with noise in the operator's own units."""
    if dose == "30 dB":
        y = gaussian_noise_snr(clean, SNR, seed=seed)
        return op, y, float(std_from_snr(clean, SNR)), y
    density = 4 / float(clean.max())  # attenuation of a pixel of intensity one
    y = transmission_noise(density * clean, PHOTONS, seed=seed)
    weights = PHOTONS**0.5 * (-y / 2).exp()
    return Weighted(weights[0]) @ (density * op), weights * y, 1.0, y / density


def reconstruct(
    clean: Tensor, op: Radon, dose: str, seed: int, x: Tensor, priors: dict[str, Denoiser]
) -> dict[str, Tensor]:
    """All methods' images."""
    white, y, std, raw = problem(clean, op, dose, seed)

    def best(images: list[Tensor]) -> Tensor:
        return max(images, key=lambda v: float(psnr(v.clamp(0, 1), x)))

    strengths = [
        tv_reconstruction(white, y, std, strength=s, iterations=400, nonnegative=True) for s in STRENGTHS
    ]  # fmt: skip
    return {
        "FBP": best([op.fbp(raw, name) for name in FILTERS]),
        "TV": best(strengths),
        **{name: PnPADMM(white, denoiser, noise_std=std)(y) for name, denoiser in priors.items()},
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
    p.add_argument("--priors", nargs="+", default=["drunet:ct", "drunet", "lofi"])
    options = p.parse_args()
    folder = data_folder(options.data, "ct")
    count = options.images or 4
    step = len(folder) // count
    priors, rows = {name: shipped(name) for name in options.priors}, []
    for views in (180, 720):
        op = Radon(SIDE, torch.arange(views, dtype=torch.float64) * torch.pi / views)
        x = torch.nn.functional.avg_pool2d(folder[0][None], 2)
        images = backprojections(measure(folder[0][0], op), op)
        print(f"FBP of {views} angles, PSNR / dB:", {k: round(float(psnr(v, x)), 2) for k, v in images.items()})
    patients = {"ct": [folder[i][0] for i in range(0, step * count, step)]}
    if (Path(options.data) / "ct_patients" / "tcga").is_dir():
        others = [
            x for x in ct_slices(Path(options.data) / "ct_patients" / "tcga", held_out=True) if x.shape[-1] == 512
        ]
        patients["other patients"] = [x[0] / 2 for x in others[:: max(len(others) // count, 1)][:count]]
    for (kind, slices), (views, dose) in itertools.product(patients.items(), CASES):
        op = Radon(SIDE, torch.arange(views, dtype=torch.float64) * torch.pi / views)
        scores: dict[str, list[tuple[float, float]]] = {}
        for i, fine in enumerate(slices):
            x = torch.nn.functional.avg_pool2d(fine[None, None], 2)
            images = reconstruct(measure(fine, op), op, dose, i, x, priors)
            for name, image in images.items():
                image = image.clamp(0, 1)
                scores.setdefault(name, []).append((float(psnr(image, x)), float(ssim(image, x))))
            if options.figures and i == 0:
                _picture(
                    Path(options.figures) / f"ct-{kind}-{views}-{dose}.png".replace(" ", "-"), {"slice": x, **images}, x
                )
            print(kind, views, dose, i, {k: round(v[-1][0], 2) for k, v in scores.items()}, flush=True)
        for name, values in scores.items():
            mean = np.mean(values, 0)
            margins = [min(v[0] - t[0] for v, t in zip(values, scores[other])) for other in ("TV", options.priors[-1])]
            rows.append([kind, views, dose, name, float(mean[0]), f"{mean[1]:.3f}", *(f"{m:+.2f}" for m in margins)])
    head = ["slices", "angles", "noise", "method", "PSNR / dB", "SSIM", "worst over TV", f"over {options.priors[-1]}"]
    print(table(rows, head))
    save(options.save, {"ct": {" ".join(map(str, row[:4])): row[4:] for row in rows}})


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
