"""What losses of data alone take for granted, looked at in the data and the operator before a training."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from operators.base import LinearOperator
from operators.doubts import Doubt
from operators.image.mask import Identity
from operators.linalg import dot

from ...arguments import check_values
from ...likelihood import Gaussian, Likelihood, Poisson, as_likelihood
from ...noise_level import estimate_noise
from ...streams import normal
from .measured import MeasuredLoss, check_loss, measured_op, seen
from .moves import draw_move

__all__ = ["doubts_of", "neighbour_correlation", "useless_moves"]

_LEVEL = 1.35  # ratio of noise levels from which one of them is wrong
_COLOUR = 0.1  # difference of the correlation of neighbours from which noise is not white
_BLOCK = 8  # pixels
_FEW = 5  # counts: the root of fewer has another scatter
_SMOOTH = 0.25  # share of the blocks that are taken, the smoothest


def doubts_of(loss: MeasuredLoss, y: Tensor, likelihood: Any) -> tuple[Doubt, ...]:
    """What ``loss`` assumes and data y (B, ...) or their operator do not show: a noise level that is not the data's,
    noise that neighbours share, counts that are none or scatter otherwise, moves that the operator is equivariant to.

    >>> from operators import Identity
    >>> from pnp.train.losses import SURE
    >>> y = 0.1 * normal(torch.zeros(1, 1, 64, 64), 0, 0)
    >>> [d.cause for d in doubts_of(SURE(), y, Gaussian(Identity((64, 64)), 0.3))]
    ['noise level']

    Raises:
        TypeError: ``loss`` is none of data alone. ValueError: y holds NaN, or does not fit the likelihood or operator.
    """
    found: list[Doubt] = []
    check_loss(loss)
    check_values("y", y)
    likelihood = as_likelihood(likelihood)
    likelihood.check(y)
    op = measured_op(likelihood)
    colour = _colour(y, likelihood) if "white" in loss.assumes and not isinstance(likelihood, Poisson) else []
    if isinstance(likelihood, Poisson):
        found += _counts(y, likelihood) if {"level", "counts"} & {*loss.assumes} else []
    elif "level" in loss.assumes and isinstance(op, LinearOperator):
        found += _level(y, likelihood, loss.gain, alike=bool(colour))
    found += colour
    useless = useless_moves(op, loss.groups(likelihood)) if isinstance(op, LinearOperator) else []
    if useless:
        words = f"the operator sees no more of an image after {', '.join(useless)}: they teach nothing of what it loses"
        found.append(Doubt("moves", f"{words}; take others, or operators that differ from sample to sample"))
    return tuple(found)


def _level(y: Tensor, likelihood: Likelihood, gain: float | None, *, alike: bool) -> list[Doubt]:
    if type(likelihood) is not Gaussian or likelihood.noise_std is None:
        return []
    if gain is not None:
        return _scatter(y, likelihood, gain, likelihood.deviation(y), "noise_std, gain")
    data = likelihood.given(y)
    try:
        found, _ = estimate_noise(likelihood.op, data)  # pyright: ignore[reportArgumentType]
    except ValueError:  # too few data to tell
        return []
    ratio = float((found / torch.as_tensor(likelihood.noise_std, dtype=found.dtype)).median())
    if not math.isfinite(ratio) or 1 / _LEVEL <= ratio <= _LEVEL:
        return []
    words = f"noise_std: the data look like noise of {ratio:.2g} times the level that is given"
    more = "the loss will reward keeping noise" if ratio > 1 else "the loss will reward smoothing the image away"
    if alike and ratio < 1:
        more += ", or neighbours share noise of that level"
    return [Doubt("noise level", f"{words}; {more}. UNSURE and Splitting need no level")]


def _counts(y: Tensor, likelihood: Poisson) -> list[Doubt]:
    counts = likelihood.photons * y
    if bool(((counts - counts.round()).abs() > 1e-3 * (1 + counts.abs()) ** 0.5).any()):
        words = "photons * y are no whole numbers: photons is not the gain of these data, or they were processed"
        return [Doubt("noise level", words)]
    return _scatter(y, likelihood, 1 / likelihood.photons, torch.zeros((), dtype=y.dtype, device="cpu"), "photons")


def _scatter(y: Tensor, likelihood: Likelihood, gain: float, std: Any, name: str) -> list[Doubt]:
    """Noise of variance ``std² + gain y`` in images and sinograms, by a root that makes it one (Anscombe's)."""
    known = seen(likelihood, y)
    if y.ndim != 4 or y.is_complex() or float((known * y).sum()) < _FEW * gain * float(known.sum()):
        return []
    std = torch.as_tensor(std).to(y)
    root = 2 / gain * (gain * y + 0.375 * gain**2 + std.square()).clamp_min(0).sqrt()
    try:
        found, _ = estimate_noise(Identity((y.shape[-2], y.shape[-1]), channels=y.shape[1]), known * root)
    except ValueError:  # too few data to tell
        return []
    ratio = float(found.median())
    if not math.isfinite(ratio) or 1 / _LEVEL <= ratio <= _LEVEL:
        return []
    words = f"{name}: the data scatter {ratio:.2g} times as much as such counts"
    more = "the loss will reward keeping noise" if ratio > 1 else "the loss will reward smoothing the image away"
    return [Doubt("noise level", f"{words}; {more}. Splitting needs no level")]


def _colour(y: Tensor, likelihood: Likelihood) -> list[Doubt]:
    if y.ndim < 4 or min(y.shape[-2:]) < 3 * _BLOCK:
        return []
    level = likelihood.noise_std if type(likelihood) is Gaussian else None
    data, known = likelihood.given(y), seen(likelihood, y)
    worst, where = 0.0, ""
    for axis, name in ((-1, "columns"), (-2, "rows")):
        found, energy = neighbour_correlation(data, known, axis)
        expected, unit = neighbour_correlation(normal(data, 0, 0), known, axis)
        noise = None if level is None else float(torch.as_tensor(level).double().square().mean())
        least = 3 * _COLOUR if noise is None else _COLOUR  # details of an image look like noise of neighbours
        if noise is not None and energy / unit > 2.5 * noise:
            continue
        if noise is not None and found > expected:  # what is there beside the noise may be details of the image
            least += (1 - expected) * max(0.0, 1 - unit * noise / energy)
        if abs(found - expected) > max(abs(worst), least):
            worst, where = found - expected, name
    if not where:
        return []
    words = f"noise of neighbouring {where} is {'alike' if worst > 0 else 'opposed'}, not independent"
    more = "Splitting between angles or exposures, and Noisier2Inverse, take correlated noise"
    return [Doubt("correlated noise", f"{words}: the loss takes it for the image; {more}")]


def neighbour_correlation(y: Tensor, known: Tensor, axis: int) -> tuple[float, float]:
    """Correlation of second differences of neighbours along ``axis``, in the smoothest blocks of data (B, C, H, W), and
    their mean square; -2/3 and 6 for white noise of deviation one, before the choice of blocks."""
    parts = torch.view_as_real(y.resolve_conj()).movedim(-1, 1).flatten(0, 1) if y.is_complex() else y
    known = known.repeat_interleave(2, 0) if y.is_complex() else known
    x, seen_at = parts.movedim(axis, -1), known.movedim(axis, -1)
    second = x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2]
    whole = (seen_at[..., 2:] * seen_at[..., 1:-1] * seen_at[..., :-2]).flatten(0, 1)[:, None]
    d = second.flatten(0, 1)[:, None]
    energy = F.avg_pool2d(d[..., 1:].square(), _BLOCK).flatten()
    product = F.avg_pool2d(d[..., 1:] * d[..., :-1], _BLOCK).flatten()
    complete = F.avg_pool2d(whole[..., 1:].to(d), _BLOCK).flatten() == 1
    energy, product = energy[complete & (energy > 0)], product[complete & (energy > 0)]
    if not len(energy):
        return 0.0, 1.0
    order = energy.argsort()[: max(1, int(_SMOOTH * len(energy)))]
    return float(product[order].sum() / energy[order].sum()), float(energy[order].mean())


