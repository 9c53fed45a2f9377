"""Rings: stripes of a sinogram, from detector bins that measure a little too much or too little at every view."""

from typing import Any, Literal

import torch
from torch import Tensor

from ...io.opening import package

__all__ = ["remove_stripes"]

_SLAB = 2**23  # values that the windows of a slab may hold


def remove_stripes(
    y: Tensor, *, size: int = 21, method: Literal["sorting", "filtering", "all"] = "sorting", **options: Any
) -> Tensor:
    """A sinogram (..., angles, detectors) without stripes along the angles, which backprojection makes rings of.

    ``"sorting"``: each bin's values are sorted, neighbouring bins of a rank replaced by their median, and sorted back:
    bins of like responses have alike distributions of values, a stripe does not. ``"filtering"`` does so to the smooth
    part along the angles, ``"all"`` looks for large, dead and varying stripes as well, both by algotom, with
    ``options`` of its ``remove_stripe_based_filtering`` and ``remove_all_stripe``.

    Args:
        y: line integrals.
        size: width of the median in bins, odd: more than twice that of the widest stripe.

    Raises:
        TypeError, ValueError: an argument does not fit. ImportError: algotom is missing.

    Vo, Atwood, Drakopoulos 2018, doi:10.1364/OE.26.028396.

    >>> y = torch.arange(20.0)[:, None].expand(20, 9).clone()
    >>> y[:, 4] += 3
    >>> remove_stripes(y, size=5)[0].tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    if not isinstance(y, Tensor) or not y.dtype.is_floating_point:
        raise TypeError(f"y: expected a real tensor of line integrals, got {getattr(y, 'dtype', type(y).__name__)}")
    if y.ndim < 2:
        raise ValueError(f"y: expected (..., angles, detectors), got {tuple(y.shape)}")
    if not (isinstance(size, int) and size > 1 and size % 2):
        raise ValueError(f"size: expected an odd number of bins > 1, got {size!r}")
    if method == "sorting" and not options:
        ordered, order = y.sort(-2)
        return torch.empty_like(y).scatter(-2, order, _median(ordered, size))
    names = {"filtering": "remove_stripe_based_filtering", "all": "remove_all_stripe"}
    if method not in names:
        raise ValueError(f"method: expected 'sorting' without options, 'filtering' or 'all', got {method!r}")
    function = getattr(package("algotom.prep.removal", "ct"), names[method])
    options = {("size" if method == "filtering" else "sm_size"): size, **options}
    sinograms = y.detach().cpu().flatten(0, -3) if y.ndim > 2 else y.detach().cpu()[None]
    found = [torch.from_numpy(function(one.numpy().copy(), **options)) for one in sinograms]
    return torch.stack(found).reshape(y.shape).to(y)


def _median(y: Tensor, size: int) -> Tensor:
    """Over windows along the last axis, mirrored at its ends."""
    bins, half = y.shape[-1], size // 2
    places = torch.arange(-half, bins + half, device=y.device).remainder(2 * bins)
    places = torch.where(places < bins, places, 2 * bins - 1 - places)
    rows = y.flatten(0, -2)
    slab = max(1, _SLAB // (bins * size))
    found = [part[:, places].unfold(-1, size, 1).median(-1).values for part in rows.split(slab)]
    return torch.cat(found).reshape(y.shape)
