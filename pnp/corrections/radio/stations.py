"""Which stations and which scan a visibility is of."""

import torch
from torch import Tensor

from ...io.visibilities import Visibilities

__all__ = ["noise_of", "pairs", "scan_numbers", "without_flagged"]

BASE = 2**16  # a baseline's number is BASE times its first station, and its second


def pairs(measured: Visibilities) -> tuple[Tensor, Tensor, int]:
    """First and second station of each visibility, (M,), counted from 0 in the order of their numbers, and how many
    there are.

    Raises:
        ValueError: the file names no baselines, or there is more than one set of visibilities.
    """
    if measured.y.ndim != 3 or measured.y.shape[:2] != (1, 1):
        raise ValueError(f"measured: expected one set of visibilities, y (1, 1, M), got {tuple(measured.y.shape)}")
    if "baseline" not in measured.columns:
        raise ValueError("measured: the file says no baseline, and so no stations")
    numbers = measured.columns["baseline"].long()
    named, at = torch.stack((numbers // BASE, numbers % BASE)).unique(return_inverse=True)
    return at[0], at[1], len(named)


def scan_numbers(measured: Visibilities) -> tuple[Tensor, int]:
    """The scan of each visibility, (M,), counted from 0, and how many there are.

    Raises:
        ValueError: there is no column ``scan``.
    """
    if "scan" not in measured.columns:
        raise ValueError("measured: has no scans; pnp.corrections.radio.average_scans makes them")
    named, at = measured.columns["scan"].unique(return_inverse=True)
    return at, len(named)


def noise_of(measured: Visibilities) -> Tensor:
    """The noise of each visibility, (M,), in double precision, infinite for what is flagged.

    Raises:
        ValueError: it is not known, or not positive, or visibilities of finite noise are NaN or infinite.
    """
    noise = measured.noise_std
    if not isinstance(noise, Tensor) or noise.ndim != 3:
        raise ValueError("measured: its noise is not known; pnp.corrections.radio.noise_from_data estimates it")
    noise = noise[0, 0].double()
    if not bool((noise > 0).all()):
        raise ValueError("measured: expected noise > 0 of each visibility, infinite where it is flagged")
    if not bool(torch.isfinite(measured.y[0, 0][torch.isfinite(noise)]).all()):
        raise ValueError("measured: y holds NaN or infinite values; noise_std = inf flags them")
    return noise


def without_flagged(measured: Visibilities) -> Visibilities:
    """The visibilities whose noise is finite."""
    there = torch.isfinite(noise_of(measured))
    return measured if bool(there.all()) else measured.kept(there, "infinite noise")
