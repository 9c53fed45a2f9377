"""Angles of a scan as users give them."""

import math
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["check_angles"]


def _plain(angles: Any) -> Tensor:
    """Numbers of any kind in double precision: numpy's views may run backwards or have the other byte order."""
    if not isinstance(angles, Tensor):
        angles = torch.from_numpy(np.array(angles, dtype=np.float64))
    if angles.is_complex():
        raise TypeError("complex")
    return torch.as_tensor(angles, dtype=torch.float64, device="cpu").detach()


def check_angles(angles: Any) -> Tensor:
    """Angles as doubles (n,), a copy; raise where they are not finite numbers, warn where they look like degrees."""
    try:
        angles = _plain(angles)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"angles: expected radians, a tensor or a list of numbers, got {angles!r}") from error
    if angles.ndim != 1 or len(angles) == 0 or not bool(torch.isfinite(angles).all()):
        raise ValueError(f"angles: expected finite values of shape (n,), got shape {tuple(angles.shape)}")
    turns = float(angles.abs().max()) / (2 * math.pi)
    if turns > 4 and _like_degrees(angles):
        warnings.warn(f"angles: {turns:.0f} turns; radians are expected, torch.deg2rad converts degrees", stacklevel=3)
    return angles


def _like_degrees(angles: Tensor) -> bool:
    """Round numbers, or even steps around a half or full turn of degrees: golden angles go round many times, too."""
    steps = angles.diff()
    even = len(steps) > 1 and bool((steps - steps.mean()).abs().max() <= 1e-3 * steps.mean().abs())
    ends = [abs(float(steps.mean() * n)) for n in (len(steps), len(angles))] if len(steps) else []
    around = even and any(abs(end - turn) < 0.01 for end in ends for turn in (90.0, 180.0, 360.0, 720.0))
    return around or bool(((20 * angles).round() - 20 * angles).abs().max() < 1e-3)
