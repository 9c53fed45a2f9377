"""Residual U-Nets for evaluation on CPUs: rectifier and skip are part of the convolution before them."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from ..modes import is_plain
from ..networks.drunet import DRUNet, ResBlock, Scale
from .precision import has_bfloat16

__all__ = ["joins", "joined"]

_there = torch.backends.mkldnn.is_available()
_conv: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise", None) if _there else None
_conv_into: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise_", None) if _there else None


def joins(net: DRUNet, x: Tensor) -> bool:
    """Whether :func:`joined` takes the network and images in its precision: on a CPU with oneDNN, without derivatives,
    in float32, or in bfloat16 where the processor has it."""
    if _conv is None or _conv_into is None or x.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    precise = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and has_bfloat16(x.device))
    return precise and not net.training and is_plain((x, *net.parameters()))


def joined(net: DRUNet, x: Tensor) -> Tensor:
    """``net(x)`` up to rounding: oneDNN rectifies what a convolution gives, or adds the skip to it, before it is
    written. A third of the network's time went into reading and writing images for that.

    >>> net = DRUNet(widths=(16, 32), blocks=1).eval().requires_grad_(False)
    >>> x = torch.rand(1, 2, 8, 8)
    >>> not joins(net, x) or torch.allclose(joined(net, x), net(x))
    True
    """
    net.check(x)
    z = _along(net.head, nn.functional.pixel_unshuffle(x, net.unshuffle))
    body = cast(Scale, net.body)
    features = _scale(body, z, keep=True)
    if not body.around:
        features = features.add_(z)
    return nn.functional.pixel_shuffle(_along(net.tail, features), net.unshuffle)


def _along(conv: nn.Conv2d, x: Tensor, then: str = "none") -> Tensor:
    return _conv(x, conv.weight, None, conv.padding, conv.stride, conv.dilation, 1, then, [], "")


def _block(block: ResBlock, x: Tensor, *, keep: bool) -> Tensor:
    """A residual block, in place unless its input is to be kept."""
    first, _, last = block.res
    hidden = _along(cast(nn.Conv2d, first), x, "relu")
    rest = (last.weight, None, last.padding, last.stride, last.dilation, 1, "add", 1.0, None, [], None)
    return _conv.binary(hidden, x, *rest) if keep else _conv_into.binary(x, hidden, *rest)


def _scale(scale: Scale, z: Tensor, *, keep: bool) -> Tensor:
    """A scale and all coarser ones; ``z`` is overwritten unless it is to be kept."""
    keep = keep or scale.around
    x = z
    for number, block in enumerate(scale.encode):
        x = _block(cast(ResBlock, block), x, keep=keep and number == 0)
    if scale.coarser is not None:
        below = scale.up(_scale(cast(Scale, scale.coarser), _along(scale.down, x), keep=False))
        x = below if scale.around else x.add_(below)
        for block in scale.decode:
            x = _block(cast(ResBlock, block), x, keep=False)
    return x.add_(z) if scale.around else x
