"""The main lobe of a point spread function as a Gaussian, and images restored with it."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["Beam", "beam_image", "fitted_beam"]

_LOBE, _STEPS = 0.35, 50


class Beam(NamedTuple):
    """Full widths at half maximum of the major and minor axis, arcsec, and position angle, degrees from north to
    east, as BMAJ, BMIN and BPA of FITS headers say them."""

    major: float
    minor: float
    angle: float


def fitted_beam(psf: Tensor, cell: float) -> Beam:
    """The Gaussian of height one that fits the main lobe of a point spread function (..., H, W) best, in the least
    squares of its pixels above 0.35 around pixel (H // 2, W // 2).

    Args:
        psf: one at its peak, rows to the north, columns to the west, as :meth:`operators.RadioInterferometry.psf`.
        cell: arcsec.

    Raises:
        ValueError: no peak of one in the middle, or a lobe of fewer than five pixels: a finer ``cell`` shows it.

    >>> beam = fitted_beam(beam_image(Beam(9.0, 6.0, 30.0), (33, 33), 1.0), 1.0)
    >>> [round(v, 6) for v in beam]
    [9.0, 6.0, 30.0]
    """
    values = psf.detach().double().cpu().reshape(-1, *psf.shape[-2:])[0].numpy()
    middle = values.shape[0] // 2, values.shape[1] // 2
    if not abs(values[middle] - 1) < 1e-3:
        raise ValueError(f"psf: expected one at its peak, pixel {middle}, got {values[middle]:.3g}")
    lobe = _connected(values > _LOBE, middle)
    rows, columns = np.nonzero(lobe)
    north, east = cell * (rows - middle[0]), -cell * (columns - middle[1])
    if len(rows) < 5 or np.linalg.matrix_rank(np.stack((north, east))) < 2:
        raise ValueError(f"psf: its main lobe has {len(rows)} pixels; a smaller cell than {cell:.3g} arcsec shows it")
    basis, data = np.stack((north**2, 2 * north * east, east**2), 1), values[lobe]
    form = np.linalg.lstsq(basis * data[:, None], -np.log(data) * data, rcond=None)[0]
    for _ in range(_STEPS):  # Gauss-Newton
        model = np.exp(-basis @ form)
        step = np.linalg.lstsq(-basis * model[:, None], data - model, rcond=None)[0]
        form = form + step
        if np.abs(step).max() < 1e-12 * np.abs(form).max():
            break
    widths, axes = np.linalg.eigh(np.array([[form[0], form[1]], [form[1], form[2]]]))
    if not widths[0] > 0:
        raise ValueError("psf: its main lobe is no peak")
    major, minor = (2 * math.sqrt(math.log(2) / w) for w in widths)
    return Beam(major, minor, math.degrees(math.atan2(axes[1, 0], axes[0, 0])) % 180)


def beam_image(beam: Beam, image_shape: tuple[int, int], cell: float) -> Tensor:
    """The beam as an image (1, 1, H, W), one at pixel (H // 2, W // 2), double precision.

    >>> round(beam_image(Beam(4.0, 2.0, 90.0), (9, 9), 1.0)[0, 0, 4, 6].item(), 6)  # two arcsec to the west
    0.5
    """
    rows, columns = (cell * (torch.arange(n, dtype=torch.float64, device="cpu") - n // 2) for n in image_shape)
    turn = math.radians(beam.angle)
    along = rows[:, None] * math.cos(turn) - columns * math.sin(turn)  # columns go to the west
    across = rows[:, None] * math.sin(turn) + columns * math.cos(turn)
    return torch.exp2(-4 * ((along / beam.major) ** 2 + (across / beam.minor) ** 2))[None, None]


def _connected(mask: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """The part of a mask that hangs together with a pixel."""
    found, todo = np.zeros_like(mask), [start]
    while todo:
        r, c = todo.pop()
        if 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1] and mask[r, c] and not found[r, c]:
            found[r, c] = True
            todo += [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
    return found
