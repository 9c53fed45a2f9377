"""Image-to-Image Mixer: the paper's Gaussian, SIDD and fastMRI experiments, and gray networks for all noise levels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers.mixer import Img2ImgMixer
from denoisers.mixer_denoiser import MixerDenoiser
from denoisers.tiles import run_blended

from ...reconstructor import Reconstructor
from ..losses import Clamped, SSIMLoss
from .recipe import DenoiserRecipe, MeasuredRecipe, PairRecipe, Recipe
from .simulate import accelerated_mri, smooth_phase

__all__ = ["MIXER"]


class _Residual(torch.nn.Module):
    """The image less what the network finds in it, in squares of the network's size."""

    def __init__(self, net: Img2ImgMixer) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        side = self.net.image_shape
        return run_blended(lambda tile: tile - self.net(tile), x, (side[0], side[1]), side[0] // 4)


def _magnitude(op, y: Tensor) -> Tensor:
    return op.A_adjoint(y).abs()


def _magnitude_ssim(x: Tensor, target: Tensor) -> Tensor:
    return SSIMLoss()(x, target.abs())


def _exact(y: Tensor, seed: int) -> Tensor:
    return y


def _mri(side: int) -> Reconstructor:
    net = Img2ImgMixer(side, 1, width=128, depth=16, factor=8)
    op = accelerated_mri(side)(torch.Generator().manual_seed(0))
    return Reconstructor(op, net, _magnitude, residual=False)


MIXER: tuple[Recipe, ...] = (
    DenoiserRecipe(
        name="mixer-natural-rgb-30", family="mixer", preset="paper", channels=3, sigmas=(30 / 255, 30 / 255),
        build=lambda: MixerDenoiser(None, preset="paper", channels=3, level=30 / 255), crop=256, batch=12, rate=1e-3,
        betas=(0.9, 0.999), schedule="step", clip=float("inf"), criterion=Clamped(F.mse_loss), steps=53_000,
    ),
    DenoiserRecipe(
        name="mixer-natural-rgb-30-small", family="mixer", preset="small", channels=3, sigmas=(30 / 255, 30 / 255),
        build=lambda: MixerDenoiser(None, preset="small", channels=3, level=30 / 255), crop=64, batch=16, rate=1e-3,
        steps=30_000,
    ),
    PairRecipe(
        name="mixer-sidd", family="mixer-pairs", preset="paper, factor 8", channels=3, batch=8, crop=256, rate=5e-4,
        build=lambda: _Residual(Img2ImgMixer(256, 3, width=128, depth=16, factor=8)), schedule="step",
        criterion=Clamped(F.mse_loss), steps=58_000,
    ),
    MeasuredRecipe(
        name="mixer-mri", family="reconstructor", preset="paper, factor 8, 128 pixels", size=128, batch=1, rate=5e-4,
        build=lambda: _mri(128), measure=accelerated_mri, noise=_exact, prepare=smooth_phase, schedule="one-cycle",
        clip=(1.0, 1.0), criterion=_magnitude_ssim, steps=40_000, normalise=True,
    ),
    DenoiserRecipe(
        name="mixer-natural-gray", family="mixer", preset="half", build=lambda: MixerDenoiser(None), crop=128,
        batch=12, rate=1e-3,
    ),
    DenoiserRecipe(
        name="mixer-natural-gray-small", family="mixer", preset="small", channels=1,
        build=lambda: MixerDenoiser(None, preset="small"), crop=64, batch=16, rate=1e-3, steps=30_000,
    ),
)  # fmt: skip
"""As the paper trains it, at 256 pixels, and smaller; smartphone photographs (pairs in ``given`` and ``wanted``);
single-coil MRI from zero-filled magnitudes; at 128 pixels for all levels; and one small enough for a CPU."""
