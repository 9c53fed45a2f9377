"""Volumes in slabs of slices: what goes slice by slice needs memory for a slab, not for the volume."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from .linalg import power_norm

__all__ = ["SlabOperator", "Slabs", "each_slab", "evenly", "places", "slab_norm"]

SlabOperator = Any  # a linear operator of images (C, H, W), whose batch are the slices of a slab
Slabs = Iterator[tuple[int, slice, SlabOperator]]  # sample, slices, operator


def places(batch: int, depth: int, size: int) -> Iterator[tuple[int, slice]]:
    """Sample and slices of every slab of at most ``size`` slices.

    >>> list(places(1, 5, 3))
    [(0, slice(0, 3, None)), (0, slice(3, 5, None))]
    """
    for sample in range(batch):
        for start in range(0, depth, size):
            yield sample, slice(start, min(start + size, depth))


def each_slab(slabs: Slabs, function: Callable[..., Tensor], *volumes: Tensor) -> Tensor:
    """The volume of ``function(op, sample, *slab)`` of all slabs, which are (n, C, ...) of volumes (B, C, D, ...)."""
    out: Tensor | None = None
    for sample, slices, op in slabs:
        done = function(op, sample, *(v[sample, :, slices].transpose(0, 1) for v in volumes)).transpose(0, 1)
        if out is None:
            out = done.new_empty(len(volumes[0]), done.shape[0], volumes[0].shape[2], *done.shape[2:])
        out[sample, :, slices] = done
    assert out is not None
    return out


def evenly(depth: int, count: int) -> list[int]:
    """At most ``count`` of ``depth`` slices, evenly spread.

    >>> evenly(10, 3), evenly(2, 3)
    ([1, 5, 8], [0, 1])
    """
    count = min(depth, count)
    return [(2 * k + 1) * depth // (2 * count) for k in range(count)]


@torch.no_grad()
def slab_norm(slabs: Slabs, shape: tuple[int, ...], device: torch.device) -> float:
    """Largest singular value of an operator of complex slices of ``shape`` (C, H, W), in double precision."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1, *shape, generator=generator, dtype=torch.complex128, device="cpu").to(device)
    return max(power_norm(op.A_adjoint_A, start.repeat(s.stop - s.start, 1, 1, 1)) for _, s, op in slabs)
