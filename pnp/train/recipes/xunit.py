"""xUnit's networks: xDnCNN for natural images, gray and colour, for one level or all; de-raining; super-resolution."""

import torch
from torch import Tensor

from denoisers.superres import XSRCNN, XSRResNet
from denoisers.xdncnn import XDnCNNDenoiser
from denoisers.xunit import XDnCNN

from ...superres import superres_inputs
from .recipe import DenoiserRecipe, PairRecipe, Recipe

__all__ = ["XUNIT"]


def _recipe(channels: int, level: int | None) -> DenoiserRecipe:
    name = f"xdncnn-natural-{'gray' if channels == 1 else 'rgb'}"
    if level is None:
        return DenoiserRecipe(
            name=name, family="xdncnn", build=lambda: XDnCNNDenoiser(None, channels=channels), preset="released",
            channels=channels, rate=1e-3, batch=8, steps=16_000,
        )  # fmt: skip
    sigma = level / 255
    return DenoiserRecipe(
        name=f"{name}-{level}", family="xdncnn", build=lambda: XDnCNNDenoiser(None, channels=channels, level=sigma),
        preset="released", channels=channels, sigmas=(sigma, sigma), rate=1e-3, batch=8, steps=16_000,
    )  # fmt: skip


class _Derain(torch.nn.Module):
    """xDnCNN that finds the rain, which is taken off."""

    def __init__(self) -> None:
        super().__init__()
        self.net = XDnCNN(3)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.net(x)


def _enlarged(x: Tensor) -> tuple[Tensor, Tensor]:
    truth, _, large = superres_inputs(x[None].float() / (255 if x.dtype == torch.uint8 else 1), 3)
    return large[0], truth[0]


def _small(x: Tensor) -> tuple[Tensor, Tensor]:
    truth, small, _ = superres_inputs(x[None].float() / (255 if x.dtype == torch.uint8 else 1), 4)
    return small[0], truth[0]


XUNIT: tuple[Recipe, ...] = (
    *(_recipe(channels, level) for channels in (1, 3) for level in (25, 50, None)),
    PairRecipe(
        name="xdncnn-derain", family="derain", preset="released", channels=3, build=_Derain, crop=80, batch=64,
        schedule="cosine", steps=20_000,
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
pixels from bicubic images, four times as many from small ones. The papers print neither schedules nor epochs."""
