"""Gains of stations and an image of the same data, in turn."""

from collections.abc import Callable

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
        ValueError: ``rounds`` is below 1, or what :func:`fit_gains` refuses.

    Pearson, Readhead 1984, doi:10.1146/annurev.aa.22.090184.000525.
    """
    if rounds < 1:
        raise ValueError(f"rounds: expected at least 1, got {rounds!r}")
    op, x, calibrated = measured.operator(), start, measured
    for k in range(rounds):
        gains = fit_gains(measured, op(x), amplitude=amplitude if 2 * k >= rounds else 0.0)
        calibrated = remove_gains(measured, gains)
        x = image(calibrated)
    return calibrated, x
