"""Diagonals of linear maps of images from probes on lattices: random signs at pixels that lie apart."""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from .spread import chunks

__all__ = ["diagonal", "lattices"]


@lru_cache(maxsize=64)
def lattices(shape: tuple[int, ...], draws: int) -> tuple[int, tuple[int, ...]]:
    r"""Number m of lattices, at most ``draws``, and the c of each axis: pixel i is on number :math:`c \cdot i` mod m.

    Pixels of a lattice lie apart, c being :math:`g^k` for the axes from the last one on. Those half, a third or a
    quarter of an axis apart, which undersampling folds onto each other, lie on different ones, as m is a prime that
    goes into none of these, where there is one. With a draw for each pixel it has a lattice of its own. Korobov 1959.

    >>> lattices((1, 32, 32), 16), lattices((1, 5, 1), 4)
    ((13, (0, 5, 1)), (3, (0, 1, 0)))
    """
    if math.prod(shape) <= draws:
        return math.prod(shape), tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))
    axes = [k for k, n in enumerate(shape) if n > 1]
    ones = torch.ones(len(axes), dtype=torch.long, device="cpu")
    best: tuple[tuple[float, float], int, Tensor] = ((-math.inf, 0.0), 1, ones)
    for m in [m for m in range(2, draws + 1) if all(m % k for k in range(2, math.isqrt(m) + 1))][-4:]:
        steps = _steps([shape[k] for k in axes], m)
        length = steps.double().norm(dim=1)
        folds = [n // r for n in shape for r in (2, 3, 4) if n > 4 and n % r == 0]
        folded = -float(sum(fold % m == 0 for fold in folds))
        for g in range(1, m):
            c = torch.tensor([pow(g, k, m) for k in reversed(range(len(axes)))], device="cpu")
            near = length[(steps @ c) % m == 0]
            score = (folded, float(near.min()) if len(near) else math.inf)
            if score >= best[0] if m > best[1] else score > best[0]:
                best = (score, m, c)
    factors = dict(zip(axes, best[2].tolist()))
    return best[1], tuple(factors.get(k, 0) for k in range(len(shape)))


def _steps(sizes: list[int], m: int) -> Tensor:
    """Steps from a pixel to others, as far as to the next one of its lattice, (steps, axes)."""
    reach = math.ceil(m ** (1 / max(len(sizes), 1))) + 1
    axes = [torch.arange(-min(reach, n - 1), min(reach, n - 1) + 1, device="cpu") for n in sizes]
    steps = (
        torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
        if axes
        else torch.zeros(1, 0, device="cpu").long()
    )
    return steps[steps.abs().sum(1) > 0]


def diagonal(
    function: Callable[[Tensor], Tensor], unit: Tensor, *, draws: int, seed: int = 0, batch: int = 1
) -> Tensor:
    """Diagonal of a linear map of images along the direction ``unit`` of each pixel (B, ...), real, from probes on up
    to ``draws`` lattices, see :func:`lattices`; of one image ``batch`` probes together.

    It is exact for maps that do not reach from pixel to pixel of a lattice; else Hutchinson's, unbiased.
    Hutchinson 1989, doi:10.1080/03610918908812806; Bekas, Kokiopoulou, Saad 2007, doi:10.1016/j.apnum.2007.01.003.

    >>> diagonal(lambda x: 3 * x, torch.ones(1, 1, 2, 2), draws=4).unique().tolist()
    [3.0]
    """
    total, shape = torch.zeros_like(unit.real), tuple(unit.shape[1:])
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, shape, generator=generator, device="cpu").to(total) * 2 - 1
    count, factors = lattices(shape, draws)
    place = torch.zeros(shape, dtype=torch.long, device="cpu")
    for axis, (n, factor) in enumerate(zip(shape, factors)):
        place = place + (factor * torch.arange(n, device="cpu")).reshape(-1, *[1] * (len(shape) - 1 - axis))
    place = (place % count).to(unit.device)
    places = place.unique().tolist()  # in a small image others hold no pixel
    for group in chunks(len(places), len(unit), batch):
        probes = unit * torch.stack([torch.where(place == places[k], signs, torch.zeros_like(signs)) for k in group])
        found = (probes.conj() * function(probes)).real
        total = total + (found.sum(0, keepdim=True) if len(unit) == 1 else found)
    return total
