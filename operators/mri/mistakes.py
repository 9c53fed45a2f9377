"""Mistakes with coils and axes of k-space, as data that do not fit are tried for."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt, Variant

__all__ = ["map_mistakes"]


def map_mistakes(
    maps: Tensor, images: Tensor, y: Tensor, make: Callable[[Tensor], LinearOperator]
) -> Iterator[Variant]:
    """Coil maps (1 | B, coils, H, W) that are conjugated, mirrored, turned, or in another order than the data's.

    Args:
        images: of each coil, (B, coils, H, W), by the adjoint.
        make: the operator with other maps.
    """
    conjugated = "coil_maps are conjugated: coil_maps.conj() fits"
    yield Variant(Doubt("coil maps", conjugated), make(maps.conj().resolve_conj()), y)
    order = best_order(maps.abs(), images.detach().abs())
    if order != list(range(len(order))):
        words = f"coil_maps are in another order than the data's coils: coil_maps[{order}] fits"
        yield Variant(Doubt("coil maps", words), make(maps[:, order]), y)
        both = f"{words}, conjugated"
        yield Variant(Doubt("coil maps", both), make(maps[:, order].conj().resolve_conj()), y)
    for axes, how in (
        ((-1,), "along the last axis"),
        ((-2,), "along the axis before it"),
        ((-2, -1), "along both axes"),
    ):
        words = f"coil_maps are mirrored {how}: coil_maps.flip({axes}) fits"
        yield Variant(Doubt("coil maps", words), make(maps.flip(axes)), y)
    if maps.shape[-2] == maps.shape[-1]:
        words = "the axes of coil_maps are exchanged: coil_maps.mT fits"
        yield Variant(Doubt("coil maps", words), make(maps.mT.contiguous()), y)


def best_order(maps: Tensor, images: Tensor) -> list[int]:
    """Which map each coil's image is most alike, one to one: the correlation of their magnitudes where the image that
    all coils share is divided out."""
    from scipy.optimize import linear_sum_assignment

    shared = images.square().sum(1, keepdim=True).sqrt()
    spread = maps.square().sum(1, keepdim=True).sqrt()
    relative = maps / spread.clamp_min(1e-6 * float(spread.max())) * shared
    a, b = ((v / v.flatten(2).norm(dim=2)[..., None, None].clamp_min(1e-30)) for v in (relative, images))
    alike = torch.einsum("bihw,bjhw->ij", *torch.broadcast_tensors(a, b))
    rows, columns = linear_sum_assignment(-alike.cpu().double().numpy())
    order = [0] * len(rows)
    for i, j in zip(rows.tolist(), columns.tolist(), strict=True):
        order[j] = i
    return order
