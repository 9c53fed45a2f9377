"""Where the zero frequency of k-space is."""

from typing import Any, overload

import torch
from torch import Tensor

from operators.mri.centre import outer_axes

from ...io.kspace import coil_maps_of
from ...io.measurement import Measurement

__all__ = ["centre_kspace"]


@overload
def centre_kspace(y: Tensor) -> Tensor: ...
@overload
def centre_kspace(y: Measurement) -> Measurement: ...
def centre_kspace(y: Tensor | Measurement) -> Tensor | Measurement:
    """Cartesian k-space (B, coils, H, W) with its zero frequency at index n // 2, where operators expect it: shifted by
    half a turn along each axis on whose border most of the energy lies, and as it is where it is centred.

    Args:
        y: data, or a :class:`pnp.io.Measurement`, whose mask goes along; maps that were estimated are estimated again.

    Raises:
        ValueError: not complex (B, coils, H, W).

    >>> plain = torch.fft.fft2(torch.ones(1, 1, 8, 8) + 0j)
    >>> centre_kspace(plain).abs().argmax().item() == 4 * 8 + 4
    True
    """
    data = y.y if isinstance(y, Measurement) else y
    if data.ndim != 4 or not data.is_complex():
        raise ValueError(f"y: expected complex (B, coils, H, W), got {data.dtype} {tuple(data.shape)}")
    axes = outer_axes(data)
    if not axes:
        return y
    moved = torch.fft.fftshift(data, axes)
    if not isinstance(y, Measurement):
        return moved
    arguments: dict[str, Any] = dict(y.arguments)
    if arguments.get("mask") is not None:
        arguments["mask"] = torch.fft.fftshift(arguments["mask"], axes)
    if y.provenance.get("coil_maps") == "estimated":
        arguments["coil_maps"] = coil_maps_of(moved, arguments)
    return y.changed("zero frequency moved to the middle", y=moved, arguments=arguments)
