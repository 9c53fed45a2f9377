"""Noise of photographs: the level at which a denoiser takes away as much as it says."""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers.base import Denoiser
from denoisers.evaluation.precision import full_precision
from denoisers.trained.default import default_denoiser
from operators.linalg import column
from operators.modes import exact

__all__ = ["consistent_level"]

_SIDE, _BLOCK = 128, 8
_PROBE = 0.1  # its size in units of the level
_MOST = 2  # levels that are looked at, but for the first
_NEAR = 0.03  # an excess this small ends the search
_FIRST = -0.5  # slope of the excess that the first step assumes
_SHALLOW = -0.25  # where it hardly changes, it says little about where it is zero
_FARTHEST = -math.log(2)
_SEED = 6_203_117_912  # of nobody's noise


def consistent_level(y: Tensor, counted: Tensor, level: Tensor) -> Tensor:
    r"""Deviation of white noise in images (B, n, H, W), (B,): ``level``, or less where a denoiser D knows texture.

    .. math::
        c(s) = \frac{\|y - D(y, s)\|}{s \sqrt{n - \operatorname{tr} D'(y, s)}} = 1

    in expectation if s is the deviation and D the mean of images given y (Tweedie, Stein); where s is too high, D
    takes away less than s, and c < 1. Secants in :math:`\log c` over :math:`\log s` from above, one probe for the
    trace, :math:`128^2` pixels where the image varies least: six denoisings of these at most, whatever the size of the
    image.

    Args:
        counted: (B, n, H, W), pixels that count; the others are looked at only.
        level: an estimate from above, > 0, finite.

    Stein 1981, doi:10.1214/aos/1176345632; Ramani, Blu, Unser 2008, doi:10.1109/TIP.2008.2001404.
    """
    found = []
    with exact(y), full_precision():
        for one, there in zip(y / column(level, y), counted):  # in units of the level
            found.append(_consistent(*_smoothest_tile(one, there)))
    return level * level.new_tensor(found)


def _consistent(y: Tensor, counted: Tensor) -> float:
    """The level of one image (1, 1, h, w) at which log c is zero, one at most."""
    at, slope = 0.0, _FIRST
    excess = _excess(y, counted, at)
    for _ in range(_MOST):
        if excess > -_NEAR:
            break
        lower = at + max(-excess / slope, _FARTHEST)
        value = _excess(y, counted, lower)
        slope = min((value - excess) / (lower - at), _SHALLOW)
        at, excess = lower, value
    return math.exp(min(at + max(-excess / slope, _FARTHEST), 0.0))


def _excess(y: Tensor, counted: Tensor, at: float) -> float:
    """log c of an image (1, 1, h, w) at the level exp(at)."""
    level, generator = math.exp(at), torch.Generator().manual_seed(_SEED)
    probe = torch.randn(y.shape, generator=generator, dtype=y.dtype, device="cpu").to(y.device) * counted
    clean, moved = _denoiser(y.device)(torch.cat((y, y + _PROBE * level * probe)), level).chunk(2)
    count = int(counted.sum())
    left = float(((y - clean) * counted / level).square().sum())
    trace = float(((moved - clean) * probe).sum()) / (_PROBE * level)
    return 0.5 * math.log(max(left, 1e-6 * count) / max(count - trace, 1e-3 * count))


@cache
def _denoiser(device: torch.device) -> Denoiser:
    return default_denoiser("natural").to(device)


def _smoothest_tile(y: Tensor, counted: Tensor) -> list[Tensor]:
    """Of (n, H, W) and what belongs to its pixels the square of a channel with the least fine detail, (1, 1, h, w)."""
    whole = counted[..., 1:, 1:] & counted[..., 1:, :-1] & counted[..., :-1, 1:] & counted[..., :-1, :-1]
    detail = (y[..., 1:, 1:] - y[..., 1:, :-1] - y[..., :-1, 1:] + y[..., :-1, :-1]).abs() * whole
    sums = torch.stack((whole.to(y.dtype), detail))
    blocks = F.avg_pool2d(F.pad(sums, (0, 1, 0, 1)), _BLOCK, ceil_mode=True, count_include_pad=False)
    share, detail = F.avg_pool2d(blocks, [min(_SIDE // _BLOCK, n) for n in blocks.shape[-2:]], stride=1)
    mean = torch.where(share >= 0.9 * share.max(), detail / share, torch.inf)
    channel, *corner = (int(v) for v in torch.unravel_index(mean.argmin(), mean.shape))
    first = [min(_BLOCK * i, max(n - _SIDE, 0)) for i, n in zip(corner, y.shape[-2:])]
    return [v[None, None, channel, first[0] : first[0] + _SIDE, first[1] : first[1] + _SIDE] for v in (y, counted)]
