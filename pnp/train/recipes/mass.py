"""Weak lensing: priors of convergence maps and direct estimates, on simulated lognormal maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers.geometry import PatchGeometry, circle_offsets
from denoisers.lofi import LoFi, MultiMLP
from denoisers.mass import MassDenoiser
from denoisers.noise_filter import NoiseFilter
from operators import KaiserSquires, gaussian_noise
from operators.shear import shape_noise_std

from ...lensing.maps import LognormalMaps, convergence_table
from .recipe import DenoiserRecipe, PixelRecipe

__all__ = ["MASS", "MassField", "maps"]

PIXEL = 0.29  # arcmin
SIDE = 96
NOISE = shape_noise_std(PIXEL)  # Stage IV


def maps() -> LognormalMaps:
    """Training maps: sources at redshift 1.5, 96 x 96 pixels of 0.29 arcmin."""
    return LognormalMaps(20_000, (SIDE, SIDE), PIXEL, first=1_000_000)


class MassField(nn.Module):
    """A local field from E and B modes to convergence, in units of 0.03; its Fourier filter, which the paper starts at
    the identity, starts at the Wiener filter."""

    def __init__(self) -> None:
        super().__init__()
        unit = (SIDE - 1) / 2
        field = NoiseFilter(SIDE, 2, layout="pair")
        geometry = PatchGeometry(circle_offsets(9, 9, 8 / (2 * SIDE) * unit), unit=unit)
        self.field = LoFi(MultiMLP((9, 9), 4, 1, width=96, code=32), geometry, noise_filter=field)
        side = field.response.shape[1]
        power = convergence_table(PIXEL).variances((side, side))
        with torch.no_grad():
            field.response[..., 0] = power / (power + NOISE**2)

    def forward(self, x: Tensor, coordinates: Tensor | None = None) -> Tensor:
        return 0.03 * self.field(x / 0.03, coordinates)


def _modes(x: Tensor, g: torch.Generator) -> Tensor:
    op = KaiserSquires((x.shape[-2], x.shape[-1]))
    seed = int(torch.randint(2**31, (1,), generator=g))
    modes = op.modes(gaussian_noise(op.A(x[None]), NOISE, seed=seed))[0]
    return torch.cat((modes.real, modes.imag))


def _squares(x: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(x, target) / 0.03**2


MASS = (
    DenoiserRecipe(
        name="mass-lognormal", family="mass", build=lambda: MassDenoiser(None, power=convergence_table(PIXEL)),
        sigmas=(0.02, 0.3), crop=SIDE, batch=8, rate=2e-3, steps=4_000, simulate=maps, clip=1.0,
    ),
    PixelRecipe(
        name="mass-field", family="local-field", build=MassField, corrupt=_modes, simulate=maps, batch=16, pixels=256,
        rate=1e-3, criterion=_squares, schedule="late-decay", steps=3_000,
    ),
)  # fmt: skip
"""A denoiser for PnP, and a local field behind Kaiser-Squires at Stage-IV noise."""
