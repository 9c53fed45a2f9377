"""Unrolled networks: half-quadratic splitting for multi-coil MRI, learned primal-dual for CT."""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Generator, Tensor, nn

from denoisers.trained.drunet import DRUNetDenoiser
from operators import MRI, gaussian_noise

from ...solvers.hqs import PnPHQS
from ..losses import Splitting, samples
from ..primal_dual import PrimalDual
from ..unrolled import Unrolled
from .fields import random_phase
from .recipe import MeasuredRecipe
from .simulate import radon
from .unseen import DataRecipe, sampling_density

__all__ = ["UNROLLED", "coil_maps"]

_STEPS, _COILS, _ACCELERATION, _STD, _SHARE = 5, 4, 4.0, 0.02, 0.3


def coil_maps(side: int, coils: int = 8) -> Tensor:
    """Sensitivities (coils, side, side) of coils around the image, with phases of their own; sum of squares one."""
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, side, device="cpu")] * 2, indexing="ij")
    maps = []
    for k in range(coils):
        angle = 2 * math.pi * k / coils
        far = (rows - 1.1 * math.sin(angle)) ** 2 + (columns - 1.1 * math.cos(angle)) ** 2
        phase = angle + 0.8 * (rows * math.cos(angle) - columns * math.sin(angle))
        maps.append(torch.exp(-far / 1.5) * torch.exp(1j * phase))
    found = torch.stack(maps)
    return found / found.abs().square().sum(0, keepdim=True).sqrt()


@lru_cache(maxsize=4)
def _coils(size: int) -> tuple[Tensor, Tensor]:
    return sampling_density(size, _ACCELERATION), coil_maps(size, _COILS)


def parallel_mri(size: int) -> Callable[[Generator], MRI]:
    """Four coils, and a random quarter of k-space for each sample."""
    density, maps = _coils(size)
    return lambda g: MRI((torch.rand(size, size, generator=g, device="cpu") < density).float(), maps)


def modl(size: int) -> nn.Module:
    """Five steps of half-quadratic splitting with one small network, which begins as the identity."""
    op = parallel_mri(size)(Generator().manual_seed(0))
    solver = PnPHQS(op, DRUNetDenoiser(None, preset="fast", complex=True, precision="float32"), noise_std=_STD)
    solver.annealing, solver.first = _STEPS, 0.1
    return Unrolled(solver, _STEPS)


def _noisy_samples(y: Tensor, seed: int) -> Tensor:
    return torch.where(y != 0, gaussian_noise(y, _STD, seed=seed), y)


def _noisy_sinogram(y: Tensor, seed: int) -> Tensor:
    return gaussian_noise(y, 0.5, seed=seed)


def _squares(x: Tensor, target: Tensor) -> Tensor:
    return (x - target).abs().square().mean()


def _filtered(op, y: Tensor) -> Tensor:
    return op.fbp(y)


def primal_dual(size: int, iterations: int = 8, width: int = 32) -> nn.Module:
    """Learned primal-dual from filtered back projection."""
    return PrimalDual(_few_angles(size), iterations, width=width, start=_filtered)


def _few_angles(size: int):
    return radon(size, 60)


UNROLLED = (
    MeasuredRecipe(
        name="mri-unrolled", family="unrolled", preset="MoDL, fast", build=partial(modl, 128), measure=parallel_mri,
        noise=_noisy_samples, prepare=random_phase, criterion=_squares, batch=2, rate=2e-3, schedule="late-decay",
        steps=4_000, clip=1.0, small={"size": 32, "build": partial(modl, 32)},
    ),
    DataRecipe(
        name="mri-unrolled-ssdu", family="unrolled", preset="MoDL, fast", build=partial(modl, 128), model=modl,
        measure=parallel_mri, noise_std=_STD, prepare=random_phase, batch=2, rate=2e-3,
        loss=lambda size: Splitting(
            samples(_SHARE, centre=0), density=sampling_density(size, _ACCELERATION), share=_SHARE
        ),
    ),
    MeasuredRecipe(
        name="ct-primal-dual", family="unrolled", preset="learned primal-dual", build=partial(primal_dual, 128),
        measure=_few_angles, noise=_noisy_sinogram, batch=4, rate=1e-3, schedule="late-decay", steps=4_000, clip=1.0,
        small={"size": 32, "build": partial(primal_dual, 32, 2, 8)},
    ),
)  # fmt: skip
"""Four coils at a quarter of k-space, with a truth and by 30 % of the samples, weighted; 60 angles. As in the papers:
one network for all steps of MRI, learned with sigma and rho; networks of three convolutions for each step of CT, five
images and data sets passed on. Ours: the network of MRI is a small DRUNet in units of sigma, and there are five steps
where the paper has ten; eight steps of CT where it has ten, begun at filtered back projection; the rates."""
