"""Where the baselines of an array sample the Fourier plane while the Earth turns."""

import math
from typing import Any

import torch
from torch import Tensor

from ..shapes import Constant, as_constant
from .antennas import LATITUDES, antenna_positions

__all__ = ["uv_coverage"]

_LIGHT = 299_792_458.0  # m / s


def uv_coverage(
    array: str | Constant = "meerkat",
    *,
    declination: float = -30.0,
    hours: tuple[float, float] = (-0.5, 0.5),
    samples: int = 15,
    frequency: float = 1.4e9,
    latitude: float | None = None,
    **options: Any,
) -> Tensor:
    r"""Baselines seen from the source, (2, M) in wavelengths: u to the east, v to the north.

    .. math::
        u = X \sin h + Y \cos h, \qquad v = -X \sin\delta \cos h + Y \sin\delta \sin h + Z \cos\delta

    for every pair of antennas once (their conjugates are not listed) and every hour angle h; M = samples n (n - 1) / 2.

    Args:
        array: ``"meerkat"``, ``"vla-a"`` ... ``"vla-d"``, ``"random"`` (see :func:`antenna_positions`, which takes
            further ``options``), or positions (n, 2 or 3) in metres: east, north, up.
        declination: of the source, degrees.
        hours: first and last hour angle.
        samples: number of hour angles.
        frequency: Hz.
        latitude: of the array, degrees; needed for own positions.

    Raises:
        ValueError: an argument is out of range.

    Thompson, Moran, Swenson 2017, doi:10.1007/978-3-319-44431-4, section 4.1. The third component, w, is left out:
    the field of view is taken as flat.

    >>> uv_coverage("meerkat", samples=15).shape
    torch.Size([2, 30240])
    """
    if isinstance(array, str):
        array = array.lower()
        positions, known = antenna_positions(array, **options), LATITUDES[array.split("-")[0]]
        latitude = known if latitude is None else latitude
    else:
        positions = as_constant("array", array).double()
    if latitude is None:
        raise ValueError("latitude: needed where the positions are given")
    if positions.ndim != 2 or positions.shape[1] not in (2, 3) or len(positions) < 2:
        raise ValueError(f"array: expected positions (n, 2 or 3) of two antennas or more, got {tuple(positions.shape)}")
    for name, value, limit in (("declination", declination, 90.0), ("latitude", latitude, 90.0)):
        if not abs(value) <= limit:
            raise ValueError(f"{name}: expected degrees in -90 ... 90, got {value}")
    if not isinstance(hours, tuple | list) or len(hours) != 2:
        raise TypeError(f"hours: expected the first and the last hour angle, got {hours!r}")
    if not (frequency > 0 and samples >= 1):
        raise ValueError(f"frequency, samples: expected positive values, got {frequency}, {samples}")

    east, north = positions[:, 0], positions[:, 1]
    up = positions[:, 2] if positions.shape[1] == 3 else torch.zeros_like(east)
    place, source = math.radians(latitude), math.radians(declination)
    xyz = torch.stack((
        up * math.cos(place) - north * math.sin(place), east, north * math.cos(place) + up * math.sin(place),
    ))  # fmt: skip
    first, second = torch.triu_indices(len(positions), len(positions), 1, device="cpu")
    x, y, z = (xyz[:, second] - xyz[:, first]) * (frequency / _LIGHT)
    h = torch.linspace(*hours, samples, dtype=torch.float64, device="cpu")[:, None] * (math.pi / 12)
    u = x * h.sin() + y * h.cos()
    v = math.sin(source) * (y * h.sin() - x * h.cos()) + z * math.cos(source)
    return torch.stack((u, v)).flatten(1)
