"""Data that are exactly alike, as noise does not leave them: clipped values, dead detectors and views, zeros."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["dead_lines", "missing", "repeated"]

_AT_ONCE = 2**18  # values: volumes of data go in parts
_FEW = 0.2  # of all lines; more are a pattern, such as every other line of k-space
_LINE = 8  # values of a line, at least
_NEXT = 0.1  # of the values beside a dead line may be like its own


def missing(y: Tensor, known: Tensor | None) -> float:
    """Share of data that are exactly zero where something was measured, (1 | B, ...); of real ones only where a mask
    says what: counts, and images of black, are zero by themselves."""
    if known is None:
        return float((y == 0).double().mean()) if y.is_complex() else 0.0
    return float((y == 0)[known.expand_as(y)].double().mean())


def dead_lines(y: Tensor, known: Tensor | None = None) -> str:
    """Which lines of real data, of the first sample that has some, are constant between others that are not: detectors
    that are dead or stuck in all views, views that were lost. Lines at either end, or of which not all is ``known``, do
    not count; k-space of simple images has such lines by itself.

    >>> y = torch.rand(1, 1, 16, 32)
    >>> y[..., 7] = 0
    >>> dead_lines(y), dead_lines(torch.rand(1, 1, 16, 32))
    ('number 7 of 32 along axis -1', '')
    """
    for b, one in enumerate(() if y.is_complex() else y):
        whole = None if known is None else known[b % len(known)].expand_as(one)
        for axis in range(1 if one.ndim > 2 else 0, one.ndim):
            if numbers := _constant(one, whole, axis):
                told = ", ".join(map(str, numbers[:4])) + (", ..." if len(numbers) > 4 else "")
                return f"number {told} of {one.shape[axis]} along axis {axis - one.ndim}"
    return ""


def _constant(one: Tensor, whole: Tensor | None, axis: int) -> list[int]:
    """Numbers of the dead lines along an axis of data."""
    others = [k for k in range(one.ndim) if k != axis]
    if one.numel() < _LINE * one.shape[axis] or one.shape[axis] < _LINE:
        return []
    alike = one.amin(others) == one.amax(others)
    if whole is not None:
        alike &= whole.amin(others)
    lively = torch.nonzero(~alike).flatten().tolist()
    if not lively or not bool(alike.any()):
        return []
    inner = [k for k in torch.nonzero(alike).flatten().tolist() if lively[0] < k < lively[-1]]
    if len(inner) > _FEW * (lively[-1] - lively[0]):
        return []
    return [k for k in inner if all(_differs(one, axis, k, n) for n in _beside(k, lively))]


def _beside(k: int, lively: list[int]) -> tuple[int, int]:
    """The nearest lines on either side that are not constant."""
    return max(n for n in lively if n < k), min(n for n in lively if n > k)


def _differs(one: Tensor, axis: int, k: int, n: int) -> bool:
    """Whether line n hardly ever has the value of line k, as it has where both are of something empty."""
    return float((one.select(axis, n) == one.select(axis, k)).double().mean()) < _NEXT


def repeated(y: Tensor, known: Tensor | None = None) -> int:
    """How many values of the first sample that has some are exactly at their largest, or lowest, as often as chance
    does not make them; of data in steps, more than ten times as often as at the next step. Zeros, and what is not
    ``known``, (1 | B, ...), do not count."""
    for b, one in enumerate(y):
        one = one if known is None else one.masked_fill(~known[b % len(known)].expand_as(one), 0)
        values = (torch.view_as_real(one.resolve_conj()) if one.is_complex() else one).flatten().split(_AT_ONCE)
        if sum(int((v != 0).sum()) for v in values) < 64:
            continue
        for sign in (1, -1):
            top, count = _highest(values, sign, math.inf)
            if count < 4:
                continue
            below, next_count = _highest(values, sign, top)
            if below > -math.inf and count > 10 * next_count / 2:
                return count
    return 0


def _highest(values: Sequence[Tensor], sign: int, under: float) -> tuple[float, int]:
    """The largest of ``sign`` times the values that are not zero and less than ``under``, and how many there are."""
    top, count = -math.inf, 0
    for v in values:
        v = sign * v
        v = v[(v != 0) & (v < under)]
        if not len(v) or (highest := float(v.amax())) < top:
            continue
        count = int((v == highest).sum()) + (count if highest == top else 0)
        top = highest
    return top, count
