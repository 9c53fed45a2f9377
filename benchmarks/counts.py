"""Counts: the likelihood that they have beside Gaussian noise that is made to fit.

Low-dose CT, held-out patients of the folder ``ct_patients/tcga`` at 256 x 256, 180 angles, a maximum attenuation of 6,
10,000 or 1,000 photons per ray before the body, x >= 0 throughout: counts by :class:`pnp.Transmission`, their logarithm
with a standard deviation for each ray, and with one for all. The sinogram comes from the slice at twice the resolution.

Photographs (``bsd68``, centre 128 x 128) of 1, 3 and 10 photons per pixel on average: 50 % of the pixels, and blurred
by 1.2 pixels: :class:`pnp.Poisson`, and for masks :class:`pnp.PoissonRoots`; Gaussian noise of a standard deviation for
each datum, from the counts; and the square-root transform (Anscombe), in whose domain the prior works on the masked
pixels; or, for blur, denoises the counts before they are deconvolved (at the best of three levels, by the truth). Exact
unbiased inverse by its closed form.

PSNR in dB, seconds of the processor; and how far a likelihood of counts is above the other way of the same images, with
the standard error of that mean: the transmission likelihood above Gaussian noise of each ray, `PoissonRoots` (masks)
and `Poisson` (blur) above the square-root transform.

    python -m benchmarks.counts --data DIR [--images N] [--parts ct photographs] [--side 256]
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from denoisers import Bounded, default_denoiser
from operators import Blur, Inpainting, LinearOperator, Radon, gaussian_kernel, random_mask
from pnp import Gaussian, PnPADMM, PnPPDHG, Poisson, PoissonRoots, Stop, Transmission
from pnp.metrics import psnr
from pnp.train.recipes.fields import ct_slices

from .common import data_folder, parser, save, table

_MEASURED = 512  # pixels of a slice along a side


def anscombe(counts: Tensor) -> Tensor:
    """Square roots with a standard deviation of one: Anscombe 1948, doi:10.1093/biomet/35.3-4.246."""
    return 2 * (counts + 3 / 8).sqrt()


def inverse_anscombe(v: Tensor) -> Tensor:
    """Exact unbiased inverse: Makitalo, Foi 2011, doi:10.1109/TIP.2011.2121085."""
    v = v.clamp_min(2 * (3 / 8) ** 0.5)
    return (v**2 / 4 + 1.5**0.5 / (4 * v) - 11 / (8 * v**2) + 5 * 1.5**0.5 / (8 * v**3) - 1 / 8).clamp_min(0)


def tomography(slices: list[Tensor], photons: float, side: int) -> dict[str, list[tuple[float, float]]]:
    """PSNR and seconds of every way, for each slice (1, 512, 512)."""
    out: dict[str, list[tuple[float, float]]] = {}
    angles = torch.arange(180) * (torch.pi / 180)
    op = Radon(side, angles)
    fine = Radon(2 * side, angles, pixel_size=0.5, detector_count=op.detector_count)
    denoiser = Bounded(default_denoiser("ct"), low=0.0)
    for i, x in enumerate(slices):
        twice = F.avg_pool2d(x[None], _MEASURED // (2 * side))
        truth, clean = F.avg_pool2d(twice, 2), fine(twice)
        density = 6 / float(clean.amax())
        generator = torch.Generator().manual_seed(i)
        counts = torch.poisson(photons * (-density * clean).exp(), generator=generator)
        note(out, ways_of_rays(op, density, counts, photons, denoiser), truth, float(truth.amax()))
    return out


def ways_of_rays(
    op: Radon, density: float, counts: Tensor, photons: float, denoiser: Bounded
) -> dict[str, Callable[[], Tensor]]:
    """Reconstructions of counts behind a body of so much attenuation for an image of one."""
    scaled = density * op
    lines = -(counts.clamp_min(0.5) / photons).log()
    uneven = Gaussian(scaled, counts.clamp_min(0.5).rsqrt())
    return {
        "FBP": lambda: op.fbp(lines / density, "hann"),
        "Gaussian, one level": lambda: PnPADMM(scaled, denoiser)(lines),
        "Gaussian, each ray": lambda: PnPADMM(uneven, denoiser)(lines),
        "Transmission": lambda: PnPADMM(Transmission(scaled, photons), denoiser)(counts),
        "Transmission, PDHG": lambda: PnPPDHG(Transmission(scaled, photons), denoiser, stop=Stop(2e-3))(counts),
    }


def note(out: dict[str, list[tuple[float, float]]], ways: dict, truth: Tensor, top: float) -> None:
    """Add PSNR and seconds of each way to ``out``."""
    for name, way in ways.items():
        start = time.process_time()
        answer = way()
        seconds = time.process_time() - start
        out.setdefault(name, []).append((float(psnr((answer / top).clamp(0, 1), truth / top)), seconds))


def photographs(images: list[Tensor], mean: float, blurred: bool) -> dict[str, list[tuple[float, float]]]:
    """The same of photographs (1, H, W) in counts."""
    out: dict[str, list[tuple[float, float]]] = {}
    shape, prior = (128, 128), default_denoiser()
    bounded = Bounded(prior, low=0.0)
    op: LinearOperator = Blur(gaussian_kernel(1.2), shape) if blurred else Inpainting(random_mask(shape, 0.5))
    for i, x in enumerate(images):
        top, left = ((n - 128) // 2 for n in x.shape[-2:])
        truth = x[None, :, top : top + 128, left : left + 128]
        truth = truth * (mean / float(truth.mean()))
        y = torch.poisson(op.A(truth).clamp_min(0), generator=torch.Generator().manual_seed(i))
        std = (y + 1).sqrt()

        def transformed(y: Tensor = y, truth: Tensor = truth) -> Tensor:
            if isinstance(op, Inpainting):
                roots = torch.where(op.mask > 0, anscombe(y), torch.zeros_like(y))
                return inverse_anscombe(PnPADMM(op, prior, noise_std=1.0)(roots))
            clean = inverse_anscombe(prior(anscombe(y), 1.0))
            left = [PnPADMM(op, bounded, noise_std=k * mean**0.5)(clean) for k in (0.1, 0.3, 1.0)]
            return max(left, key=lambda v: float(psnr(v / truth.amax(), truth / truth.amax())))

        ways: dict[str, Callable[[], Tensor]] = {
            "Gaussian, each datum": lambda y=y, std=std: PnPADMM(Gaussian(op, std), bounded)(y),
            "Anscombe": transformed,
            "Poisson": lambda y=y: PnPADMM(Poisson(op), bounded)(y),
            "Poisson, PDHG": lambda y=y: PnPPDHG(Poisson(op), bounded, stop=Stop(2e-3))(y),
        }
        if isinstance(op, Inpainting):  # whose squares are those of the image
            ways["Poisson, roots"] = lambda y=y: PnPADMM(PoissonRoots(op), bounded)(y).square()
        note(out, ways, truth, float(truth.amax()))
    return out


def row(name: str, found: dict[str, list[tuple[float, float]]], ours: str, theirs: str) -> list[str]:
    """Means in words, and by how much ``ours`` is above ``theirs``."""
    means = [[statistics.fmean(values) for values in zip(*v)] for v in found.values()]
    above = [a[0] - b[0] for a, b in zip(found[ours], found[theirs], strict=True)]
    error = statistics.stdev(above) / len(above) ** 0.5 if len(above) > 1 else float("nan")
    told = f"{statistics.fmean(above):+.2f} ± {error:.2f}"
    return [name, *(f"{score:.2f}, {seconds:.1f} s" for score, seconds in means), told]


def main() -> None:
    """Print the tables."""
    p = parser(__doc__)
    p.add_argument("--parts", nargs="+", choices=("ct", "photographs"), default=("ct", "photographs"))
    p.add_argument("--side", type=int, default=256, choices=(64, 128, 256), help="pixels of a CT image along a side")
    options = p.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", RuntimeWarning)
    if "ct" in options.parts:
        low_dose(options)
    if "photographs" in options.parts:
        few_photons(options)


def low_dose(options: argparse.Namespace) -> None:
    """The table of tomography."""
    patients, rows = Path(options.data) / "ct_patients" / "tcga", []
    slices = [x for x in ct_slices(patients, held_out=True) if x.shape[-1] == _MEASURED][: options.images or 3]
    for photons in (1e4, 1e3):
        found = tomography(slices, photons, options.side)
        rows.append(row(f"{photons:g} photons", found, "Transmission", "Gaussian, each ray"))
        print(rows[-1], flush=True)
        save(options.save, {f"counts, CT {photons:g}, {k}": statistics.fmean(next(zip(*v))) for k, v in found.items()})
    print(table(rows, ["CT", *found, "Transmission above each ray"]) + "\n")


def few_photons(options: argparse.Namespace) -> None:
    """The tables of photographs."""
    folder, count = data_folder(options.data, "bsd68"), options.images or 10
    images = [folder[i] for i in range(0, 7 * count, 7)]
    for kind, ours in {"masked": "Poisson, roots", "blurred": "Poisson"}.items():
        rows = []
        for mean in (1.0, 3.0, 10.0):
            found = photographs(images, mean, kind == "blurred")
            rows.append(row(f"mean {mean:g}", found, ours, "Anscombe"))
            print(rows[-1], flush=True)
        print(table(rows, [kind, *found, f"{ours} above Anscombe"]) + "\n")


if __name__ == "__main__":
    main()
