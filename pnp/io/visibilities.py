"""What all readers of visibilities share: baselines in wavelengths, flags, noise, the operator."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators import LinearOperator, PrimaryBeam, RadioInterferometry, Weighted
from operators.radio.wterm import curvature

from .measurement import Measurement
from .opening import sides

__all__ = ["Visibilities", "measured_visibilities", "sky_operator"]

_FLAT = 1e-3  # radians: the w-term is left out where it turns no pixel of any sample further
_FINE, _SIDE = 3.0, 256  # pixels over the width of the finest fringe, pixels of a side


@dataclass(frozen=True, repr=False)
class Visibilities(Measurement):
    """Visibilities y (1, 1, M), and of each sample in ``columns`` its ``time`` (s), ``baseline`` (2^16 times
    the first antenna, and the second) and ``frequency`` (Hz), as far as the file has them."""

    columns: Mapping[str, Tensor] = field(default_factory=dict)

    def kept(self, which: Tensor, said: str) -> "Visibilities":
        """The samples ``which``, booleans or numbers (M,)."""
        where = which.nonzero()[:, 0] if which.dtype == torch.bool else which
        if not len(where):
            raise ValueError(f"{said}: leaves no visibility")
        some = {k: v[..., where] for k, v in self.arguments.items() if k in ("uv", "w", "gain") and v is not None}
        noise = self.noise_std
        noise = noise[..., where] if isinstance(noise, Tensor) and noise.ndim == 3 else noise
        columns = {k: v[where] for k, v in self.columns.items()}
        return self.changed(
            said, y=self.y[..., where], arguments={**self.arguments, **some}, noise_std=noise, columns=columns
        )


def sky_operator(
    uv: Tensor,
    image_shape: int | tuple[int, int],
    *,
    cell: float,
    w: Tensor | None = None,
    beam: Tensor | None = None,
    gain: Tensor | None = None,
    **options: Any,
) -> RadioInterferometry | LinearOperator:
    """The operator of visibilities: :class:`operators.RadioInterferometry`, with w where it turns a phase by more than
    0.001, after a primary ``beam`` (H, W), before a ``gain`` of each sample, (M,), such as a spectrum's. One number as
    ``image_shape`` is a square's.

    >>> sky_operator(torch.zeros(2, 5), (8, 8), cell=1.0, w=torch.ones(5)).w is None
    True
    """
    image_shape = sides(image_shape)
    if w is not None:
        tilt = curvature(image_shape, math.radians(cell / 3600))
        if 2 * math.pi * float(w.abs().max()) * float(tilt.abs().max()) < _FLAT:
            w = None
    op: LinearOperator = RadioInterferometry(uv, image_shape, cell=cell, w=w, **options)
    op = op if beam is None else op @ PrimaryBeam(beam)
    return op if gain is None else Weighted(gain) @ op


def measured_visibilities(
    uvw: np.ndarray,
    data: np.ndarray,
    weights: np.ndarray | None,
    *,
    sigma: str = "part",
    image_shape: int | tuple[int, int] | None = None,
    cell: float | None = None,
    provenance: Mapping[str, Any] | None = None,
    **columns: np.ndarray,
) -> Visibilities:
    """The measurement of visibilities (M,) at baselines (2 | 3, M) in wavelengths.

    Samples that are flagged, by weights that are not positive and finite, or that are not finite themselves, are left
    out. Weights are 1 / sigma², of the real ``"part"`` or of the ``"modulus"`` (twice the variance of a part); weights
    that are all 1 say nothing of the noise, which is estimated then.

    Args:
        image_shape: (H, W), or an int for a square, default 256 x 256.
        cell: arcsec, default a third of the finest fringe.
        columns: time, baseline, frequency, (M,).

    Raises:
        ValueError: an argument does not fit, or no sample is left.
    """
    if sigma not in ("part", "modulus"):
        raise ValueError(f"sigma: expected 'part' or 'modulus', what the weights are of, got {sigma!r}")
    good = np.isfinite(data) & np.isfinite(uvw).all(0)
    if weights is not None:
        good &= np.isfinite(weights) & (weights > 0)
    if not good.any():
        raise ValueError(f"of {len(data):,} visibilities all are flagged or not finite")
    uvw, y = uvw[:, good].astype(np.float64), data[good].astype(np.complex64)
    said = dict(provenance or {}, visibilities=int(good.sum()), flagged=int((~good).sum()))
    noise = None
    if weights is not None:
        w = weights[good].astype(np.float64)
        if (w == 1).all():
            said["weights"] = "all 1, not taken for noise"
        else:
            noise = torch.from_numpy((w * (2 if sigma == "modulus" else 1)) ** -0.5).float()[None, None]
            said["weights"] = f"1 / sigma², sigma of the {sigma}"
    longest = float(np.abs(uvw[:2]).max())
    if not longest > 0:
        raise ValueError("baselines are all zero")
    finest, shape = math.degrees(1 / longest) * 3600, sides(_SIDE if image_shape is None else image_shape)
    said["finest fringe"] = f"{finest:.3g} arcsec"
    if cell is not None and finest > cell * max(shape):
        warnings.warn(
            f"the finest fringe, {finest:.3g} arcsec, is wider than the image, {max(shape)} pixels of {cell:.3g}: "
            "baselines are in another unit, or cell is too small",
            stacklevel=4,
        )
    if cell is None:
        cell = float(f"{math.degrees(1 / (_FINE * longest)) * 3600:.3g}")
        said["cell"] = f"{cell} arcsec, {_FINE:g} pixels over the finest fringe, as none was given"
    arguments = {"uv": torch.from_numpy(uvw[:2].copy()), "image_shape": shape, "cell": cell}
    if len(uvw) == 3:
        arguments["w"] = torch.from_numpy(uvw[2].copy())
    kept = {k: torch.from_numpy(v[good].copy()) for k, v in columns.items()}
    return Visibilities(torch.from_numpy(y)[None, None], sky_operator, arguments, noise, said, kept)
