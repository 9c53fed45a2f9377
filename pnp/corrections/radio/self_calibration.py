"""Gains of stations and an image of the same data, in turn."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...io.visibilities import Visibilities
from .gains import fit_gains, remove_gains

__all__ = ["self_calibrate"]


def self_calibrate(
    measured: Visibilities,
    image: Callable[[Visibilities], Tensor],
    start: Tensor,
    *,
    amplitude: float = 0.1,
    rounds: int = 8,
) -> tuple[Visibilities, Tensor]:
    """Data without the gains of their stations, and their image, by turns: gains of each scan that fit the image best
    (:func:`fit_gains`), and the image of the data without them. In the first half of the rounds gains are phases
    alone.

    Where the data do not determine image and gains together, the answer depends on the start. What judges it are
    closures (:func:`closure_misfit`), also those of scans that were kept out.

    Args:
        image: makes an image (1, 1, H, W), in flux per pixel, of data without gains, such as
            ``lambda m: PnPADMM(m.operator(), noise_std=m.noise_std)(m.y)``.
        start: the image of the first gains, such as a disc of the source's size and flux.
        amplitude: deviation of the logarithms of gains from 0.

    Raises:
        TypeError, ValueError: ``start``, or an image that ``image`` makes, is not a real, finite image of the size;
            ``rounds`` is below 1, ``amplitude`` below 0, or what :func:`fit_gains` refuses.

    Pearson, Readhead 1984, doi:10.1146/annurev.aa.22.090184.000525.
    """
    if rounds < 1:
        raise ValueError(f"rounds: expected at least 1, got {rounds!r}")
    if not 0 <= amplitude < float("inf"):
        raise ValueError(f"amplitude: expected a finite number >= 0, got {amplitude!r}")
    if not callable(image):
        raise TypeError(f"image: expected a function of visibilities, got {type(image).__name__}")
    op, calibrated = measured.operator(), measured
    shape = (1, *op.in_shape)
    x = _checked("start", start, shape)
    for k in range(rounds):
        gains = fit_gains(measured, op(x), amplitude=amplitude if 2 * k >= rounds else 0.0)
        calibrated = remove_gains(measured, gains)
        x = _checked("image: its answer", image(calibrated), shape)
    return calibrated, x


def _checked(name: str, x: Any, shape: tuple[int, ...]) -> Tensor:
    if not isinstance(x, Tensor) or x.is_complex():
        raise TypeError(f"{name}: expected a real tensor, got {x.dtype if isinstance(x, Tensor) else type(x).__name__}")
    if tuple(x.shape) != shape:
        raise ValueError(f"{name}: expected an image {shape}, got {tuple(x.shape)}")
    if not bool(torch.isfinite(x).all()) or not bool(x.any()):
        raise ValueError(f"{name}: is zero everywhere, or holds NaN or infinite values")
    return x
