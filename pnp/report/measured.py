"""What is measured of data and answer when a solve has ended: numbers that findings are made of."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column, dot

from ..likelihood import Gaussian
from ..noise_level.details import fine_detail
from ..noise_level.estimate import estimate_noise
from ..problem import Problem
from .exact_values import dead_lines, missing, repeated

__all__ = ["Measured", "correlations", "holds_noise", "measure", "misfit", "unseen_scales"]

_AT_ONCE = 2**18  # values: volumes of data go in parts
_FITTED, _LEFT = 0.4, 0.5
_UNSEEN, _FAINT = 0.02, 0.3
_SOURCES = (1 / 14, 1 / 10, 1 / 7, 1 / 5)  # deviations of round sources, of the image's side
_FWHM = 2.355  # of a Gaussian, over its deviation
_FINEST = 2.0  # pixels
_QUANTILE = 0.1
_RAYLEIGH = math.sqrt(-2 * math.log(1 - _QUANTILE))


class Measured(NamedTuple):
    """Numbers of one solve, the worst sample's where there are several.

    Attributes:
        ratio: root mean square of A x - y over the noise level, each sample's.
        least: of a ratio that noise allows: the answer may fit as much of the noise as the image has unknowns.
        estimate: noise level by :func:`pnp.estimate_noise` over the one that was given; NaN where it was not made.
        correlation: of neighbouring residuals along each axis of the data.
        repeats: how many data are at their largest or lowest value, exactly.
        dead: lines of the data that are constant among others that are not, as "number 3 of 64 along axis -1".
        holes: share of data that are exactly zero where something was measured.
        residual: (A x - y) over the noise level, of the first sample.
    """

    ratio: list[float]
    least: float
    estimate: float
    correlation: list[float]
    repeats: int
    dead: str
    holes: float
    residual: Tensor


@torch.no_grad()
def misfit(problem: Problem, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Root mean square of A x - y where something was measured, per real component, (B,); the difference, (B, ...);
    what was measured."""
    likelihood, y = problem.fit.likelihood, problem.fit.likelihood.as_data(problem.fit.y)
    fit = likelihood.op.A(x)
    known = likelihood.op.measured
    taken = (fit != 0) | (y != 0) if known is None else known.expand(len(y), *y.shape[1:])
    rest = fit - y
    del fit
    rest = likelihood.counted(rest.masked_fill_(~taken, 0), taken)
    count = taken.flatten(1).sum(1).clamp_min(1) * (2 if rest.is_complex() else 1)
    parts = rest.flatten(1).split(_AT_ONCE, 1)
    size = torch.stack([part.abs().amax(1) for part in parts]).amax(0).clamp_min(torch.finfo(rest.real.dtype).tiny)
    units = (part / column(size, part) for part in parts)
    return size * (torch.stack([dot(unit, unit) for unit in units]).sum(0) / count).sqrt(), rest, taken


@torch.no_grad()
def measure(problem: Problem, ratio: Tensor, rest: Tensor, taken: Tensor, *, given: bool) -> Measured:
    """The numbers of an answer with the misfit ``ratio`` times the noise, (B,), and the residual ``rest``, which is
    scaled in place.

    ``given``: the noise level is the user's, so that an estimate says something.
    """
    likelihood, facts = problem.fit.likelihood, problem.fit
    y = likelihood.as_data(facts.y).detach()
    noise = likelihood.noise_std if isinstance(likelihood, Gaussian) else None
    values = torch.nan_to_num(ratio, nan=math.inf, posinf=math.inf).tolist()
    usable = noise is not None and bool((torch.as_tensor(noise, device=y.device) > 0).all())
    estimate = (
        _estimate(likelihood.op, y, torch.as_tensor(noise, device=y.device), max(values))
        if given and usable
        else math.nan
    )
    parts = 2 if y.is_complex() else 1
    unknowns = facts.back[0].numel() * (2 if facts.back.is_complex() else 1)
    count = max(int(taken[0].sum()), 1) * parts
    tiny = torch.finfo(rest.real.dtype).tiny
    scale = torch.as_tensor(noise, device=y.device).expand(len(rest)) if usable else rest.abs().flatten(1).amax(1)
    scaled = rest.div_(column(scale.clamp_min(tiny), rest))
    known = likelihood.op.measured
    return Measured(
        values, math.sqrt(max(0.0, 1 - unknowns / count)), estimate, correlations(scaled, taken), repeated(y, known),
        dead_lines(y, taken) if usable or noise is None else "", missing(y, known),
        scaled if len(scaled) == 1 else scaled[:1].clone(),
    )  # fmt: skip


