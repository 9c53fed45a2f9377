"""How far a network looks."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

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


@torch.no_grad()
def receptive_field(model: nn.Module | Callable[[Tensor], Tensor], channels: int = 1, *, largest: int = 260) -> float:
    """Distance in pixels at which a pixel still moves an output, measured; infinite for networks that see it all.

    A NaN goes where a number would go, whatever the weights, so it marks what depends on a pixel; one is placed at
    every phase of the network's stride. The side of the field is twice this radius and one.

    Args:
        model: a network of images (B, channels, H, W) that keeps their size, or a function; a network is measured in
            double precision and in eval mode, on a copy.
        channels: of the image.
        largest: side of the largest image that is tried.

    >>> receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 5, padding=2)))
    3
    """
    step = 1
    if isinstance(model, nn.Module):
        step, model = stride_of(model), copy.deepcopy(model).double().cpu().eval()
    radius, side = 0, 64
    while side <= largest:
        side_now = step * math.ceil(side / step)
        centre = side_now // 2
        radius = 0
        for place in range(centre, centre + step):
            x = torch.zeros(1, channels, side_now, side_now, dtype=torch.float64)
            x[..., place, place] = float("nan")
            touched = torch.nonzero(model(x).isnan().any(1)[0])
            if len(touched):
                radius = max(radius, int((touched - place).abs().max()))
        if radius < centre - step:
            return radius
        side *= 2
    return math.inf
