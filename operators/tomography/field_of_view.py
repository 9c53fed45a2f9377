"""Whether an image is as large as what its projections show."""

import math

from torch import Tensor

from ..doubts import Doubt

__all__ = ["beyond"]

_LEAST = 0.05  # of the mean of the rays that meet the image: a background is less
_SURE = 0.2
_SHARE = 0.02  # of the rays


def beyond(y: Tensor, s: Tensor, image_shape: tuple[int, int], pixel_size: float, width: float) -> tuple[Doubt, ...]:
    r"""Doubts about line integrals y (B, C, views, bins) that are not zero where rays miss the image.

    Rays at the distance s from the centre, in the unit of ``pixel_size`` and broadcasting against (views, bins), miss
    an image of H x W pixels at every angle where :math:`|s| > \sqrt{H^2 + W^2} / 2` pixels. ``width`` is that of a bin.
    The angles have no say: where they are wrong, that is another doubt.
    """
    misses = (s.abs() > math.hypot(*image_shape) / 2 * pixel_size + width).expand(y.shape[-2:])
    count = int(misses.sum())
    if not _SHARE * misses.numel() <= count < misses.numel():
        return ()
    p = y.detach().double().mean((0, 1)).cpu()
    outside, inside = (float(p[where].mean().abs()) for where in (misses, ~misses))
    if not outside > _LEAST * inside:
        return ()
    size = " x ".join(f"{n * pixel_size:.4g}" for n in image_shape)
    words = (
        f"rays that miss the image of {size} hold {100 * outside / inside:.0f} % as much as those that meet it: the "
        "object is larger; image_shape and pixel_size have to change together"
    )
    return (Doubt("field of view", words, sure=outside > _SURE * inside),)
