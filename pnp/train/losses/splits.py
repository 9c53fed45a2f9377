"""How data are divided: which of them an estimator sees, and which it has to predict."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...arguments import one_of

__all__ = ["Split", "angles", "blocks", "by_field", "columns", "halves", "samples"]

Split = Callable[[Any, torch.Generator], Tensor]
"""Operator and random numbers to booleans (1, *out_shape): the data that the estimator sees."""


def _share(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"share: expected a number between 0 and 1, got {value!r}")
    return float(value)


def _centre(value: int) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"centre: expected a number of samples >= 0, got {value!r}")
    return value


def angles(groups: int = 4, *, see: str = "others") -> Split:
    """Every ``groups``-th angle is held out, from a random first one (Noise2Inverse); ``see="one"``: only these are
    seen, and all others held out.

    Raises:
        ValueError: fewer than two groups; another ``see``. In use: fewer angles than groups.
    """
    if not isinstance(groups, int) or groups < 2:
        raise ValueError(f"groups: expected at least two, got {groups!r}")
    one_of("see", see, ("others", "one"))

    def split(op: Any, g: torch.Generator) -> Tensor:
        count = op.out_shape[-2]
        if count < groups:
            raise ValueError(f"groups: {groups} of {count} angles")
        first = int(torch.randint(groups, (), generator=g, device="cpu"))
        chosen = torch.arange(count, device="cpu") % groups == first
        keep = chosen if see == "one" else ~chosen
        return keep[:, None].expand(1, *op.out_shape)

    return split


def samples(share: float = 0.4, *, centre: int = 4) -> Split:
    """Each sample of k-space, or pixel, is held out with probability ``share``, alike for all coils; a square of
    ``centre`` pixels in the middle is always seen (SSDU)."""
    share, centre = _share(share), _centre(centre)

    def split(op: Any, g: torch.Generator) -> Tensor:
        height, width = op.out_shape[-2:]
        keep = torch.rand(height, width, generator=g, device="cpu") >= share
        top, left = height // 2 - centre // 2, width // 2 - centre // 2
        keep[top : top + centre, left : left + centre] = True
        return keep.expand(1, *op.out_shape)

    return split


def columns(share: float = 0.4, *, centre: int = 4) -> Split:
    """Whole columns of k-space, as they are measured: each is held out with probability ``share``; ``centre`` columns
    in the middle are always seen."""
    share, centre = _share(share), _centre(centre)

    def split(op: Any, g: torch.Generator) -> Tensor:
        width = op.out_shape[-1]
        keep = torch.rand(width, generator=g, device="cpu") >= share
        keep[width // 2 - centre // 2 : width // 2 - centre // 2 + centre] = True
        return keep.expand(1, *op.out_shape)

    return split


def blocks(share: float = 0.2, *, length: int = 16) -> Split:
    """Blocks of ``length`` neighbours of data in rows, such as visibilities, are held out with probability ``share``;
    at least one is held out and one seen."""
    share = _share(share)
    if not isinstance(length, int) or length < 1:
        raise ValueError(f"length: expected at least one, got {length!r}")

    def split(op: Any, g: torch.Generator) -> Tensor:
        count = op.out_shape[-1]
        order = torch.rand(-(-count // length), generator=g, device="cpu")
        out = order < share
        out[order.argmin()], out[order.argmax()] = True, False
        return (~out).repeat_interleave(length)[:count].expand(1, *op.out_shape)

    return split


def by_field(op: Any) -> Split:
    """Angles of tomography, samples of k-space and of images, blocks of data in rows."""
    if op.field == "ct" and len(op.out_shape) == 3:
        return angles()
    return blocks() if len(op.out_shape) <= 2 else samples(centre=4 if op.field == "mri" else 0)


def halves(count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Numbers of ``count`` galaxies, or other items of a catalogue, split in two at random: the shear maps of both have
    independent noise, for :class:`pnp.train.losses.Noise2Noise`.

    >>> first, second = halves(7)
    >>> len(first), sorted((*first.tolist(), *second.tolist()))
    (3, [0, 1, 2, 3, 4, 5, 6])
    """
    if not isinstance(count, int) or count < 2:
        raise ValueError(f"count: expected at least two, got {count!r}")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed), device="cpu")
    return order[: count // 2], order[count // 2 :]
