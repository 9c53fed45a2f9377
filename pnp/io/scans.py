"""From a scan's k-space to a measurement: averages, noise, oversampling, coil maps, in this order."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from operators import MRI, NonCartesianMRI

from .kspace import coil_maps_of
from .measurement import Measurement

__all__ = ["cartesian_scan", "trajectory_scan"]


def cartesian_scan(
    total: Tensor,
    count: Tensor,
    said: Mapping[str, Any],
    *,
    covariance: Tensor | None = None,
    size: int | None = None,
    calibration: Tensor | None = None,
    coil_maps: Tensor | None = None,
) -> Measurement:
    r"""The measurement of a Cartesian scan, whitened, without readout oversampling, with coil maps.

    Places that were measured n times hold sums, of noise :math:`\sqrt n`: they become :math:`\sum y / \sqrt{n m}` with
    a mask :math:`\sqrt{n / m}`, m the largest n, so that noise is :math:`1 / \sqrt m` of one readout's everywhere.

    Args:
        total: sums of k-space (B, coils, H, W), readout down the rows.
        count: how often each place was measured, (B, 1, H, W).
        said: provenance.
        covariance: of the coils' noise in one readout; the data are whitened with it.
        size: rows that remain without readout oversampling; left as they are where a readout is not complete.
        coil_maps: (coils, H, W) or (B, coils, H, W), as they are before coils are whitened and rows are cut; default
            estimated.
        calibration: further k-space (B, coils, H, W) for coil maps alone, zero where there is none.
    """
    from ..corrections.mri import remove_oversampling, whitening_matrix

    most = int(count.max())
    if most < 1:
        raise ValueError("holds no image data")
    coils, done, noise, matrix = total.shape[1], [], None, None
    maps = coil_maps if coil_maps is None or coil_maps.ndim == 4 else coil_maps[None]
    y, mask = total / (count.clamp_min(1) * most).sqrt(), (count / most).sqrt()
    # for maps: every place as often as any other, and places that were measured for them alone
    plain = torch.where(count > 0, total / count.clamp_min(1), 0 * total if calibration is None else calibration)
    if covariance is not None:
        matrix = whitening_matrix(covariance)
        y, plain, noise = matrix(y), matrix(plain), most**-0.5
        maps = torch.ones(1, 1, *y.shape[-2:], device="cpu") if coils == 1 and maps is None else maps
        maps = None if maps is None else matrix.combined(maps).to(y.dtype)
        done.append("prewhitened")
    if size is not None and size < y.shape[-2]:
        if bool(((count > 0).any(-2, keepdim=True) == (count > 0)).all()):
            before, start = y.shape[-2], y.shape[-2] // 2 - size // 2
            y, plain = remove_oversampling(y, size), remove_oversampling(plain, size)
            mask = mask[..., start : start + size, :]
            maps = None if maps is None else maps[..., start : start + size, :]
            done.append(f"readout oversampling removed, {before} to {size}")
        else:
            said = {**said, "left": "readout oversampling, since readouts are not complete: cut the image"}
    mask = mask[0, 0] if bool((mask == mask[:1]).all()) else mask
    if coils > 1 and maps is None:
        maps = coil_maps_of(plain, {}, None if matrix is None else matrix.matrix)
        said = {**said, "coil_maps": "estimated"}
    said = {**said, "averages": most, **({"corrections": tuple(done)} if done else {})}
    return Measurement(y, MRI, {"mask": mask, "coil_maps": maps}, noise, said)


def trajectory_scan(
    y: Tensor,
    points: Tensor,
    image_shape: tuple[int, int],
    said: Mapping[str, Any],
    *,
    covariance: Tensor | None = None,
    coil_maps: Tensor | None = None,
) -> Measurement:
    """The measurement of samples (B, coils, M) along a trajectory (2, M), whitened, with coil maps."""
    from ..corrections.mri import whitening_matrix

    noise, done, matrix = None, {}, None
    maps = coil_maps if coil_maps is None or coil_maps.ndim == 4 else coil_maps[None]
    if covariance is not None:
        matrix = whitening_matrix(covariance)
        y, noise, done = matrix(y), 1.0, {"corrections": ("prewhitened",)}
        maps = torch.ones(1, 1, *image_shape, device="cpu") if y.shape[1] == 1 and maps is None else maps
        maps = None if maps is None else matrix.combined(maps).to(y.dtype)
    arguments = {"points": points, "image_shape": image_shape, "coil_maps": maps}
    if y.shape[1] > 1 and maps is None:
        arguments["coil_maps"] = coil_maps_of(y, arguments, None if matrix is None else matrix.matrix)
        done = {"coil_maps": "estimated", **done}
    return Measurement(y, NonCartesianMRI, arguments, noise, {**said, **done})
