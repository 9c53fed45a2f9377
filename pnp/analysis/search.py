"""Searches along strengths, each sample by itself: step by step, or within a budget."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["FARTHEST", "Curve", "search", "search_within"]

_UP, _DOWN = (1.0, 2.0, 3.0), (-0.5, -1.0, -2.0, -3.0)  # logarithms to base two; weak priors come in smaller steps
FARTHEST = 3.0
_LEAST = 0.15  # a change of the logarithm that is not worth its iterations
_MUCH = 0.1  # of the error: where a doubling promises more, the farthest strength is tried next
_CERTAIN = 8.0  # deviations: gains of the second criterion by which this one decides


class Curve(NamedTuple):
    """What a search tried: logarithms to base two of strengths, the criterion less its value at strength one and the
    deviation that noise gives it, (K, B) each; the choice of each sample (B,), and calls of the denoiser per sample."""

    t: Tensor
    value: Tensor
    noise: Tensor
    chosen: Tensor
    calls: int


def search(criterion: Any, like: Tensor) -> Curve:
    """Steps up from strength one as long as the criterion falls; where the first one fails, steps down."""
    best, value, doubt = (torch.zeros_like(like) for _ in range(3))
    tried, values, noises = [best], [value], [doubt]
    index, going = torch.zeros_like(like, dtype=torch.long), torch.ones_like(like, dtype=torch.bool)
    ladder = torch.tensor(_UP + _DOWN, dtype=like.dtype, device=like.device)
    while bool(going.any()):
        t = torch.where(going, ladder[index.clamp(max=len(ladder) - 1)], best)
        now, noise = criterion(t)
        better = going & (now < value)
        turned = going & ~better & (index == 0)
        tried.append(t)
        values.append(torch.where(going, now, value))
        noises.append(torch.where(going, noise, doubt))
        best, value, doubt = (torch.where(better, a, b) for a, b in ((t, best), (now, value), (noise, doubt)))
        index = torch.where(turned, len(_UP), torch.where(better, index + 1, index))
        going = (better & (index != len(_UP)) & (index < len(ladder))) | turned
    return _decided(criterion, (tried, values, noises), (best, value, doubt))


def search_within(criterion: Any, like: Tensor) -> Curve:
    """Both sides of strength one, as far as ``criterion.affords`` it: a doubling, then a halving, half of either where
    the whole is not better, and on where it is, to the farthest strength where a doubling is much better."""
    best, value, doubt = (torch.zeros_like(like) for _ in range(3))
    tried, values, noises = [best], [value], [doubt]
    t, half = torch.ones_like(like), torch.zeros_like(like, dtype=torch.bool)
    going = criterion.affords(t)
    while bool(going.any()):
        now, noise = criterion(torch.where(going, t, best), half & going)
        better = going & (now < value)
        tried.append(torch.where(going, t, best))
        values.append(torch.where(going, now, value))
        noises.append(torch.where(going, noise, doubt))
        best, value, doubt = (torch.where(better, a, b) for a, b in ((t, best), (now, value), (noise, doubt)))
        onward = better & ~half & (t.abs() < FARTHEST)
        turned = going & ~better & half & (t > 0)
        halved = going & ~better & (t.abs() == 1)
        further = torch.where((t == 1) & (now < -_MUCH), torch.full_like(t, FARTHEST), t + t.sign())
        t = torch.where(halved, t / 2, torch.where(turned, -torch.ones_like(t), further))
        going, half = halved | ((onward | turned) & criterion.affords(t)), halved
    return _decided(criterion, (tried, values, noises), (best, value, doubt))


def _decided(criterion: Any, tried: tuple[list[Tensor], ...], lowest: tuple[Tensor, ...]) -> Curve:
    """The lowest of what was tried, as far as its noise and a second criterion allow."""
    t, v, n = (torch.stack(rows) for rows in tried)
    best, value, doubt = lowest
    chosen = torch.where(best == 0, best, _vertex(t, v, best))
    trust = _trust(value, doubt)
    if bool((chosen * trust != 0).any()) and (second := criterion.confirm(best)) is not None:
        trust = trust * _trust(*second)
        far = torch.where(value < -_MUCH, t.amax(0), best)
        chosen, trust = _certain(criterion, (best, *second), far, (chosen, trust))
    chosen = chosen * trust
    chosen = torch.where(chosen.abs() < _LEAST, torch.zeros_like(chosen), chosen)
    return Curve(t, v, n, chosen, criterion.calls)


def _certain(
    criterion: Any, confirmed: tuple[Tensor, Tensor, Tensor], far: Tensor, decided: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Choice and trust, by the second criterion where that is certain of a strength and still lower at a tried ``far``
    beyond it: data that are simulated from an image much too rough ask for strengths that are too low."""
    (best, value, noise), (chosen, trust) = confirmed, decided
    certain = (best > 0) & (far > best) & (value < -_CERTAIN * noise)
    if not bool(certain.any()):
        return decided
    farther, doubt = criterion.confirm(torch.where(certain, far, best))
    certain = certain & (farther < value)
    best, far = (torch.where(certain, a, b) for a, b in ((best, 1.0), (far, 2.0)))
    slope = value / best
    bend = ((farther / far - slope) / (far - best)).clamp_min(torch.finfo(value.dtype).tiny)
    vertex = (best - slope / bend) / 2  # of the parabola through zero and both
    vertex = torch.minimum(torch.maximum(vertex, (best + far) / 2), far)
    return torch.where(certain, vertex, chosen), torch.where(certain, _trust(farther, doubt), trust)


def _trust(value: Tensor, noise: Tensor) -> Tensor:
    """Share of a step that a gain deserves beside its noise, (B,)."""
    return torch.where(value < 0, value**2 / (value**2 + noise**2), torch.zeros_like(value))


def _vertex(t: Tensor, value: Tensor, best: Tensor) -> Tensor:
    """Lowest point of the parabola through the best point and its neighbours, not farther than half way to them."""
    out = best.clone()
    for b in range(t.shape[1]):
        points = sorted({float(a): float(v) for a, v in zip(t[:, b], value[:, b])}.items())
        i = [a for a, _ in points].index(float(best[b]))
        if 0 < i < len(points) - 1:
            (l, fl), (m, fm), (r, fr) = points[i - 1 : i + 2]
            down, up = (fl - fm) / (m - l), (fr - fm) / (r - m)
            if down + up > 0:
                vertex = m + (down * (r - m) - up * (m - l)) / (2 * (down + up))
                out[b] = min(max(vertex, (l + m) / 2), (m + r) / 2)
    return out
