"""The course's end-to-end networks: motion blur and CT on images of 256 x 256, mapped to [0, 1] each."""

from torch import Tensor, nn

from denoisers.resunet import ResCNN, ResUNet, SimpleCNN
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
    def build() -> nn.Module:
        op = radon(_SIDE) if ct else course_blur(_SIDE)
        return Reconstructor(op, network(), "fbp" if ct else _given, residual=False, normalise=False)

    return MeasuredRecipe(
        name=name, family="reconstructor", preset=network.__name__, build=build, size=_SIDE, normalise=True,
        measure=radon if ct else course_blur, noise=_noise, batch=4, rate=1e-4, steps=16_500,
    )  # fmt: skip


COURSE = (
    _recipe("course-cnn", SimpleCNN),
    _recipe("course-rescnn", ResCNN),
    _recipe("course-unet", ResUNet),
    _recipe("course-unet-ct", ResUNet, ct=True),
)
"""Adam, 1e-4, batch 4, 20 epochs of 3,305 slices, mean squares, relative noise of 1 %."""
