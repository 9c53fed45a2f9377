"""What of the data no gain of a station changes, against an image."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...io.visibilities import Visibilities
from .stations import noise_of, pairs, scan_numbers

__all__ = ["ClosureMisfit", "closure_misfit"]


class ClosureMisfit(NamedTuple):
    """Reduced chi² of closure phases and of log closure amplitudes, and how many independent ones there are."""

    phases: float
    amplitudes: float
    phase_count: int
    amplitude_count: int


def closure_misfit(measured: Visibilities, model: Tensor, *, snr: float = 3.0) -> ClosureMisfit:
    r"""How far closure phases and log closure amplitudes are from those of a sky, in squares of their noise.

    Gains of stations cancel in phases summed around triangles, and in ratios of the amplitudes of quadrangles. With
    all correlations between them, :math:`\chi^2` of a scan's closures is that of its baselines after a fit of gains,

    .. math:: \chi^2_\phi = \min_\theta \sum_{ij} \frac{|V_{ij}|^2}{\sigma_{ij}^2}
              (\arg V_{ij} \bar M_{ij} - \theta_i + \theta_j)^2, \qquad
              \chi^2_A = \min_a \sum_{ij} \frac{|V_{ij}|^2}{\sigma_{ij}^2} (\ln |V_{ij} / M_{ij}| - a_i - a_j)^2

    whichever triangles and quadrangles are taken; there are as many independent ones as baselines less gains. Phases
    are taken within half a turn around each loop that a baseline closes with a tree of those of least noise.

    Args:
        model: visibilities of the sky, (1, 1, M), whatever their gains.
        snr: samples below this ratio of modulus and noise are left out; their phases and logarithms are not Gaussian:
            a larger ratio judges weak data better.

    Raises:
        ValueError: the model has another shape, or is 0 or not finite, or no closure is left; the noise, the scans or
            the baselines are not known.

    Blackburn, Pesce, Johnson, Wielgus, Chael, Christian, Doeleman 2020, doi:10.3847/1538-4357/ab8469.
    """
    if model.shape != measured.y.shape:
        raise ValueError(f"model: expected visibilities {tuple(measured.y.shape)}, got {tuple(model.shape)}")
    first, second, stations = pairs(measured)
    scan, scans = scan_numbers(measured)
    v, std = measured.y[0, 0].to(torch.complex128), noise_of(measured)
    used = (v.abs() > snr * std) & (first != second)
    if not bool((torch.isfinite(model[0, 0].abs()) & (model[0, 0] != 0))[used].all()):
        raise ValueError("model: holds NaN, infinite values or zeros, of which no closure is known")
    ratio = v / model[0, 0].to(torch.complex128)
    known = [x.numpy() for x in (first, second, ratio.angle(), ratio.abs().log(), std / v.abs())]
    sums, counts = np.zeros(2), np.zeros(2, int)
    for k in range(scans):
        i, j, angles, logs, error = (x[(used & (scan == k)).numpy()] for x in known)
        ends = np.eye(stations)
        for n, (rest, design) in enumerate(
            ((_wound(i, j, angles, error, stations), ends[i] - ends[j]), (logs, ends[i] + ends[j]))
        ):
            gains, _, rank, _ = np.linalg.lstsq(design / error[:, None], rest / error)
            sums[n] += np.square((rest - design @ gains) / error).sum()
            counts[n] += len(rest) - rank
    if not counts.all():
        raise ValueError(f"measured: {counts[0]} closure phases and {counts[1]} closure amplitudes above {snr:g} sigma")
    return ClosureMisfit(*(sums / counts).tolist(), *counts.tolist())


def _wound(i: np.ndarray, j: np.ndarray, angles: np.ndarray, error: np.ndarray, stations: int) -> np.ndarray:
    """Phases less those of stations that make a tree of baselines zero, the precise ones first, within half a turn."""
    tree, phase = np.arange(stations), np.zeros(stations)
    for e in np.argsort(error):
        a, b = i[e], j[e]
        if tree[a] != tree[b]:
            moved = tree == tree[b]
            phase[moved] += phase[a] - angles[e] - phase[b]
            tree[moved] = tree[a]
    rest = angles - phase[i] + phase[j]
    return (rest + np.pi) % (2 * np.pi) - np.pi
