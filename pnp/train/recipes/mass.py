"""Weak lensing: priors of convergence maps and direct estimates, on simulated lognormal maps."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers.networks.lofi import LoFi, MultiMLP
from denoisers.networks.lofi_filter import NoiseFilter
from denoisers.networks.lofi_geometry import PatchGeometry, circle_offsets
from denoisers.trained.mass import MassDenoiser
from operators import KaiserSquires, gaussian_noise
from operators.lensing.catalogue import shape_noise_std

from ...lensing.maps import LognormalMaps, convergence_table
from .recipe import DenoiserRecipe, PixelRecipe
from .simulate import with_noise

__all__ = ["MASS", "MassField", "maps"]

PIXEL = 0.29  # arcmin
SIDE = 96
NOISE = shape_noise_std(PIXEL)  # Stage IV
UNIT = 0.03  # convergence that a local field counts as one


def maps() -> LognormalMaps:
    """Training maps: sources at redshift 1.5, 96 x 96 pixels of 0.29 arcmin."""
    return LognormalMaps(20_000, (SIDE, SIDE), PIXEL, first=1_000_000)


class MassField(nn.Module):
    """A local field to convergence, in units of 0.03, from E and B modes (two channels) or from a noisy map (one); its
    Fourier filter, which the paper starts at the identity, starts at the Wiener filter."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        unit = (SIDE - 1) / 2
        field = NoiseFilter(SIDE, channels, layout="pair" if channels == 2 else "real")
        geometry = PatchGeometry(circle_offsets(9, 9, 8 / (2 * SIDE) * unit), unit=unit)
        net = MultiMLP((9, 9), channels + 2, 1, width=96, code=32)
        self.field = LoFi(net, geometry, noise_filter=field)
        side = field.response.shape[1]
        power = convergence_table(PIXEL).variances((side, side))
        with torch.no_grad():
            field.response[..., 0] = power / (power + NOISE**2)

    def forward(self, x: Tensor, coordinates: Tensor | None = None) -> Tensor:
        return UNIT * self.field(x / UNIT, coordinates)


def _modes(x: Tensor, g: torch.Generator) -> Tensor:
    op = KaiserSquires((x.shape[-2], x.shape[-1]))
    seed = int(torch.randint(2**31, (1,), generator=g, device="cpu"))
    modes = op.modes(gaussian_noise(op.A(x[None]), NOISE, seed=seed))[0]
    return torch.cat((modes.real, modes.imag))


def _squares(x: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(x, target) / UNIT**2


MASS = (
    DenoiserRecipe(
        name="mass-lognormal", family="mass", build=lambda: MassDenoiser(None, power=convergence_table(PIXEL)),
        sigmas=(0.02, 0.3), crop=SIDE, batch=8, rate=2e-3, steps=4_000, simulate=maps, clip=1.0,
    ),
    PixelRecipe(
        name="mass-field", family="local-field", build=MassField, corrupt=_modes, simulate=maps, batch=16, pixels=256,
        rate=1e-3, criterion=_squares, schedule="late-decay", steps=3_000,
    ),
    PixelRecipe(
        name="mass-field-prior", family="local-field", build=partial(MassField, 1), corrupt=with_noise(NOISE),
        simulate=maps, batch=16, pixels=256, rate=1e-3, criterion=_squares, schedule="late-decay", steps=3_000,
    ),
)  # fmt: skip
"""A denoiser for PnP at every noise level (Wiener filter and xUnit network), a local field behind Kaiser-Squires, and
the same network as a denoiser, both at Stage-IV noise."""
