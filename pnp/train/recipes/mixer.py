"""Image-to-Image Mixer: the paper's Gaussian, SIDD and fastMRI experiments, and gray networks for all noise levels."""

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers.networks.mixer import Img2ImgMixer
from denoisers.trained.mixer import MixerDenoiser
from denoisers.wrappers.fixed_size import InSquares
from denoisers.wrappers.level_map import Residual

from ...reconstructor import Reconstructor
from ..drawing import Drawing
from ..losses import Clamped, SSIMLoss
from .pairs import PairRecipe
from .recipe import DenoiserRecipe, MeasuredRecipe, Recipe
from .simulate import accelerated_mri, smooth_phase

__all__ = ["MIXER"]


def _magnitude(op, y: Tensor) -> Tensor:
    return op.A_adjoint(y).abs()


def _magnitude_ssim(x: Tensor, target: Tensor) -> Tensor:
    return SSIMLoss()(x, target.abs())


def _exact(y: Tensor, seed: int) -> Tensor:
    return y


def _mri(side: int, depth: int = 16) -> Reconstructor:
    net = Img2ImgMixer(side, 1, width=128, depth=depth, factor=8)
    op = accelerated_mri(side)(torch.Generator().manual_seed(0))
    return Reconstructor(op, net, _magnitude, residual=False)


MIXER: tuple[Recipe, ...] = (
    DenoiserRecipe(
        name="mixer-natural-rgb-30", family="mixer", preset="paper", channels=3, sigmas=(30 / 255, 30 / 255),
        build=lambda: MixerDenoiser(None, preset="paper", channels=3, level=30 / 255), crop=256, batch=12, rate=1e-3,
        betas=(0.9, 0.999), schedule="step", clip=float("inf"), criterion=Clamped(F.mse_loss), steps=53_000,
        average=0.0, normalise="maximum", drawing=Drawing(fixed=True, clipped=True),
        small={"preset": "small", "build": lambda: MixerDenoiser(None, preset="small", channels=3, level=30 / 255)},
    ),
    DenoiserRecipe(
        name="mixer-natural-rgb-30-small", family="mixer", preset="small", channels=3, sigmas=(30 / 255, 30 / 255),
        build=lambda: MixerDenoiser(None, preset="small", channels=3, level=30 / 255), crop=64, batch=16, rate=1e-3,
        steps=30_000,
    ),
    PairRecipe(
        name="mixer-sidd", family="mixer-pairs", preset="paper, factor 8", channels=3, batch=8, crop=256, rate=5e-4,
        build=lambda: Residual(InSquares(Img2ImgMixer(256, 3, width=128, depth=16, factor=8))), schedule="step",
        criterion=Clamped(F.mse_loss), steps=58_000, average=0.0, normalise="maximum", drawing=Drawing(fixed=True),
        small={"build": lambda: Residual(InSquares(Img2ImgMixer(16, 3, width=8, depth=1)))},
    ),
    MeasuredRecipe(
        name="mixer-mri", family="reconstructor", preset="paper, factor 8, 128 pixels", size=128, batch=1, rate=5e-4,
        build=lambda: _mri(128), measure=accelerated_mri, noise=_exact, prepare=smooth_phase, schedule="one-cycle",
        clip=(1.0, 1.0), criterion=_magnitude_ssim, steps=40_000, normalise=True, average=0.0,
        small={"size": 32, "build": lambda: _mri(32, 1)},
    ),
    DenoiserRecipe(
        name="mixer-natural-gray", family="mixer", preset="half", build=lambda: MixerDenoiser(None), crop=128,
        batch=12, rate=1e-3, small={"preset": "small", "build": lambda: MixerDenoiser(None, preset="small")},
    ),
    DenoiserRecipe(
        name="mixer-natural-gray-small", family="mixer", preset="small", channels=1,
        build=lambda: MixerDenoiser(None, preset="small"), crop=64, batch=16, rate=1e-3, steps=30_000,
    ),
)  # fmt: skip
"""The paper's, as its code has it: central 256 x 256 pixels over their maximum, noise drawn once and cut to [0, 1], 60
epochs of 10,655 images; smartphone photographs, tiles of 256 x 256 over their own maxima (in ``given`` and ``wanted``),
100 epochs of 4,672; single-coil MRI from zero-filled magnitudes. Ours: images of a step are drawn with replacement; MRI
has 128 pixels instead of 320, images with a synthetic phase, a rate that changes with each step and not each epoch, and
flipped and turned images. The others are our own: all levels at 128 pixels, and two small enough for a CPU."""
