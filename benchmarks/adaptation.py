"""Adaptation of a prior to one measurement: what data left out say, and what the truth says.

The shipped prior of natural images, the same with white noise of 2 % added to its weights, and the same with its
correction cut to 40 %, are adapted to one simulated measurement of 64 x 64 pixels of a photograph: 60 angles of CT, a
third of k-space of one coil, half of the pixels. PSNR of PnP-ADMM from all data; gain as :func:`pnp.train.adapt`
estimates it.

    python -m benchmarks.adaptation [--fields ct mri pixels]
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from denoisers import DRUNetDenoiser
from operators import MRI, Inpainting, Radon, gaussian_noise, random_mask
from pnp import PnPADMM, data
from pnp.metrics import psnr
from pnp.train import adapt
from pnp.train.recipes.unseen import sampling_density

from .common import parser, save, table

SIDE = 64


def _fields() -> dict[str, tuple[Any, float]]:
    """Operators and the noise of their data."""
    angles = torch.arange(60) * (torch.pi / 60)
    mask = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) < sampling_density(SIDE)
    pixels = Inpainting(random_mask((SIDE, SIDE), 0.5))
    return {"ct": (Radon(SIDE, angles), 0.5), "mri": (MRI(mask.float()), 0.03), "pixels": (pixels, 0.05)}


def shipped() -> DRUNetDenoiser:
    return DRUNetDenoiser(precision="float32")


@torch.no_grad()
def noisy(share: float = 0.02) -> DRUNetDenoiser:
    """White noise of a share of each tensor's root mean square."""
    prior, g = shipped(), torch.Generator().manual_seed(0)
    for w in prior.parameters():
        w.add_(share * w.square().mean().sqrt() * torch.randn(w.shape, generator=g))
    return prior


@torch.no_grad()
def timid(share: float = 0.4) -> DRUNetDenoiser:
    """A share of what the prior takes away."""
    prior = shipped()
    prior.net.tail.weight.mul_(share)
    return prior


PRIORS: dict[str, Callable[[], DRUNetDenoiser]] = {"shipped": shipped, "2 % noise": noisy, "40 %": timid}


def compared(op: Any, std: float, x: Tensor, prior: DRUNetDenoiser) -> tuple[float, float, str]:
    """PSNR before and after, and what the adaptation says of itself."""
    clean = op.A(x.to(op.in_dtype))
    y = gaussian_noise(clean, std, seed=1)
    y = y if op.measured is None else torch.where(op.measured, y, clean)
    done = adapt(prior, op, y, noise_std=std)
    images = [PnPADMM(op, d, noise_std=std)(y) for d in (prior, done.denoiser)]
    before, after = (float(psnr(v.real if v.is_complex() else v, x, data_range=1.0)) for v in images)
    return before, after, str(done)


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    fields = _fields()
    p.add_argument("--fields", nargs="+", default=[*fields])
    given = p.parse_args()
    x, rows = data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE], []
    for field in given.fields:
        for name, make in PRIORS.items():
            before, after, said = compared(*fields[field], x, make())
            rows.append([field, name, before, after, said])
            save(given.save, {f"adaptation, {field}, {name}": {"before": before, "after": after}})
            print(rows[-1], flush=True)
    print(table(rows, ["field", "prior", "before", "after", "adaptation"]))


if __name__ == "__main__":
    main()
