"""The noise of visibilities whose weights are relative, or missing."""

import torch
from torch import Tensor

from operators import Weighted

from ...io.visibilities import Visibilities
from ...noise_level import estimate_noise

__all__ = ["noise_from_data"]


def noise_from_data(measured: Visibilities) -> Visibilities:
    """The measurement with noise that the data show: what its weights say, times one factor, so that what no image
    explains (:func:`pnp.estimate_noise`) has that level; the same for all samples where the file says nothing.

    Raises:
        ValueError: the data have no noise.
    """
    given = measured.noise_std
    std = given if isinstance(given, Tensor) and given.ndim == 3 else torch.ones_like(measured.y.real)
    level, how = estimate_noise(Weighted(1 / std) @ measured.operator(), measured.y / std)
    factor = float(level)
    if not 0 < factor < float("inf"):
        raise ValueError(f"measured: an estimate of its noise gave {factor}")
    said = f"noise times {factor:.3g}" if std is given else f"noise {factor:.3g}"
    return measured.changed(f"{said}, from {how}", noise_std=factor * std)
