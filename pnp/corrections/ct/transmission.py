"""Line integrals from counts: flat field, dark field, minus the logarithm; counts that say nothing."""

import math
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["LineIntegrals", "transmission"]

_FEW = 0.01  # share of unusable values that needs no warning


class LineIntegrals(NamedTuple):
    """Line integrals and how sure they are, all of the shape of the counts.

    Attributes:
        y: finite everywhere: what lies between their neighbours along the detector, where counts say nothing.
        noise_std: of each value, infinite where counts say nothing; ``None``: they have no noise to tell it from.
        unusable: where that is.
        gain: counts per quantum: the variance of a count over its mean; ``None`` as ``noise_std``.
    """

    y: Tensor
    noise_std: Tensor | None
    unusable: Tensor
    gain: float | None

    def said(self) -> str:
        """In words, for a provenance."""
        noise = "no noise found" if self.gain is None else f"{self.gain:.3g} counts per quantum"
        lost = f"{int(self.unusable.sum())} of {self.unusable.numel()} values unusable, interpolated"
        return f"flat and dark field, -log; {noise}; {lost}"


def transmission(
    counts: Tensor, white: Tensor, dark: Tensor | None = None, *, white_at: Any = None, gain: float | None = None
) -> LineIntegrals:
    r"""Line integrals through an object from counts with it, without it (``white``) and without beam (``dark``),

    .. math:: y = -\log \frac{I - D}{W - D}, \qquad \sigma_y = \frac{\sqrt{g\,(I - D)}}{I - D}

    for counts of variance g (I - D). Zero and negative transmissions, and pixels whose flat field is no brighter than
    the dark one, have no logarithm: they are filled from their neighbours along the detector, for backprojection, and
    have infinite ``noise_std``, which solvers leave out.

    Args:
        counts: I, (views, ..., detectors), of any unit.
        white: W, one flat field (..., detectors) or several (flats, ..., detectors), of the same unit.
        dark: D, the same without beam, whose mean is taken; ``None``: zero.
        white_at: at which view each flat field was taken, (flats,): the beam drifts, and between flats it is
            interpolated linearly. ``None``: the mean of all flats holds for all views.
        gain: g; default: from the finest detail along detector and views, which is noise; it errs on the high side.

    Raises:
        TypeError, ValueError: an argument does not fit, or hardly any value can be used; the message names it.

    Kak, Slaney 1988, doi:10.1137/1.9780898719277 (section 4.1).

    >>> counts = torch.full((30, 5), 60.0)
    >>> counts[0, 2:4] = torch.tensor([5.0, 35.0])  # one is below the dark field
    >>> found = transmission(counts, torch.full((5,), 110.0), torch.full((5,), 10.0), gain=1.0)
    >>> found.y[0], found.noise_std[0].isinf().sum()
    (tensor([0.6931, 0.6931, 1.0397, 1.3863, 0.6931]), tensor(1))
    """
    for name, value in (("counts", counts), ("white", white), ("dark", dark)):
        if value is not None and (not isinstance(value, Tensor) or value.is_complex()):
            raise TypeError(f"{name}: expected a real tensor, got {value!r:.40}")
    kind = counts.dtype if counts.dtype.is_floating_point else torch.float32
    white = _several("white", white, counts)
    mean_dark = torch.zeros_like(white[0]) if dark is None else _several("dark", dark, counts).mean(0)
    beam = _beam(white - mean_dark, white_at, len(counts))
    signal = counts.double() - mean_dark
    share = signal / beam
    usable = (beam > 0) & (share > 0) & torch.isfinite(share)
    lost = 1 - float(usable.double().mean())
    if lost > 0.5:
        raise ValueError(
            f"counts: {lost:.0%} have no logarithm: zero, below the dark field, or without a flat field; are counts, "
            "white and dark what they are said to be?"
        )
    if lost > _FEW:
        warnings.warn(
            f"transmission: {lost:.1%} of the counts are zero, below the dark field or without a flat field; they are "
            "filled from their neighbours, with infinite noise_std",
            stacklevel=2,
        )
    if gain is None:
        gain = _gain(torch.where(usable, share, torch.nan), beam)
    elif not 0 < gain < math.inf:
        raise ValueError(f"gain: expected a positive number, got {gain}")
    y = _filled(-torch.where(usable, share, 1).log(), usable)
    std = None
    if gain is not None:
        std = torch.where(usable, (gain / torch.where(usable, signal, 1)).sqrt(), math.inf).to(kind)
    return LineIntegrals(y.to(kind), std, ~usable, gain)


