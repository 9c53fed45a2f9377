"""Networks whose weights belong to one size of images, on images of any size."""

import math
from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ..evaluation.tiles import run_blended

__all__ = ["InSquares", "in_squares"]


def in_squares(function: Callable[[Tensor], Tensor], x: Tensor, image_shape: tuple[int, int]) -> Tensor:
    """A ``function`` of images of exactly ``image_shape`` on images (B, C, H, W), by the rule of :class:`InSquares`.

    >>> import torch
    >>> in_squares(lambda square: 2 * square, torch.ones(1, 1, 5, 9), (4, 4)).unique().item()
    2.0
    """
    given = []

    def filled(square: Tensor) -> Tensor:  # what is blended has the channels of x: fewer are filled up, and cut off
        out = function(square)
        if out.ndim != 4 or out.shape[-2:] != square.shape[-2:] or out.shape[1] > square.shape[1]:
            raise ValueError(f"net: made {tuple(out.shape)} of {tuple(square.shape)}; expected images of the same size")
        given.append(out.shape[1])
        return F.pad(out, (0, 0, 0, 0, 0, square.shape[1] - out.shape[1]))

    out = run_blended(filled, x, image_shape, min(image_shape) // 4)
    return out[:, : given[0]]


class InSquares(nn.Module):
    r"""A network of images of one size, h x w, on images (B, C, H, W) of any size: in squares of its own.

    .. math:: f(x) = \sum_i w_i\, f_i(x) \Big/ \sum_i w_i

    A side that is smaller is continued by mirroring, below or on the right, and cut back. A larger one is covered by
    as few squares (rectangles, where h is not w) as overlap by at least o = min(h, w) // 4 pixels, evenly spread from
    border to border. Where they overlap, weights fall linearly to the borders of each: 1, 2 ... up to o, row times
    column. Images of h x w go through once, so training on crops of that size is training the network.

    Args:
        net: images (B, C, h, w) to as many channels or fewer, such as :class:`Img2ImgMixer`, :class:`LinearMixer`,
            :class:`UMixer`, :class:`OriginalMixer`, :class:`ViT`. Further positional arguments are passed on.
        image_shape: (h, w); by default the network's own ``image_shape``.

    Raises:
        ValueError: no size is given and the network has none; the network changes the size of its images.

    >>> import torch
    >>> from denoisers import Img2ImgMixer
    >>> InSquares(Img2ImgMixer(32, 1, width=8, depth=1))(torch.zeros(1, 1, 50, 20)).shape
    torch.Size([1, 1, 50, 20])
    """

    radius = math.inf  # squares are laid out by the image's size

    def __init__(self, net: nn.Module, image_shape: tuple[int, int] | None = None) -> None:
        super().__init__()
        shape: Any = getattr(net, "image_shape", None) if image_shape is None else image_shape
        if not isinstance(shape, tuple) or len(shape) != 2 or min(shape) < 1:
            raise ValueError(f"image_shape: expected (height, width), for {type(net).__name__} got {shape!r}")
        self.net, self.image_shape = net, (int(shape[0]), int(shape[1]))

    def forward(self, x: Tensor, *given: Any) -> Tensor:
        return in_squares(lambda square: self.net(square, *given), x, self.image_shape)
