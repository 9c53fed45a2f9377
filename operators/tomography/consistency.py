"""What projections of one object have in common (Helgason, Ludwig), and which settings break it."""

import math

import torch
from torch import Tensor

from ..doubts import Doubt

__all__ = ["inconsistent"]

_SURE = 6.0  # standard deviations
_LEAST = 0.3  # bins: a centre of rotation that is off by less harms nothing
_SPREAD = 0.02  # of the mean total


def inconsistent(y: Tensor, angles: Tensor, bins: Tensor, spacing: float) -> tuple[Doubt, ...]:
    r"""Doubts about parallel projections y (B, C, angles, detectors) that see all of an object.

    All totals are alike, :math:`\sum_s p(\theta, s) = m`; the centres of mass go round,
    :math:`\sum_s s\,p(\theta, s) / m = c_x \cos\theta + c_y \sin\theta`. A centre of rotation that is off adds a
    constant; wrong angles, or exchanged axes, another course. ``bins`` are the places s, (detectors,) or, where views
    are shifted, (angles, detectors).

    Helgason 1965, doi:10.1007/BF02391776; Ludwig 1966, doi:10.1002/cpa.3160190207.
    """
    for one in y.detach().double():
        if doubts := _of_one(one.mean(0), one.shape[0], angles.to(y.device), bins.to(y.device), spacing):
            return doubts
    return ()


def _of_one(p: Tensor, channels: int, angles: Tensor, s: Tensor, spacing: float) -> tuple[Doubt, ...]:
    if len(angles) < 8 or s.shape[-1] < 8:
        return ()
    noise = float(p.diff(n=3, dim=1).abs().median()) / (0.6745 * math.sqrt(20))  # smooth along the detector
    total = p.sum(1)
    mean = float(total.mean())
    deviation = noise * math.sqrt(s.shape[-1])  # of a total
    if not abs(mean) > 20 * deviation / math.sqrt(len(angles)):
        return ()  # hardly any signal
    spread = float((total - mean).square().mean().sqrt())
    if spread > max(_SPREAD * abs(mean), 2 * deviation):
        return (_of_totals(p, total, spread / abs(mean), 2 * deviation),)
    first = (p * s).sum(1) / mean
    error = noise * float(s.square().sum(-1).max().sqrt()) / abs(mean)  # of a centre of mass
    basis = torch.stack((torch.ones_like(angles), angles.cos(), angles.sin()), 1)
    gram = torch.linalg.pinv(basis.mT @ basis)
    shift, *_ = (found := gram @ (basis.mT @ first)).tolist()
    rest = first - basis @ found
    away = s - float(found[0])
    second = (p * away.square()).sum(1) / mean
    pair = torch.stack((torch.ones_like(angles), (2 * angles).cos(), (2 * angles).sin()), 1)
    crooked = second - pair @ (torch.linalg.pinv(pair) @ second)
    unsure = float(gram[0, 0].sqrt()) * max(error, float(rest.square().mean().sqrt()))
    moment_error = noise * float(away.pow(4).sum(-1).max().sqrt()) / abs(mean)
    turned = _smooth(crooked, moment_error) > 0.005 * float(second.mean().abs())
    if turned or _smooth(rest, error) > max(0.15 * abs(shift), 0.5 * _LEAST * spacing):
        return (
            Doubt(
                "angles",
                "the projections' centres of mass and widths do not go round as the angles say: angles, or their "
                "order, are not those of the data",
            ),
        )
    if abs(shift) > max(_SURE * unsure, _LEAST * spacing):
        return (
            Doubt(
                "centre of rotation",
                f"the projections turn around a point {shift / spacing:.2f} bins from where the centre of rotation is "
                f"said to be: offset should be {-shift:.4g} larger",
                sure=abs(shift) > spacing,
            ),
        )
    return ()


def _smooth(v: Tensor, error: float) -> float:
    """Size of what neighbours among the values of views have in common, 0 where their noise alone may have it."""
    common = float((v[1:] * v[:-1]).mean())
    return math.sqrt(common) if common > 5 * error**2 / math.sqrt(len(v)) else 0.0


def _of_totals(p: Tensor, total: Tensor, share: float, limit: float) -> Doubt:
    columns = p.sum(0)
    if float((columns - columns.mean()).square().mean().sqrt() / columns.mean().abs()) < 0.5 * share:
        return Doubt(
            "geometry",
            "the sums along the angles are alike, those along the detector are not: the axes of the data are "
            "exchanged; expected (B, C, angles, detectors)",
        )
    return Doubt(
        "totals",
        f"projections hold different totals, by {100 * share:.2g} %: the object leaves the detector, intensities "
        "change between views, or the data are clipped",
        sure=False,
    )
