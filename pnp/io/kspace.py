"""What operators of MRI need beside k-space: masks and coil maps, estimated where the file has none."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import operators
from operators.fourier.fft import fft2c

__all__ = ["cartesian", "coil_maps_of", "trajectory"]


def cartesian(y: Tensor, mask: Tensor | None = None, maps: Tensor | None = None) -> dict[str, Any]:
    """Arguments of :class:`operators.MRI` for k-space (B, coils, H, W), all of one mask, which zeros tell where there
    is none; maps are estimated of each slice where there are several coils.

    >>> import torch
    >>> cartesian(torch.ones(2, 1, 4, 4, dtype=torch.complex64))["mask"].sum().item()
    16.0
    """
    if mask is None:
        mask = (y != 0).any(1).any(0)
    arguments = {"mask": mask.float().expand(y.shape[-2:])}
    return {**arguments, "coil_maps": coil_maps_of(y, arguments) if maps is None else maps}


def trajectory(y: Tensor, points: Tensor, image_shape: tuple[int, int], maps: Tensor | None = None) -> dict[str, Any]:
    """Arguments of :class:`operators.NonCartesianMRI` for samples (B, coils, M) at points (2, M), radians per pixel;
    maps are estimated of each slice where there are several coils.

    >>> import torch
    >>> points = operators.radial_trajectory(4, 16)
    >>> trajectory(torch.ones(1, 1, 64) + 0j, points, (8, 8))["coil_maps"] is None
    True
    """
    arguments = {"points": points, "image_shape": image_shape}
    return {**arguments, "coil_maps": coil_maps_of(y, arguments) if maps is None else maps}


def coil_maps_of(y: Tensor, arguments: Mapping[str, Any]) -> Tensor | None:
    """Coil maps (B, coils, H, W) of several coils' data, by ESPIRiT of the middle of k-space, which trajectories are
    gridded for; ``None`` of one coil."""
    if y.shape[1] == 1:
        return None
    if "points" in arguments:
        shape = arguments["image_shape"]
        one = operators.NonCartesianMRI(arguments["points"], shape)
        images = one.gridded(y.flatten(0, 1)[:, None]).reshape(*y.shape[:2], *shape)
        return operators.estimate_coil_maps(fft2c(images), calibration=min(24, *shape))
    return operators.estimate_coil_maps(y)
