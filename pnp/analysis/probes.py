"""Diagonals of linear maps of images from probes on lattices: random signs at pixels that lie apart."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .spread import chunks

__all__ = ["diagonal", "spacing_of"]


def spacing_of(draws: int) -> int:
    """Pixels from one point of a lattice to the next, so that there are ``draws`` lattices at most.

    >>> spacing_of(25), spacing_of(20), spacing_of(1)
    (5, 4, 1)
    """
    return max(math.isqrt(draws), 1)


def lattice_probe(like: Tensor, spacing: int, seed: int, k: int) -> Tensor:
    """Random signs on the k-th of spacing² lattices, zero elsewhere, (1, C, ..., H, W); squares of all add up to one.

    The diagonal that they give is exact for maps that reach less far than ``spacing`` pixels; else Hutchinson's,
    unbiased. Hutchinson 1989, doi:10.1080/03610918908812806; Bekas, Kokiopoulou, Saad 2007,
    doi:10.1016/j.apnum.2007.01.003.

    >>> sum(lattice_probe(torch.zeros(1, 1, 4, 5), 2, 0, k) ** 2 for k in range(4)).unique().tolist()
    [1.0]
    """
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, like.shape[1:], generator=generator, device="cpu").to(like) * 2 - 1
    axes = [torch.arange(n, device=like.device) % spacing for n in signs.shape[-2:]]
    place = axes[-1] if signs.ndim < 2 else spacing * axes[0][:, None] + axes[1]
    return torch.where(place == k, signs, torch.zeros_like(signs))[None]


def diagonal(
    function: Callable[[Tensor], Tensor], unit: Tensor, *, draws: int, seed: int = 0, batch: int = 1
) -> Tensor:
    """Diagonal of a linear map of images along the direction ``unit`` of each pixel (B, ...), real, from probes on the
    largest square number of lattices up to ``draws``; of one image ``batch`` probes together.

    >>> diagonal(lambda x: 3 * x, torch.ones(1, 1, 2, 2), draws=4).unique().tolist()
    [3.0]
    """
    spacing, total = spacing_of(draws), torch.zeros_like(unit.real)
    *rows, columns = (range(min(spacing, n)) for n in unit.shape[1:][-2:])  # of small images others hold no pixel
    places = [spacing * i + j for i in (rows[0] if rows else range(1)) for j in columns]
    for group in chunks(len(places), len(unit), batch):
        probes = unit * torch.cat([lattice_probe(unit.real, spacing, seed, places[k]) for k in group])
        found = (probes.conj() * function(probes)).real
        total = total + (found.sum(0, keepdim=True) if len(unit) == 1 else found)
    return total