def _estimate(op: Any, y: Tensor, noise: Tensor, ratio: float) -> float:
    """Estimated over given noise level, farthest from one of all samples; quick where a quick estimate says enough.

    All estimates err on the high side: a low one is sure by itself, a high one is made better.
    """
    if y.ndim not in (3, 4, 5) or min(y.shape[-2:] if y.ndim > 3 else y.shape[-1:]) < 16:
        return math.nan
    noise = noise.expand(len(y)).to(y.real)
    if y.is_complex():
        quick = torch.stack([_lowest(v) for v in y]) / noise
        enough = float(quick.min()) >= 0.7 and float(quick.max()) <= 3
        if not enough and 0.5 <= ratio <= 1.5 and float(quick.min()) >= 0.5:
            return math.nan  # a better one costs as much as iterations, and nothing asks for it
    elif y.ndim > 3:
        flat = y.flatten(1, -3)
        taken = torch.ones_like(flat[:1], dtype=torch.bool) if op.measured is None else (
            op.measured.expand(-1, *y.shape[1:]).flatten(1, -3)
        )  # fmt: skip
        quick = fine_detail(flat, taken) / noise
        enough = float(quick.min()) >= 0.7 and float(quick.max()) <= 3
    else:
        return math.nan
    if not enough:
        try:
            quick = estimate_noise(op, y)[0] / noise
        except (ValueError, TypeError):  # images of another kind, or not a linear operator
            return math.nan
    quick = quick[torch.isfinite(quick) & (quick > 0)]
    return float(quick[quick.log().abs().argmax()]) if len(quick) else math.nan


def _lowest(v: Tensor) -> Tensor:
    """Noise of complex data whose lowest magnitudes hold nothing else."""
    sizes = v[v != 0].abs()
    if len(sizes) < 100:
        return v.real.new_full((), math.inf)
    return sizes.kthvalue(max(int(_QUANTILE * len(sizes)), 1)).values / _RAYLEIGH


def correlations(rest: Tensor, taken: Tensor) -> list[float]:
    """Correlation of neighbours along each axis but those of samples and channels, the largest of all samples; zero for
    white noise."""
    found = []
    for axis in range(2, rest.ndim):
        n = rest.shape[axis]
        if n < 8:
            found.append(0.0)
            continue
        sums = rest.new_zeros(2, len(rest), dtype=rest.real.dtype)
        for one, known in _in_parts(rest, taken.expand_as(rest), axis):
            a, b = one.narrow(axis, 0, n - 1), one.narrow(axis, 1, n - 1)
            pair = known.narrow(axis, 0, n - 1) & known.narrow(axis, 1, n - 1)
            sums[0] += torch.where(pair, (a.abs().square() + b.abs().square()) / 2, 0).flatten(1).sum(1)
            sums[1] += torch.where(pair, (a * b.conj()).real, 0).flatten(1).sum(1)
        found.append(float(torch.nan_to_num(sums[1] / sums[0].clamp_min(1e-300)).max()))
    return found


