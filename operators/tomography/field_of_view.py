"""Whether an image, or a detector, is as large as what its projections show."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

from ..doubts import Doubt, Variant
from ..fourier.toeplitz import fast_length
from .shifts import largest_shift, mean_shift

if TYPE_CHECKING:
    from .radon import Radon

__all__ = ["beyond", "covering", "too_small"]

_LEAST = 0.05  # of the rays that meet the image: a background is less
_SURE = 0.2
_FLAT = 0.8  # of the strongest: what reaches the detector's ends as strong is a background, or a very large object
_SHARE = 0.02  # of the rays; so many neighbours are looked at together
_VIEWS = 8  # so few say nothing of their scatter
_ERRORS = 8.0  # standard ones


def beyond(y: Tensor, s: Tensor, image_shape: tuple[int, int], pixel_size: float, width: float) -> tuple[Doubt, ...]:
    r"""Doubts about line integrals y (B, C, views, bins) that are not zero where rays miss the image.

    Rays at the distance s from the centre, in the unit of ``pixel_size`` and broadcasting against (views, bins), miss
    an image of H x W pixels at every angle where :math:`|s| > \sqrt{H^2 + W^2} / 2` pixels. ``width`` is that of a bin.
    Means over all views of a few neighbouring bins count where they are eight times their standard error, by the
    scatter of neighbouring views, and more than a share of the root mean square of the rays that meet the image: noise
    alone, and images whose sum is zero, have none. The angles have no say: where they are wrong, that is another doubt.
    """
    misses = (s.cpu().abs() > math.hypot(*image_shape) / 2 * pixel_size + width).expand(y.shape[-2:]).all(0)
    count, (views, bins) = int(misses.sum()), y.shape[-2:]
    if views < _VIEWS or not _SHARE * bins <= count < bins:
        return ()
    together = max(2, round(_SHARE * bins))
    strength, flat = max(_outside(one, misses, together) for one in y.detach().double().mean(1).cpu())
    if not strength > _LEAST:
        return ()
    size = " x ".join(f"{n * pixel_size:.4g}" for n in image_shape)
    seen = f"rays that miss the image of {size} hold {100 * strength:.0f} % as much as those that meet it"
    if flat and strength < 0.5:
        words = f"{seen}, as far as the detector reaches: a background is left in the data, or the object is far larger"
        return (Doubt("background", words, sure=False),)
    words = f"{seen}: the object is larger; image_shape and pixel_size have to change together"
    return (Doubt("field of view", words, sure=strength > _SURE),)


def _outside(p: Tensor, misses: Tensor, together: int) -> tuple[float, bool]:
    """What the strongest of neighbouring bins that miss hold of what others do, and whether the outermost hold as much.

    ``p`` (views, bins); ``misses`` (bins,).
    """
    usual = float(p[:, ~misses.to(p.device)].square().mean().sqrt())
    if not usual > 0:
        return 0.0, False
    groups = p.unfold(1, together, 1).mean(2)[:, misses.unfold(0, together, 1).all(1).to(p.device)] / usual
    if groups.shape[1] == 0:
        return 0.0, False
    scatter = groups.diff(dim=0).square().mean(0).sqrt() / math.sqrt(2)  # of neighbours: what turns past is no noise
    size, error = groups.mean(0).abs(), scatter / math.sqrt(len(groups))
    strongest = float((size * (size > _ERRORS * error)).max())
    return strongest, float(size[[0, -1]].max()) > _FLAT * strongest


def covering(op: "Radon") -> tuple["Radon", slice]:
    """The same with a detector that covers the image, and the place of its own bins there."""
    s, radius = op._bins(), math.hypot(*op.image_shape) / 2 * op.pixel_size
    radius += largest_shift(op.offset - mean_shift(op.offset))
    reach = (-float(s[0]), float(s[-1]))
    left, right = (max(0, math.ceil((radius - r) / op.detector_spacing + 0.5 - 1e-9)) for r in reach)
    count = fast_length(left + op.detector_count + right, odd=True)
    right = count - left - op.detector_count
    wide = op._with(count, op.offset + (right - left) / 2 * op.detector_spacing)
    return wide, slice(left, left + op.detector_count)


def too_small(op: "Radon", y: Tensor) -> Iterator[Variant]:
    """The mistake of an image no larger than a detector that does not see all of the object."""
    words = "the detector does not see all of the object, which is larger than the image: a larger image_shape"
    height, width = (3 * n // 2 for n in op.image_shape)
    offset = op.offset.detach().cpu() if isinstance(op.offset, Tensor) else op.offset
    larger = type(op)(
        (height, width), op.angles.cpu() % (2 * math.pi), op.detector_count, detector_spacing=op.detector_spacing,
        pixel_size=op.pixel_size, offset=offset, channels=op.in_shape[0], **op.nufft.options,
    ).to(y.device)  # fmt: skip
    yield Variant(Doubt("field of view", f"{words}, of the same pixel_size"), larger, y)
