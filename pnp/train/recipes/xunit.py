"""xUnit's networks: xDnCNN for natural images, gray and colour, for one level or all; de-raining; super-resolution."""

from torch import Tensor
from torch.nn import functional as F

from denoisers.networks.superres import XSRCNN, XSRResNet
from denoisers.networks.xunit import XDnCNN
from denoisers.trained.xdncnn import XDnCNNDenoiser

from ...superres import luma, superres_inputs
from ..drawing import Drawing
from ..images import as_float
from .pairs import PairRecipe
from .recipe import DenoiserRecipe, Recipe

__all__ = ["XUNIT"]


def _recipe(channels: int, level: int | None, *, paper: bool = False) -> DenoiserRecipe:
    name = f"xdncnn-natural-{'gray' if channels == 1 else 'rgb'}"
    if level is None:
        return DenoiserRecipe(
            name=name, family="xdncnn", build=lambda: XDnCNNDenoiser(None, channels=channels), preset="released",
            channels=channels, rate=1e-3, batch=8, steps=16_000,
        )  # fmt: skip
    sigma = level / 255
    if paper:
        return DenoiserRecipe(
            name=f"xdncnn-paper-{level}", family="xdncnn", build=lambda: XDnCNNDenoiser(None, level=sigma),
            preset="released", sigmas=(sigma, sigma), crop=80, batch=64, rate=1e-3, betas=(0.9, 0.999),
            clip=float("inf"), schedule="cosine-to-tenth", criterion=F.mse_loss, average=0.0,
            drawing=Drawing(orientations=2), steps=40_000,
        )  # fmt: skip
    return DenoiserRecipe(
        name=f"{name}-{level}", family="xdncnn", build=lambda: XDnCNNDenoiser(None, channels=channels, level=sigma),
        preset="released", channels=channels, sigmas=(sigma, sigma), rate=1e-3, batch=8, steps=16_000,
    )  # fmt: skip


def _enlarged(x: Tensor) -> tuple[Tensor, Tensor]:
    gray = luma(as_float(x).expand(3, -1, -1))  # in luma's range, in which it is scored
    truth, _, large = superres_inputs(gray[None], 3)
    return large[0], truth[0]


def _small(x: Tensor) -> tuple[Tensor, Tensor]:
    truth, small, _ = superres_inputs(as_float(x)[None], 4)
    return small[0], truth[0]


XUNIT: tuple[Recipe, ...] = (
    *(_recipe(channels, level) for channels in (1, 3) for level in (25, 50, None)),
    *(_recipe(1, level, paper=True) for level in (25, 50)),
    PairRecipe(
        name="xdncnn-derain", family="derain", preset="released", channels=3, build=lambda: XDnCNN(3), crop=80,
        batch=64, schedule="cosine", steps=20_000,
    ),
    PairRecipe(
        name="xsrcnn-f-3", family="superres", preset="f", build=lambda: XSRCNN("f"), make=_enlarged, crop=48, batch=64,
        schedule="cosine", steps=20_000,
    ),
    PairRecipe(
        name="xsrcnn-c-3", family="superres", preset="c", build=lambda: XSRCNN("c"), make=_enlarged, crop=48, batch=64,
        schedule="cosine", steps=20_000,
    ),
    PairRecipe(
        name="xsrresnet-4", family="superres", preset="paper", channels=3, build=XSRResNet, make=_small, crop=24,
        batch=16, schedule="cosine", steps=100_000,
    ),
)  # fmt: skip
"""Denoisers for sigma = 25, 50 and all levels up to 56; rain (pairs in ``given`` and ``wanted``); three times as many
pixels from bicubic images, four times as many from small ones. ``xdncnn-paper-*``: batches of 64 crops of 80 x 80
pixels, flipped sideways, squares, 1e-3 down to 1e-4; the shape of that way and the number of epochs are not printed,
ours are half a cosine and 40,000 steps. The others are our own: their rate ends at zero, their weights are averaged."""
