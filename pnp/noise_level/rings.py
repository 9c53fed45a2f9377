"""Noise of the k-space of one coil: what is left of its power where it has fallen."""

import math

import torch
from torch import Tensor

__all__ = ["share_of_noise"]

_RINGS, _FEWEST = 24, 30  # rings, and values in one
_FIRST = (9, 12, 15, 18)  # the innermost ring of each fit
_DECAYS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0)
_ROUNDS = 5
_LEAST = 0.3  # share that is believed


def share_of_noise(y: Tensor, taken: Tensor, level: Tensor) -> Tensor:
    r"""How much of the deviation ``level`` (B,) of k-space (B, C, H, W) is noise, by its rings, (B,) in 0.3 to 1; one
    where too few values are ``taken``, (1 | B, C, H, W).

    .. math:: P(r) = 2 \sigma^2 + a r^{-p}, \qquad a \ge 0, \sigma \ge 0, p \in [2, 6]

    fitted to the median power of rings that hold alike many values, relative to itself; the mean of :math:`\sigma` over
    four sets of rings from the outside. Images whose power falls more slowly than any, or not everywhere alike, make it
    too low, as they make the lowest magnitudes too high.
    """
    height, width = y.shape[-2:]
    rows, columns = ((torch.arange(n, device=y.device) - n // 2).double() / (n / 2) for n in (height, width))
    radius = torch.hypot(rows[:, None], columns)
    found = []
    for one, there, least in zip(y, taken.expand(len(y), *taken.shape[1:]), level.double()):
        where, order = radius.expand(there.shape)[there].sort()
        if len(order) < _RINGS * _FEWEST or not bool(torch.isfinite(least) & (least > 0)):
            found.append(least.new_ones(()))
            continue
        power = (one[there][order].abs().double() / least).square() / (2 * math.log(2))  # its median is one for noise
        rings = [torch.stack([part.median() for part in v.chunk(_RINGS)]) for v in (where, power.clamp_min(1e-12))]
        floors = torch.stack([_floor(*(v[first:] for v in rings)) for first in _FIRST])
        found.append(floors.sqrt().clamp(_LEAST, 1).mean())
    return torch.stack(found).to(level.dtype)


def _floor(radius: Tensor, power: Tensor) -> Tensor:
    """The constant of the best fit, by least squares of relative errors whose weights are found again."""
    decay = radius ** -radius.new_tensor(_DECAYS)[:, None]
    model = power.expand_as(decay)
    for _ in range(_ROUNDS):
        w = model.square().reciprocal()
        ones, cross, squares = w.sum(1), (w * decay).sum(1), (w * decay.square()).sum(1)
        first, second = (w * power).sum(1), (w * decay * power).sum(1)
        determinant = ones * squares - cross.square()
        floor, rise = ((u / determinant) for u in (squares * first - cross * second, ones * second - cross * first))
        floor, rise = torch.where(rise < 0, first / ones, floor), rise.clamp_min(0)
        floor, rise = floor.clamp_min(0), torch.where(floor < 0, second / squares, rise)
        model = (floor[:, None] + rise[:, None] * decay).clamp_min(1e-12)
    return floor[((power / model - 1).square().sum(1)).argmin()]  # pyright: ignore[reportPossiblyUnbound]
