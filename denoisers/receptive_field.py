"""How far a network looks."""

import copy
import math

import torch
from torch import Tensor, nn

from .base import Denoiser

__all__ = ["convolution_field", "receptive_field", "stride_of"]


def convolution_field(sizes: list[int], strides: list[int] | None = None) -> int:
    r"""Side in pixels of what one output of a chain of convolutions sees,

    .. math:: r = 1 + \sum_l (k_l - 1) \prod_{i<l} s_i

    for kernel sizes k and strides s. (A chapter that has :math:`\prod_{i \le l}` counts too much once there is a
    stride.)

    >>> convolution_field([3, 3, 3], [1, 2, 1])
    9
    """
    strides = [1] * len(sizes) if strides is None else strides
    field, step = 1, 1
    for size, stride in zip(sizes, strides, strict=True):
        field, step = field + (size - 1) * step, step * stride
    return field


def stride_of(model: nn.Module) -> int:
    """Pixels after which the network repeats itself: the product of all strides, patches and poolings in it."""
    step = 1
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            stride = module.stride
            step *= max(stride) if isinstance(stride, tuple) else int(stride or 1)
    return step


class _AtOneLevel(nn.Module):
    """A denoiser as a network of images alone."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor) -> Tensor:
        low, high = self.denoiser.sigma_range or (0.0, 0.2)
        return self.denoiser(x, (low + high) / 2)


@torch.no_grad()
def receptive_field(model: nn.Module, channels: int | None = None, *, largest: int = 260) -> float:
    """Distance in pixels at which a pixel still moves an output, measured; infinite for networks that see it all.

    A NaN goes where a number would go, whatever the weights, so it marks what depends on a pixel; one is placed at
    every phase of the network's stride. The side of the field is twice this radius and one.

    Args:
        model: a denoiser, or a network of images (B, channels, H, W) that keeps their size; measured in double
            precision and in eval mode, on a copy. One with an attribute ``radius`` is believed.
        channels: of the image; 1, or what the denoiser takes.
        largest: side of the largest image that is tried.

    >>> receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 5, padding=2)))
    3
    """
    known = getattr(model, "radius", None)
    if known is not None:
        return known
    if isinstance(model, Denoiser):
        channels, model = channels or model.channels, _AtOneLevel(model)
    step, model = stride_of(model), copy.deepcopy(model).double().cpu().eval()
    side = 64
    while side <= largest:
        side_now = step * math.ceil(side / step)
        centre = side_now // 2
        radius = 0
        for place in range(centre, centre + step):
            x = torch.zeros(1, channels or 1, side_now, side_now, dtype=torch.float64)
            x[..., place, place] = float("nan")
            touched = torch.nonzero(model(x).isnan().any(1)[0])
            if len(touched):
                radius = max(radius, int((touched - place).abs().max()))
        if radius < centre - step:
            return radius
        side *= 2
    return math.inf
