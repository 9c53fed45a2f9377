"""Turns, flips and shifts of images, each with its inverse, from numbered streams."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["KINDS", "Transform", "checked_kinds", "transform_of"]

KINDS = ("flips", "rotations", "shifts")


class Transform(NamedTuple):
    """A flip of the columns, quarter turns, then a circular shift of images (B, C, ..., H, W).

    >>> g, x = Transform(True, 1, (1, 0)), torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> torch.equal(g.back(g(x)), x), torch.equal(g(x), x)
    (True, False)
    """

    flipped: bool = False
    turns: int = 0
    shift: tuple[int, int] = (0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        x = x.flip(-1) if self.flipped else x
        return torch.rot90(x, self.turns, (-2, -1)).roll(self.shift, (-2, -1))

    def back(self, x: Tensor) -> Tensor:
        """The image of which this makes ``x``."""
        x = torch.rot90(x.roll((-self.shift[0], -self.shift[1]), (-2, -1)), -self.turns, (-2, -1))
        return x.flip(-1) if self.flipped else x


def checked_kinds(kinds: str | Sequence[str], shape: tuple[int, ...]) -> tuple[str, ...]:
    """Kinds of transforms for images of ``shape``; ``"auto"``: flips, and quarter turns of square ones.

    Raises:
        ValueError: an unknown kind, or one that does not fit the images.
    """
    square = len(shape) > 2 and shape[-1] == shape[-2]
    if isinstance(kinds, str):
        if kinds == "auto":
            return () if len(shape) < 3 else ("flips", "rotations") if square else ("flips",)
        kinds = (kinds,)
    chosen = tuple(kinds)
    if wrong := [k for k in chosen if k not in KINDS]:
        raise ValueError(f"transforms: expected 'auto' or some of {', '.join(KINDS)}, got {wrong[0]!r}")
    if chosen and len(shape) < 3:
        raise ValueError(f"transforms: images of shape {tuple(shape)} have no two spatial axes; give transforms=()")
    if "rotations" in chosen and not square:
        raise ValueError(f"transforms: rotations by 90 degrees need square images, got {tuple(shape[-2:])}")
    return chosen


def transform_of(kinds: tuple[str, ...], shape: tuple[int, ...], seed: int, draw: int) -> Transform:
    """The transform of a draw: flips and turns one after the other, so that all are drawn alike; shifts at random."""
    turns = range(4) if "rotations" in kinds else (0, 2) if "flips" in kinds else (0,)
    group = [(f, t) for t in turns for f in ((False, True) if "flips" in kinds else (False,))]
    flipped, turned = group[draw % len(group)]
    shift = (0, 0)
    if "shifts" in kinds:
        generator = torch.Generator().manual_seed((seed * 1_000_003 + draw) % 2**63)
        shift = tuple(int(torch.randint(n, (), generator=generator, device="cpu")) for n in shape[-2:])
    return Transform(flipped, turned, (shift[0], shift[1]))
