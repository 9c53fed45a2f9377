"""How much pixels differ from their measured neighbours, at four distances."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["STATISTICS", "neighbours"]

_SIDES, _BY_SIGN = (3, 5, 9, 17), (5, 17)  # powers of two, plus one
_FEWEST, _ENOUGH, _SHARE = 5.5, 50, 0.05  # pixels in a square, squares that tell, and those that vary least
_TINY = 1e-9  # of a variance, over that of the image

STATISTICS = 1 + len(_BY_SIGN) + len(_SIDES)
"""Numbers for each pixel."""


def neighbours(y: Tensor, measured: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""What is told of images (B, 1, H, W), zero where they are not ``measured``, for each pixel, (B, 7, H, W); the
    logarithm of the unit that it is in, (B,); and of the share of pixels and of the image's contrast, (B, 2).

    Whether a pixel is measured, :math:`\operatorname{arsinh} (y - \bar y_k) / u` from the means of k x k neighbours,
    and the logarithm of their deviation over u, which is a deviation that five squares of a hundred do not exceed.
    """
    axes = (1, 2, 3)
    share = measured.mean(axes, keepdim=True).clamp_min(1e-6)
    y = (y - y.sum(axes, keepdim=True) / measured.sum(axes, keepdim=True).clamp_min(1)) * measured
    contrast = (y.square().mean(axes, keepdim=True) / share).sqrt().clamp_min(torch.finfo(y.dtype).tiny)
    y = y / contrast
    rest, logs, units = [], [], []
    for side in _SIDES:
        means = _sums(torch.cat((measured, y, y.square()), 1), side) / side**2
        there, first, second = means.split(1, 1)
        count, mean = there * side**2, first / there.clamp_min(1e-4)
        variance = (second / there.clamp_min(1e-4) - mean.square()).clamp_min(_TINY)
        variance = (variance * count / (count - 1).clamp_min(0.9)).clamp_min(_TINY)
        logs.append(torch.where(count > 1.5, variance.log() / 2, torch.nan))
        units.append(_smooth(variance, count > _FEWEST, side // 4 + 3))
        if side in _BY_SIGN:
            rest.append((y - mean) * measured)
    unit = torch.stack(units).amin(0).clamp(_TINY, 4).log() / 2
    each = unit[:, None, None, None]
    told = [measured, *(torch.asinh(r * (-each).exp()) for r in rest)]
    told += [(v - each).nan_to_num(0).clamp(-4, 6) for v in logs]
    return torch.cat(told, 1), unit + contrast.flatten().log(), torch.stack((share.flatten().log(), -unit), 1)


def _smooth(variance: Tensor, enough: Tensor, stride: int) -> Tensor:
    """The variance that few squares do not exceed, (B,); one where there are too few squares."""
    variance, enough = (v[..., ::stride, ::stride].flatten(1) for v in (variance, enough))
    values, count = torch.where(enough, variance, torch.inf).sort(1).values, enough.sum(1)
    found = values.gather(1, (_SHARE * count).long()[:, None])[:, 0]
    return torch.where(count >= _ENOUGH, found, torch.ones_like(found))


def _sums(x: Tensor, side: int) -> Tensor:
    """Over squares around each pixel, zero beyond the border: sums of two, of four, ..., and one more, along each axis;
    ten times as fast as pooling."""
    x = F.pad(x, [side // 2] * 4)
    for axis in (-1, -2):
        total, width = x, 1
        while 2 * width < side:
            size = total.shape[axis] - width
            total = total.narrow(axis, 0, size) + total.narrow(axis, width, size)
            width *= 2
        size = x.shape[axis] - width
        x = total.narrow(axis, 0, size) + x.narrow(axis, width, size)
    return x