def useless_moves(op: LinearOperator, kinds: Sequence[Any], *, draws: int = 3, seed: int = 0) -> list[str]:
    r"""Those ``kinds`` of moves T after which the operator loses the same of an image: what it does not see of a random
    image v, :math:`v_0 \approx (I - A^+ A) v`, it does not see of T v_0 either.

    >>> from operators import Blur, Inpainting, gaussian_kernel
    >>> useless_moves(Blur(gaussian_kernel(1.5), (16, 16)), ["shifts"])
    ['shifts']
    >>> useless_moves(Inpainting(torch.rand(16, 16) < 0.5), ["shifts"])
    []
    """
    if not kinds:
        return []
    like = torch.zeros(1, *op.in_shape, dtype=op.in_dtype, device="cpu")
    device = next((t.device for t in (*op.buffers(), *op.parameters())), like.device)
    height, width = op.in_shape[-2:]
    rows, columns = (torch.linspace(-1, 1, n, device="cpu") for n in (height, width))
    inside = (rows[:, None].square() + columns.square() < 0.5).to(like.real.dtype)  # moved objects stay in the field
    v = (inside * normal(like, seed, 0)).to(device)
    with torch.no_grad():
        size = float(op.norm()) ** 2
        lost = op.solve_normal(v, 1e3 / size, rtol=1e-3)
        whole, rest = float(dot(op.A(v), op.A(v))), float(dot(op.A(lost), op.A(lost)))
        if float(dot(lost, lost)) < 1e-2 * float(dot(v, v)):
            return []  # everything is seen
        useless = []
        for kind in kinds:
            most = 0.0
            for k in range(draws):
                move = draw_move([kind], op.in_shape, torch.Generator().manual_seed(seed + k))
                if kind == "shifts":  # within a quarter of the field, so that nothing is carried over the border
                    shift = (move.shift[0] % max(height // 6, 2) + 1, move.shift[1] % max(width // 6, 2) + 1)
                    move = move._replace(shift=shift)
                again = op.A(move(lost))
                most = max(most, float(dot(again, again)))
            if most < 2 * rest + 1e-2 * whole:
                useless.append(kind)
    return useless
