"""The course's end-to-end networks: motion blur and CT on images of 256 x 256, mapped to [0, 1] each."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from denoisers.networks.resunet import ResCNN, ResUNet, SimpleCNN
from operators import gaussian_noise_relative

from ...reconstructor import Reconstructor
from .recipe import MeasuredRecipe
from .simulate import course_blur, radon

__all__ = ["COURSE"]

_SIDE = 256


def _given(op, y: Tensor) -> Tensor:
    return y


def _noise(y: Tensor, seed: int) -> Tensor:
    return gaussian_noise_relative(y, 0.01, seed=seed)


def _recipe(name: str, network: type[nn.Module], *, ct: bool = False) -> MeasuredRecipe:
    def build(side: int = _SIDE, **sizes: Any) -> nn.Module:
        op = radon(side) if ct else course_blur(side)
        return Reconstructor(op, network(**sizes), "fbp" if ct else _given, residual=False, normalise=False)

    thin = {"widths": (8, 16)} if network is ResUNet else {}
    return MeasuredRecipe(
        name=name, family="reconstructor", preset=network.__name__, build=build, size=_SIDE, normalise=True,
        measure=radon if ct else course_blur, noise=_noise, batch=4, rate=1e-4, steps=16_500,
        average=0.0, small={"size": 32, "build": partial(build, 32, **thin)},
    )  # fmt: skip


COURSE = (
    _recipe("course-cnn", SimpleCNN),
    _recipe("course-rescnn", ResCNN),
    _recipe("course-unet", ResUNet),
    _recipe("course-unet-ct", ResUNet, ct=True),
)
"""Adam, 1e-4, batch 4, 20 epochs of 3,305 slices, mean squares, relative noise of 1 %, fresh in every step. Ours: each
sample has that noise, not the batch together, and images are flipped and turned."""