def _in_parts(rest: Tensor, taken: Tensor, axis: int) -> Iterator[tuple[Tensor, ...]]:
    """Both cut along the longest other axis, so that volumes of data are not copied as a whole."""
    others = [k for k in range(1, rest.ndim) if k != axis]
    across = max(others, key=lambda k: rest.shape[k])
    size = max(1, _AT_ONCE * rest.shape[across] // max(1, rest[0].numel()))
    return zip(rest.split(size, across), taken.split(size, across))


@torch.no_grad()
def holds_noise(problem: Problem, x: Tensor, image_noise: Tensor, misfit: float, strength: float) -> str:
    """Says that the noise is in an answer ``x`` of a low strength: that its ``misfit`` is small beside the noise, or
    that the denoiser, at the level that noise has in the image, (B,), still takes much of that away. Not tried where
    the strength is above one half."""
    if strength > 0.5 or not bool(torch.isfinite(x).all()):
        return ""
    masked = problem.fit.op.measured is not None  # what a mask keeps, healthy answers fit as well
    if misfit < _FITTED and not masked:
        return (
            f"the noise is in the answer: its misfit is {misfit:.2g} times the noise level; raise strength, which is "
            f"{strength:.3g}"
        )
    away = (problem.prior(x, image_noise) - x) / column(image_noise, x)
    share = float((dot(away, away) / (x[0].numel() * (2 if x.is_complex() else 1))).max().sqrt())
    if not share > (_FITTED if strength <= 0.2 else _LEFT) * (1.5 if masked else 1):
        return ""
    return (
        f"the noise is in the answer: at the level of the noise the denoiser takes {share:.2g} of it away still; raise "
        f"strength, which is {strength:.3g}"
    )


@torch.no_grad()
def unseen_scales(op: Any, gain: Tensor, image: Tensor) -> str:
    r"""Says which structures leave next to nothing in the data: wider than so many pixels, or finer.

    Tried on noise in octaves of wavelengths: its data have less than 2 % of what white noise of the same energy has,
    :math:`\|A b\|^2 < 0.02\, g \|b\|^2`, g the mean diagonal of A* A; and on round sources, whose data have less than
    30 %: what an interferometer without short baselines, or a gradient, loses first.
    """
    octaves = int(math.log2(max(image.shape[-2:]) / _FINEST))
    if octaves < 3 or image.ndim < 4:
        return ""

    def unseen(k: int) -> bool:
        return _is_unseen(op, gain, _octave(image, k, octaves).expand_as(image), _UNSEEN)

    wide = next((i for i in range(octaves) if not unseen(i)), octaves)
    if wide == octaves:
        return ""
    fine = next(i for i in range(octaves) if not unseen(octaves - 1 - i))
    told = []
    side = min(image.shape[-2:])
    sources = [] if wide else [side * share for share in _SOURCES]
    faint = next((w for w in sources if _is_unseen(op, gain, _source(image, w), _FAINT)), 0.0)
    if wide or faint:
        told.append(f"wider than {_FINEST * 2 ** (octaves - wide) if wide else _FWHM * faint:.0f} pixels")
    if fine:
        told.append(f"finer than {_FINEST * 2**fine:.0f} pixels")
    return f"structures {' and '.join(told)} are not in the data: they are the denoiser's" if told else ""


def _is_unseen(op: Any, gain: Tensor, image: Tensor, share: float) -> bool:
    data = op.A(image)
    return bool((dot(data, data) < share * gain * dot(image, image)).any())


def _source(image: Tensor, width: float) -> Tensor:
    """A Gaussian source of a standard deviation in the middle of images of the same kind."""
    places = (torch.arange(n, dtype=torch.float64, device=image.device) - n // 2 for n in image.shape[-2:])
    rows, columns = (torch.exp(-(place**2) / (2 * width**2)).to(image.dtype) for place in places)
    return (rows[:, None] * columns).expand_as(image)


def _octave(image: Tensor, k: int, octaves: int) -> Tensor:
    """Noise (1, C, H, W) of the k-th octave of wavelengths, coarsest first; in volumes the same in all slices, each
    with a random factor, so that the noise is white through them."""
    if image.ndim == 5:
        generator = torch.Generator().manual_seed(k)
        depth = torch.randn(image.shape[2], 1, 1, generator=generator, dtype=image.real.dtype, device="cpu")
        return _octave(image[:, :, 0], k, octaves)[:, :, None] * depth.to(image.device)
    height, width = image.shape[-2:]
    options: dict[str, Any] = {"dtype": torch.float64, "device": image.device}
    frequency = torch.hypot(torch.fft.fftfreq(height, **options)[:, None], torch.fft.rfftfreq(width, **options))
    frequency = frequency * _FINEST * 2.0 ** (octaves - k)
    noise = torch.randn(image[:1].shape, generator=torch.Generator().manual_seed(k), dtype=torch.float64, device="cpu")
    band = torch.fft.rfft2(noise.to(image.device, image.real.dtype)) * ((frequency > 1) & (frequency <= 2))
    rows, columns = (torch.hann_window(n, **options).to(image.real.dtype) for n in (height, width))
    octave = torch.fft.irfft2(band, s=(height, width)) * (rows[:, None] * columns)  # borders hold every frequency
    return octave.to(image.dtype)
