"""What projections of one object have in common (Helgason, Ludwig), and which settings break it."""

import math

import torch
from torch import Tensor

from ..doubts import Doubt

__all__ = ["exchanged", "inconsistent", "sees_all"]

_SURE = 6.0  # standard deviations
_LEAST = 0.3  # bins: a centre of rotation that is off by less harms nothing
_SPREAD = 0.02  # of the mean total
_CROOKED = 0.005  # of the mean square of an object's width
_MEASURED = 0.05, 0.01, 0.03  # of the total, the width, its square: what hardened beams and drifts stay below
_ENDS, _EMPTY = 0.02, 0.02  # of the bins, and of the root mean square that nothing is less than


def inconsistent(
    y: Tensor, angles: Tensor, bins: Tensor, spacing: float, *, measured: bool = False
) -> tuple[Doubt, ...]:
    r"""Doubts about parallel projections y (B, C, angles, detectors) that see all of an object.

    All totals are alike, :math:`\sum_s p(\theta, s) = m`; the centres of mass go round,
    :math:`\sum_s s\,p(\theta, s) / m = c_x \cos\theta + c_y \sin\theta`. A centre of rotation that is off adds a
    constant; wrong angles, or exchanged axes, another course. ``bins`` are the places s, (detectors,) or, where views
    are shifted, (angles, detectors). ``measured``: of an object that may be larger than the image, with what scans add.

    Helgason 1965, doi:10.1007/BF02391776; Ludwig 1966, doi:10.1002/cpa.3160190207.
    """
    for one in y.detach().double():
        p = _filled(one.mean(0))
        if doubts := _of_one(p, one.shape[0], angles.to(y.device), bins.to(y.device), spacing, measured):
            return doubts
    return ()


def sees_all(y: Tensor) -> bool:
    """Whether a detector shorter than the image sees all of the object: its ends hold next to nothing at every view,
    beside the noise.

    >>> sees_all(torch.hann_window(50, periodic=False).expand(1, 1, 9, 50)), sees_all(torch.ones(1, 1, 9, 50))
    (True, False)
    """
    p = y.detach().double().mean(1)
    count = max(2, round(_ENDS * p.shape[-1]))
    if p.shape[-1] < 4 * count:
        return False
    ends = torch.stack((p[..., :count], p[..., -count:])).mean(-1).abs().amax((0, 2))
    noise = p.diff(n=3, dim=-1).abs().flatten(1).median(1).values / (0.6745 * math.sqrt(20))
    size = p.square().mean((1, 2)).sqrt()
    return bool((ends <= _EMPTY * size + 4 * noise / math.sqrt(count)).all())


def exchanged(y: Tensor, angles: Tensor, bins: Tensor, spacing: float) -> tuple[Doubt, ...]:
    """The doubt about as many views as bins that do not see all of the object, (B, C, angles, detectors), where with
    their axes exchanged they do, and are projections of one."""
    other = y.mT
    if other.shape != y.shape or not sees_all(other) or inconsistent(other, angles, bins, spacing, measured=True):
        return ()
    words = "the first and the last rows hold nothing, as ends of a detector do: the axes of the data are exchanged"
    return (Doubt("geometry", f"{words}; expected (B, C, angles, detectors)"),)


def _filled(p: Tensor) -> Tensor:
    """Values that are exactly zero among others, as those without weight are, between their neighbours along the
    detector."""
    places = torch.arange(p.shape[-1], device=p.device).expand_as(p)
    low = torch.where(p != 0, places, -1).cummax(-1).values
    high = torch.where(p != 0, places, p.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    share = (places - low) / (high - low).clamp_min(1)
    between = (1 - share) * p.gather(-1, low.clamp_min(0)) + share * p.gather(-1, high.clamp_max(p.shape[-1] - 1))
    return torch.where((low >= 0) & (high < p.shape[-1]), between, p)


def _of_one(p: Tensor, channels: int, angles: Tensor, s: Tensor, spacing: float, measured: bool) -> tuple[Doubt, ...]:
    if len(angles) < 8 or s.shape[-1] < 8:
        return ()
    noise = float(p.diff(n=3, dim=1).abs().median()) / (0.6745 * math.sqrt(20))  # smooth along the detector
    total = p.sum(1)
    mean = float(total.mean())
    deviation = noise * math.sqrt(s.shape[-1])  # of a total
    if not abs(mean) > 20 * deviation / math.sqrt(len(angles)):
        return ()  # hardly any signal
    spread = float((total - mean).square().mean().sqrt())
    uneven, width, crook = _MEASURED if measured else (_SPREAD, 0.0, _CROOKED)
    if spread > max(uneven * abs(mean), 2 * deviation):
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
    square = float(second.mean().abs())
    least = max(_LEAST * spacing, width * math.sqrt(square))
    turned = _smooth(crooked, moment_error) > crook * square
    beyond = abs(shift) > s.shape[-1] / 2 * spacing  # no centre is there: the angles lie too close to tell it
    if turned or beyond or _smooth(rest, error) > max(0.15 * abs(shift), 0.5 * least):
        return (
            Doubt(
                "angles",
                "the projections' centres of mass and widths do not go round as the angles say: angles, or their "
                "order, are not those of the data",
            ),
        )
    if abs(shift) > max(_SURE * unsure, least):
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
