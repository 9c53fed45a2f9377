"""Filtered backprojection: filters, what each angle counts, what stands for bins that the detector lacks."""

import math
import warnings

import torch
from torch import Tensor

__all__ = ["angle_weights", "continued", "filter_sinogram", "one_sided", "warn_of_cut", "warn_of_wedge"]


def filter_sinogram(y: Tensor, spacing: float, name: str = "ram-lak") -> Tensor:
    r"""Sinogram (..., detectors), each row convolved with the ramp filter, :math:`|\omega| / 2 \pi` times a window.

    The ramp is the band-limited one in space, sampled, so a constant keeps its value; rows are padded to twice their
    length. Windows: ``"ram-lak"`` 1, ``"shepp-logan"`` sinc, ``"cosine"``, ``"hamming"``, ``"hann"``.

    Raises:
        ValueError: the filter's name is unknown.

    Kak, Slaney 1988, doi:10.1137/1.9780898719277, (61) of chapter 3.
    """
    length = 2 ** math.ceil(math.log2(2 * y.shape[-1]))
    return torch.fft.irfft(torch.fft.rfft(y, n=length) * _response(length, name).to(y) / spacing, n=length)[
        ..., : y.shape[-1]
    ]


def _response(length: int, name: str) -> Tensor:
    n = torch.arange(length, dtype=torch.float64, device="cpu")
    n = torch.minimum(n, length - n)
    ramp = torch.where(n % 2 == 1, -1 / (math.pi * n.clamp_min(1)) ** 2, torch.zeros_like(n))
    ramp[0] = 0.25
    f = torch.arange(length // 2 + 1, dtype=torch.float64, device="cpu") / length  # cycles per bin
    windows = {
        "ram-lak": torch.ones_like(f),
        "shepp-logan": torch.sinc(f),
        "cosine": torch.cos(math.pi * f),
        "hamming": 0.54 + 0.46 * torch.cos(2 * math.pi * f),
        "hann": 0.5 + 0.5 * torch.cos(2 * math.pi * f),
    }
    if name not in windows:
        raise ValueError(f"filter: expected one of {', '.join(windows)}, got {name!r}")
    return torch.fft.rfft(ramp).real * windows[name]


def angle_weights(angles: Tensor, turn: float = math.pi) -> Tensor:
    """Share of the half circle that each angle stands for: half the way to both neighbours, modulo pi. With ``turn``
    2 pi its share of the full circle: what it counts for lines that are seen from one side only.

    The shares add up to the circle. A missing wedge alone, a gap five times as wide as most of the others, counts as
    these do, so that its borders are not made heavier than the rest of a limited-angle scan.

    >>> angle_weights(torch.tensor([0.0, 1.0, 2.0]) * torch.pi / 3).mul(3 / torch.pi)
    tensor([1.0000, 1.0000, 1.0000], dtype=torch.float64)
    """
    same = 1e-5  # closer angles are one: half a turn apart, in single precision
    turned = torch.remainder(angles.double() + same, turn)
    ordered, order = turned.sort()
    group = (ordered.diff(prepend=ordered[:1]) > same).cumsum(0)
    which = torch.empty_like(group)
    which[order] = group
    counts = group.bincount()
    places = ordered.new_zeros(len(counts)).index_add_(0, group, ordered) / counts
    gaps = (places.roll(-1) - places) % turn
    if len(places) == 1:
        return torch.full_like(turned, math.pi / len(turned))
    usual = _usual(gaps)
    gaps = torch.where(gaps > 5 * usual, usual, gaps)
    return ((gaps + gaps.roll(1)) / 2 / counts)[which]


def _usual(gaps: Tensor) -> Tensor:
    """Four fifths of the gaps are no wider: not their median, since opposite views that fall between each other make
    every other gap small."""
    return gaps.quantile(0.8, interpolation="higher")


def one_sided(s: Tensor, low: float, high: float) -> Tensor:
    r"""How much more than its opposite ray, at -s, the ray at s counts on a detector from ``low`` to ``high``: odd in
    s, 1 where the detector lacks the opposite ray, so that the weights, one and this, have the mean one; 0 for a
    detector in the middle.

    .. math:: \pm\sin\frac{\pi s}{2\, o}, \qquad o = \min(-\mathrm{low}, \mathrm{high})

    Wang 2002, doi:10.1118/1.1489043.

    >>> one_sided(torch.tensor([-1.0, 0.0, 1.0, 2.0]), -1.0, 3.0).tolist()
    [-1.0, 0.0, 1.0, 1.0]
    """
    if high == -low:
        return torch.zeros_like(s)
    side, overlap = (1, -low) if high > -low else (-1, high)
    return side * torch.sin(math.pi / 2 * (s / max(overlap, 1e-9 * (high - low))).clamp(-1, 1))


def continued(y: Tensor, s: Tensor, known: slice, radius: float) -> Tensor:
    """Sinogram (..., bins) at ``s`` whose bins beyond ``known`` continue the outermost ones, falling as a squared
    cosine to zero at ``radius``.

    Ohnesorge, Flohr, Schwarz, Heiken, Bae 2000, doi:10.1118/1.598855 continue truncated sinograms alike.
    """
    y, few = y.clone(), max(1, (known.stop - known.start) // 100)
    for beyond, edge, side in (
        (slice(0, known.start), slice(known.start, known.start + few), -1),
        (slice(known.stop, len(s)), slice(known.stop - few, known.stop), 1),
    ):
        border = side * float(s[edge].mean())
        falls = ((side * s[beyond] - border) / max(radius - border, radius / 8)).clamp(0, 1)
        y[..., beyond] = y[..., edge].mean(-1, keepdim=True) * torch.cos(math.pi / 2 * falls).square().to(y)
    return y


def warn_of_cut(y: Tensor, known: slice) -> None:
    """Warn where a weighted, continued sinogram (B, ..., bins) does not end within its ``known`` bins: where the bins
    next to them hold more than 2 % of its mean."""
    y = y.detach().flatten(1, -2)  # (B, rays, bins)
    beside = [j for j in (known.start - 1, known.stop) if 0 <= j < y.shape[-1]]
    if not beside:
        return
    cut, whole = y[..., beside].mean(1).abs().amax(1), y[..., known].abs().mean((1, 2))
    share = cut / whole.clamp_min(torch.finfo(y.dtype).tiny)
    if bool((share > 0.02).any()):
        warnings.warn(
            f"fbp: the detector cuts the object off, where it ends it sees {float(share.max()):.0%} of its mean; the "
            "sinogram was continued there, values near the border of the field of view are uncertain",
            stacklevel=3,
        )


def warn_of_wedge(angles: Tensor) -> None:
    """Warn of a scan over less than half a turn: of a gap of more than 20 degrees, three times as wide as most."""
    places = torch.remainder(angles.detach().double().cpu(), math.pi).sort().values
    gaps = torch.cat((places.diff(), places[:1] + math.pi - places[-1:]))
    widest, usual = float(gaps.max()), float(_usual(gaps))
    if widest > max(math.radians(20), 3 * usual):
        start = math.degrees(float(places[int(gaps.argmax())]))
        warnings.warn(
            f"fbp: no angles between {start:.0f} and {start + math.degrees(widest):.0f} degrees, a limited-angle scan: "
            "edges along those rays are missing or smeared; a solver with a prior or TV fills in what fits the data",
            stacklevel=3,
        )
