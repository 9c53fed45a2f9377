"""What readers of tomography share: counts and angles become line integrals of chosen rows, and their operator."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators import FanBeam, Radon

from .measurement import Measurement

__all__ = ["chosen_rows", "measured_projections", "radians", "seen", "slabs"]

_SLAB = 2**24  # bytes that are read at once
_THICK = 50.0  # attenuation lengths


def chosen_rows(rows: int | slice | None, count: int) -> slice:
    """Detector rows as a slice; ``None``: the one in the middle.

    >>> chosen_rows(None, 5), chosen_rows(-1, 5), chosen_rows(slice(0, 2), 5)
    (slice(2, 3, 1), slice(4, 5, 1), slice(0, 2, 1))
    """
    if rows is None:
        rows = count // 2
    if isinstance(rows, slice):
        found = slice(*rows.indices(count))
        if not len(range(count)[found]):
            raise ValueError(f"rows: {rows} leaves none of {count}")
        if found.step < 1:
            raise ValueError(f"rows: expected a slice that goes up, got {rows}")
        return found
    if isinstance(rows, bool) or not isinstance(rows, int) or not -count <= rows < count:
        raise ValueError(f"rows: expected a number below {count}, a slice or None, got {rows!r}")
    return slice(rows % count, rows % count + 1, 1)


def slabs(count: int, itemsize: int) -> Iterator[slice]:
    """Parts of ``count`` views of ``itemsize`` bytes each that are read at once.

    >>> list(slabs(5, 2**23))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, _SLAB // max(itemsize, 1))
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


def radians(angles: Any, units: str | None, count: int) -> Tensor:
    """Angles of a file in radians, (count,); without ``units`` those beyond two turns of radians are degrees.

    >>> radians([0.0, 90.0, 180.0], None, 3)
    tensor([0.0000, 1.5708, 3.1416], dtype=torch.float64)
    """
    if isinstance(angles, slice | str | bool):
        raise ValueError(f"angles: expected {count} numbers, got {angles!r}; views= takes some of the views, 0:90")
    values = np.asarray(angles, dtype=np.float64).reshape(-1)
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"angles: expected {count} finite numbers, got {len(values)}")
    named = (units or "").strip().lower()
    if named and not named.startswith(("deg", "rad", "°")):
        raise ValueError(f"angles: in {units!r}, expected degrees or radians")
    turned = values.max() - values.min() if count else 0.0
    degrees = not named.startswith("rad") if named else turned > 4 * math.pi or abs(values).max() > 8 * math.pi
    return torch.from_numpy(np.deg2rad(values) if degrees else values)


def seen(
    y: Tensor, noise: Tensor | None, angles: Tensor, views: slice, clockwise: bool
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Some ``views`` of y (slices, 1, views, detectors), their noise and angles, turned to the other side where the
    views go ``clockwise``.

    >>> y, _, angles = seen(torch.ones(1, 1, 4, 9), None, torch.arange(1.0, 5.0), slice(0, 4, 2), True)
    >>> y.shape, angles
    (torch.Size([1, 1, 2, 9]), tensor([-1., -3.]))
    """
    if not isinstance(views, slice) or not len(angles[views]):
        raise ValueError(f"views: {views} leaves none of {len(angles)}; expected a slice, such as 0:90 or ::2")
    angles = -angles[views] if clockwise else angles[views]
    return y[:, :, views], None if noise is None else noise[:, :, views], angles


def measured_projections(
    counts: Tensor,
    angles: Tensor,
    *,
    white: Tensor | None,
    dark: Tensor | None,
    logged: bool,
    geometry: dict[str, Any] | None = None,
    white_at: Any = None,
    views: slice = slice(None),
    clockwise: bool = False,
    provenance: dict[str, Any] | None = None,
) -> Measurement:
    """The measurement of counts (views, rows, detectors): of every row one slice, corrected by flat and dark fields,
    unless values are ``logged``, line integrals already. ``geometry`` makes it a fan beam.

    Raises:
        ValueError: there are no flat fields, or they do not fit.
    """
    from ..corrections.ct.transmission import transmission

    provenance = dict(provenance or {})
    noise = None
    if logged:
        y = counts
        if not bool(torch.isfinite(y).all()):
            raise ValueError("values are not finite")
        if (most := float(y.abs().amax())) > _THICK:
            warnings.warn(
                f"logged: line integrals up to {most:.4g}; no beam passes {_THICK:.0f}: are these counts?",
                stacklevel=2,
            )
    elif white is None or not len(white):
        raise ValueError("holds no flat field; logged=True takes the values as line integrals")
    else:
        found = transmission(counts, white, dark if dark is not None and len(dark) else None, white_at=white_at)
        y, noise = found.y, found.noise_std
        noise = None if noise is None else noise.permute(1, 0, 2)[:, None].contiguous()
        provenance["corrections"] = (*provenance.get("corrections", ()), found.said())
    y = y.permute(1, 0, 2)[:, None].float().contiguous()
    y, noise, angles = seen(y, noise, angles, views, clockwise)
    side = y.shape[-1]
    arguments: dict[str, Any] = {"image_shape": (side, side), "angles": angles, "detector_count": side}
    build = Radon if geometry is None else FanBeam
    return Measurement(y, build, {**arguments, **(geometry or {})}, noise, provenance, of_object=True)
