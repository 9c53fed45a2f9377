"""What is measured of data and answer when a solve has ended: numbers that findings are made of."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.linalg import column, dot

from .likelihood import Gaussian
from .noise_level.details import fine_detail
from .noise_level.estimate import estimate_noise
from .problem import Problem

__all__ = ["Measured", "correlations", "fits_noise", "measure", "misfit", "repeated", "unseen_scales"]

_FITTED = 0.4
_UNSEEN = 0.02
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
        holes: share of data that are exactly zero where something was measured.
        residual: (A x - y) over the noise level, of the first sample.
    """

    ratio: list[float]
    least: float
    estimate: float
    correlation: list[float]
    repeats: int
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
    rest = torch.where(taken, fit - y, 0)
    count = taken.flatten(1).sum(1).clamp_min(1) * (2 if rest.is_complex() else 1)
    parts = rest.flatten(1).split(2**18, 1)  # of volumes: no more copies of all data
    size = torch.stack([part.abs().amax(1) for part in parts]).amax(0).clamp_min(torch.finfo(rest.real.dtype).tiny)
    units = (part / column(size, part) for part in parts)
    return size * (torch.stack([dot(unit, unit) for unit in units]).sum(0) / count).sqrt(), rest, taken


@torch.no_grad()
def measure(problem: Problem, ratio: Tensor, rest: Tensor, taken: Tensor, *, given: bool) -> Measured:
    """The numbers of an answer with the misfit ``ratio`` times the noise, (B,), and the residual ``rest``.

    ``given``: the noise level is the user's, so that an estimate says something.
    """
    likelihood, facts = problem.fit.likelihood, problem.fit
    y = likelihood.as_data(facts.y).detach()
    noise = likelihood.noise_std if isinstance(likelihood, Gaussian) else None
    values = torch.nan_to_num(ratio, nan=math.inf, posinf=math.inf).tolist()
    usable = noise is not None and bool((torch.as_tensor(noise) > 0).all())
    estimate = _estimate(likelihood.op, y, torch.as_tensor(noise), max(values)) if given and usable else math.nan
    parts = 2 if y.is_complex() else 1
    unknowns = facts.back[0].numel() * (2 if facts.back.is_complex() else 1)
    count = max(int(taken[0].sum()), 1) * parts
    tiny = torch.finfo(rest.real.dtype).tiny
    scale = torch.as_tensor(noise).expand(len(rest)) if usable else rest.abs().flatten(1).amax(1)
    scaled = (rest / column(scale.clamp_min(tiny), rest)).detach()
    known = likelihood.op.measured
    holes = 0.0 if known is None else float((y == 0)[known.expand_as(y)].double().mean())
    return Measured(
        values, math.sqrt(max(0.0, 1 - unknowns / count)), estimate, correlations(scaled, taken), repeated(y), holes,
        scaled[:1].clone(),
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
        except (ValueError, AttributeError):  # images of another kind, or not a linear operator
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
        a, b = rest.narrow(axis, 0, n - 1), rest.narrow(axis, 1, n - 1)
        pair = taken.narrow(axis, 0, n - 1) & taken.narrow(axis, 1, n - 1)
        size = torch.where(pair, (a.abs().square() + b.abs().square()) / 2, 0).flatten(1).sum(1)
        share = (torch.where(pair, (a * b.conj()).real, 0)).flatten(1).sum(1) / size.clamp_min(1e-300)
        found.append(float(torch.nan_to_num(share).max()))
    return found


def repeated(y: Tensor) -> int:
    """How many values of the first sample that has some are exactly at their largest, or lowest, as often as chance
    does not make them; of data in steps, more than ten times as often as at the next step."""
    for one in y:
        values = torch.view_as_real(one).flatten() if one.is_complex() else one.flatten()
        values = values[values != 0]
        if len(values) < 64:
            continue
        for v in (values, -values):
            top = v.amax()
            count = int((v == top).sum())
            if count < 4:
                continue
            below = v[v < top]
            if len(below) and count > 10 * int((below == below.amax()).sum()) / 2:
                return count
    return 0


def fits_noise(ratio: float, strength: float) -> str:
    """Says that the noise is in the answer, whose misfit is ``ratio`` times the noise, since the strength is low.

    Not told at the default strength: of a mask that keeps little, healthy answers come as close to what is kept.

    >>> fits_noise(0.2, 0.1)
    'the noise is in the answer: its misfit is 0.2 times the noise level; raise strength, which is 0.1'
    """
    if strength > 0.5 or not 0 <= ratio < _FITTED:
        return ""
    return (
        f"the noise is in the answer: its misfit is {ratio:.2g} times the noise level; raise strength, which is "
        f"{strength:.3g}"
    )


@torch.no_grad()
def unseen_scales(op: Any, gain: Tensor, image: Tensor) -> str:
    r"""Says which structures leave next to nothing in the data: wider than so many pixels, or finer.

    Tried on noise in octaves of wavelengths: its data have less than 2 % of what white noise of the same energy has,
    :math:`\|A b\|^2 < 0.02\, g \|b\|^2`, g the mean diagonal of A* A.
    """
    octaves = int(math.log2(max(image.shape[-2:]) / _FINEST))
    if octaves < 3 or image.ndim < 4:
        return ""

    def unseen(k: int) -> bool:
        one = _octave(image, k, octaves)
        data = op.A(one.expand_as(image))
        return bool((dot(data, data) < _UNSEEN * gain * dot(one, one)).any())

    wide = next((i for i in range(octaves) if not unseen(i)), octaves)
    if wide == octaves:
        return ""
    fine = next(i for i in range(octaves) if not unseen(octaves - 1 - i))
    told = []
    if wide:
        told.append(f"wider than {_FINEST * 2 ** (octaves - wide):.0f} pixels")
    if fine:
        told.append(f"finer than {_FINEST * 2**fine:.0f} pixels")
    return f"structures {' and '.join(told)} are not in the data: they are the denoiser's" if told else ""


def _octave(image: Tensor, k: int, octaves: int) -> Tensor:
    """Noise (1, C, H, W) of the k-th octave of wavelengths, coarsest first; in volumes the same in all slices, each
    with a random factor, so that the noise is white through them."""
    if image.ndim == 5:
        depth = torch.randn(image.shape[2], 1, 1, generator=torch.Generator().manual_seed(k), dtype=image.real.dtype)
        return _octave(image[:, :, 0], k, octaves)[:, :, None] * depth.to(image.device)
    rows, columns = (torch.fft.fftfreq(n, dtype=torch.float64, device=image.device) for n in image.shape[-2:])
    frequency = torch.hypot(rows[:, None], columns) * _FINEST * 2.0 ** (octaves - k)
    noise = torch.randn(image[:1].shape, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    band = torch.fft.fft2(noise.to(image.device)) * ((frequency > 1) & (frequency <= 2))
    rows, columns = (torch.hann_window(n, dtype=torch.float64, device=image.device) for n in image.shape[-2:])
    return (torch.fft.ifft2(band).real * rows[:, None] * columns).to(image.dtype)  # borders hold every frequency
