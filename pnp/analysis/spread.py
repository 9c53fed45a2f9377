"""How draws of an image scatter around a centre, without keeping them."""

import torch
from torch import Tensor

from operators.linalg import column

__all__ = ["PARTS", "Spread", "chunks", "seen", "shown"]

PARTS = ("magnitude", "parts")


def chunks(count: int, rows: int, batch: int) -> list[list[int]]:
    """Numbers of the draws that go together: ``batch`` of a single measurement, of several measurements one.

    >>> chunks(3, 1, 2), chunks(3, 4, 2)
    ([[0, 1], [2]], [[0], [1], [2]])
    """
    size = batch if rows == 1 else 1
    return [[*range(k, min(k + size, count))] for k in range(0, count, size)]


def seen(x: Tensor, part: str) -> Tensor:
    """Real numbers of images: complex ones by magnitude, or by real and imaginary parts along a last axis."""
    if not x.is_complex():
        return x
    return x.abs() if part == "magnitude" else torch.view_as_real(x.resolve_conj())


def shown(v: Tensor, like: Tensor, part: str) -> Tensor:
    """What :func:`seen` made of images of the kind of ``like``, as a map of theirs."""
    return torch.view_as_complex(v.contiguous()) if like.is_complex() and part == "parts" else v


class Spread:
    """Mean and variance of draws relative to a centre (B, ...), real; of each sample the draws that count.

    Welford 1962, doi:10.1080/00401706.1962.10490022.
    """

    def __init__(self, centre: Tensor) -> None:
        self.centre = centre
        self.offset, self.squares = torch.zeros_like(centre), torch.zeros_like(centre)
        self.count = torch.zeros(len(centre), dtype=centre.dtype, device=centre.device)

    def add(self, draw: Tensor, good: Tensor) -> None:
        """One draw (B, ...); samples where ``good`` (B,) does not hold are left out."""
        self.count = self.count + good
        away = torch.where(column(good.to(draw.dtype), draw) > 0, draw - self.centre - self.offset, 0)
        step = away / column(self.count.clamp_min(1), draw)
        self.offset = self.offset + step
        self.squares = self.squares + away * (away - step)

    @property
    def mean(self) -> Tensor:
        """Of the draws."""
        return self.centre + self.offset

    @property
    def std(self) -> Tensor:
        """Standard deviation of the draws around their mean."""
        return (self.squares / column((self.count - 1).clamp_min(1), self.squares)).sqrt()
