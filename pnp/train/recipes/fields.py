"""Images of the fields that have priors of their own: tomography, MRI, radio skies."""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import ImageFolder, as_float

__all__ = ["attenuation", "ct_slices", "magnitudes", "random_phase", "real_part", "skies", "stretched"]

CT_TEST = ("TCGA-60", "TCGA-92")  # patients who are kept for testing
MRI_TEST = ("patient19", "patient20")


def attenuation(stored: Tensor) -> Tensor:
    r"""Attenuation over that of water, :math:`\mu / \mu_w = 1 + \mathrm{HU} / 1000 \ge 0`, of a 16-bit image read as
    values in [0, 1], which holds Hounsfield units + 1024.

    >>> attenuation(torch.tensor([0.0, 1024.0, 2024.0]) / 65535).round(decimals=3).tolist()
    [0.0, 1.0, 2.0]
    """
    return (1 + (stored * 65535 - 1024) / 1000).clamp(min=0)


def ct_slices(folder: Path, *, held_out: bool = False) -> list[Tensor]:
    """Slices of a folder at full and at half resolution, for training or, ``held_out``, of the patients for tests."""
    found = ImageFolder(folder)
    mine = [x for name, x in zip(found.names, found.images) if name.startswith(CT_TEST) == held_out]
    full = [attenuation(as_float(x)) for x in mine]
    return full + [F.avg_pool2d(x[None], 2)[0] for x in full]


def magnitudes(folder: Path) -> list[Tensor]:
    """Magnitudes of a folder over their 99.9 % quantile, but those of patients for tests; of ``complex_brain31.npy``,
    where it is there, the complex images but the last six."""
    if (folder / "complex_brain31.npy").is_file():
        parts = np.load(folder / "complex_brain31.npy", allow_pickle=False)[:25].astype(np.float32)
        images = list(torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(parts)))[:, None])
    else:
        found = ImageFolder(folder)
        images = [as_float(x) for name, x in zip(found.names, found.images) if not name.startswith(MRI_TEST)]
    return [x / x.abs().flatten().sort().values[round(0.999 * (x.numel() - 1))].clamp_min(1e-6) for x in images]


def random_phase(x: Tensor, g: Generator) -> Tensor:
    """A magnitude with a smooth phase: a constant, a plane wave of up to two turns, low frequencies around them."""
    u = torch.rand(3, generator=g, device="cpu") * 4 - 2
    rows, columns = (torch.linspace(-0.5, 0.5, n, device="cpu") for n in x.shape[-2:])
    phase = u[0] * rows[:, None] + u[1] * columns + u[2]
    coarse = torch.randn(1, 1, 4, 4, generator=g, device="cpu") * (0.3 * torch.rand((), generator=g, device="cpu"))
    rough = F.interpolate(coarse, x.shape[-2:], mode="bicubic", align_corners=True)[0]
    return x * torch.exp(2j * math.pi * (phase + rough))


def real_part(x: Tensor, g: Generator) -> Tensor:
    """The real part of a magnitude with a smooth phase: what solvers hand to a denoiser of real images."""
    return random_phase(x, g).real


def skies(folder: Path) -> list[Tensor]:
    """Radio galaxies of ``first_clipped.npz`` in the folder, where it is, over their peaks; else photographs."""
    if (folder / "first_clipped.npz").is_file():
        with np.load(folder / "first_clipped.npz", allow_pickle=False) as file:
            images = torch.from_numpy(file["images"].astype(np.float32))[:, None]
        return [x / x.amax() for x in images if float(x.amax()) > 0]
    return [as_float(x) for x in ImageFolder(folder).images]


def stretched(x: Tensor, g: Generator) -> Tensor:
    r"""A crop as a sky of peak one, with a contrast of up to 1e4: :math:`(e^{k x} - 1) / (e^k - 1)`, k up to 9.2, and
    in half of them up to twenty unresolved sources on top, whose fluxes follow a power law.
    """
    x = x - x.amin()
    x = x / x.amax().clamp_min(1e-6)
    k = 9.2 * float(torch.rand((), generator=g, device="cpu")) ** 2 + 1e-3  # half of them below a contrast of ten
    x = torch.expm1(k * x) / math.expm1(k)
    if float(torch.rand((), generator=g, device="cpu")) < 0.5:
        rows, columns = (torch.arange(n, device="cpu") * 1.0 for n in x.shape[-2:])
        for _ in range(int(torch.randint(1, 21, (), generator=g, device="cpu"))):
            u = torch.rand(4, generator=g, device="cpu").tolist()
            flux, width = 10 ** (-3 * u[0]), 0.4 + 1.2 * u[1]
            across = torch.exp(-(((columns - u[2] * len(columns)) / width) ** 2) / 2)
            x = x + flux * torch.exp(-(((rows - u[3] * len(rows)) / width) ** 2) / 2)[:, None] * across
    return x / x.amax().clamp_min(1e-6)
