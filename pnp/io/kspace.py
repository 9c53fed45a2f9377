"""What operators of MRI need beside k-space: masks and coil maps, estimated where the file has none."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import operators
from operators.fourier.fft import fft2c

__all__ = ["cartesian", "coil_maps_of"]

_SIDE, _LEAST = 24, 8  # the latter is what windows of six need


def cartesian(y: Tensor, mask: Tensor | None = None, maps: Tensor | None = None) -> dict[str, Any]:
    """Arguments of :class:`operators.MRI` for k-space (B, coils, H, W): a mask, which zeros tell where there is none,
    of each slice where these differ; maps are estimated of each slice where there are several coils.

    >>> cartesian(torch.ones(2, 1, 4, 4, dtype=torch.complex64))["mask"].sum().item()
    16.0
    """
    if mask is None:
        each = (y != 0).any(1, keepdim=True)
        each = torch.where(
            each.flatten(1).any(1)[:, None, None, None], each, each.any(0)
        )  # slices of zeros say nothing
        mask = each[0, 0] if bool((each == each[:1]).all()) else each
    arguments = {"mask": mask.float().expand(*mask.shape[:-2], *y.shape[-2:])}
    return {**arguments, "coil_maps": coil_maps_of(y, arguments) if maps is None else maps}


def coil_maps_of(y: Tensor, arguments: Mapping[str, Any], matrix: Tensor | None = None) -> Tensor | None:
    """Coil maps (B, coils, H, W) of several coils' data, by ESPIRiT of the middle of k-space, as much of it as is fully
    measured, up to 24 x 24; trajectories are gridded for it. ``None`` of one coil. Of data whose coils a ``matrix``
    whitened, images keep the scale that they have without it.

    Raises:
        ValueError: less than 8 x 8 samples of the middle are measured.
    """
    if y.shape[1] == 1:
        return None
    if "points" in arguments:
        shape = arguments["image_shape"]
        one = operators.NonCartesianMRI(arguments["points"], shape)
        images = one.gridded(y.flatten(0, 1)[:, None]).reshape(*y.shape[:2], *shape)
        y = fft2c(images)
    maps = operators.estimate_coil_maps(y, calibration=_calibration((y != 0).any(1).all(0)))
    if matrix is None:
        return maps
    before = torch.einsum("vc,bchw->bvhw", torch.linalg.inv(matrix).to(maps.dtype), maps)
    power = before.abs().square().sum(1, keepdim=True).sqrt()
    return maps / torch.where(power > 0, power, torch.ones_like(power))


def _calibration(measured: Tensor) -> tuple[int, int]:
    """Rows and columns of the largest region in the middle, up to 24 x 24, that is measured."""
    height, width = measured.shape
    most = min(_SIDE, height), min(_SIDE, width)

    def whole(a: int, b: int) -> bool:
        top, left = height // 2 - a // 2, width // 2 - b // 2
        return bool(measured[top : top + a, left : left + b].all())

    sides = [(most[0], b) for b in range(_LEAST, most[1] + 1)] + [(a, most[1]) for a in range(_LEAST, most[0] + 1)]
    found = [
        side
        for side in [*sides, *((a, a) for a in range(_LEAST, min(most) + 1))]
        if min(side) >= _LEAST and whole(*side)
    ]
    if not found:
        raise ValueError(f"coil_maps: less than {_LEAST} x {_LEAST} samples in the middle of k-space are measured, too "
                         "few to estimate them; give coil_maps")  # fmt: skip
    return max(found, key=lambda side: side[0] * side[1])