def _several(name: str, fields: Tensor, counts: Tensor) -> Tensor:
    """Fields (n, ..., detectors) in double precision."""
    if fields.ndim == counts.ndim - 1:
        fields = fields[None]
    if fields.shape[1:] != counts.shape[1:] or not len(fields):
        raise ValueError(f"{name}: expected (n, {', '.join(map(str, counts.shape[1:]))}), got {tuple(fields.shape)}")
    if not bool(torch.isfinite(fields).all()):
        raise ValueError(f"{name}: values are not finite")
    return fields.double()


def _beam(fields: Tensor, at: Any, views: int) -> Tensor:
    """What comes without an object, for each view or for all."""
    if at is None:
        return fields.mean(0, keepdim=True)
    at = torch.as_tensor(at, dtype=torch.float64).to(fields.device)
    if at.shape != (len(fields),) or not bool(torch.isfinite(at).all()):
        raise ValueError(f"white_at: expected a view for each of {len(fields)} flat fields, got {tuple(at.shape)}")
    places, which = at.unique(return_inverse=True)
    means = torch.stack([fields[which == i].mean(0) for i in range(len(places))])
    if len(places) == 1:
        return means
    view = torch.arange(views, dtype=torch.float64, device=fields.device).clamp(float(places[0]), float(places[-1]))
    after = torch.searchsorted(places, view).clamp(1, len(places) - 1)
    share = ((view - places[after - 1]) / (places[after] - places[after - 1])).reshape(-1, *[1] * (means.ndim - 1))
    return (1 - share) * means[after - 1] + share * means[after]


def _gain(share: Tensor, beam: Tensor) -> float | None:
    """Variance over mean of a count, from second differences of transmissions along detector and views: of their
    squares, in units of what one count per quantum would give, the median, which is 0.455 of the mean. Where
    neighbouring views have little in common, along the detector alone: both err on the high side."""
    expected, found = share / beam, []
    for bins, views in ((3, 0), (2, 2)):
        if len(share) > views and share.shape[-1] > bins:
            squares = share.diff(n=bins, dim=-1).diff(n=views, dim=0).square() / math.comb(2 * bins, bins)
            usual = expected[views // 2 : len(expected) - views // 2, ..., 1 : 1 + squares.shape[-1]]
            found.append(float((squares / math.comb(2 * views, views) / usual).nanmedian()) / 0.4549)
    return next((g for g in sorted(found) if 0 < g < math.inf), None)


def _filled(y: Tensor, known: Tensor) -> Tensor:
    """Unknown values between their neighbours along the last axis; zero in rows that have none."""
    if bool(known.all()):
        return y
    places = torch.arange(y.shape[-1], device=y.device).expand_as(y)
    before = torch.where(known, places, -1).cummax(-1).values
    after = torch.where(known, places, y.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    none = (before < 0) & (after >= y.shape[-1])
    low, high = torch.where(before < 0, after, before), torch.where(after >= y.shape[-1], before, after)
    low, high = low.clamp(0, y.shape[-1] - 1), high.clamp(0, y.shape[-1] - 1)
    share = torch.where(high > low, (places - low).double() / (high - low).clamp_min(1), 0)
    between = (1 - share) * y.gather(-1, low) + share * y.gather(-1, high)
    return torch.where(known, y, torch.where(none, 0, between))
