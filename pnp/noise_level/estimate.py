"""The choice between estimators."""

import math

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column
from operators.shapes import check_batch

from ..arguments import check_values, operator_of
from .denoised import consistent_level
from .details import fine_detail
from .doubt import said
from .noiseless import noiseless
from .patches import smallest_variance, smoothest_blocks
from .redundancy import redundancy
from .rings import share_of_noise
from .texture import textured
from .weighted import evenly_weighted

__all__ = ["estimate_noise", "judged", "noise_doubt"]

_REDUNDANCY = "what no image explains"
_QUANTILE = 0.1
_RAYLEIGH = math.sqrt(-2 * math.log(1 - _QUANTILE))  # that quantile of |n| for complex n with parts of deviation 1
_TEXTURE = 1.03  # where patches hold noise alone, a quarter of directions have the least deviation, to 2 %
_ROUGH = 1.15  # half of the blocks over the smoothest ones: 1.00 to 1.08 of smooth images
_ALIKE = 0.5  # correlation of neighbours: 0.37 of anti-aliased down-sampling, 0.6 of a Gaussian blur of 0.7 pixels
_USUAL = 1.2  # factor by which estimates from white noise are off at most
_UNTOLD, _FEWEST = 2.0, 400  # a factor, where there are too few pixels to tell
_SURE = 1.55  # up to which a network counts, that knows less of smooth drawings than their blocks tell
_SEED = 7_919_004_417  # of nobody's mask


@torch.no_grad()
def estimate_noise(op: LinearOperator, y: Tensor) -> tuple[Tensor, str]:
    r"""Standard deviation of white noise in the data, per real component, for each sample (B,), and the method.

    ===========================  ==========================================================================
    real images, sinograms       fine detail (:func:`.details.fine_detail`) and the least that varies in patches
                                 (:func:`.patches.smallest_variance`); where hardly any patch is whole, residues of
                                 smooth blocks (:func:`.patches.smoothest_blocks`); of photographs with texture the
                                 level that fits what the shipped denoiser leaves (:func:`.denoised.consistent_level`),
                                 and where pixels are missing what a network knows of photographs
                                 (:func:`.texture.textured`)
    everything else              what no image explains (:func:`.redundancy.redundancy`), patches of the adjoint image
                                 relative to those of simulated noise, and of complex data the lowest tenth of their
                                 magnitudes; of one coil a geometric mean of the least of these, which is too high,
                                 and of what its rings leave (:func:`.rings.share_of_noise`), which is too low; the
                                 first counts twice where all of k-space is measured
    ===========================  ==========================================================================

    What is not noise makes the others err on the high side, so the least counts. Texture of a pixel's size in images
    of which few pixels are measured, and details that data without redundancy hold up to their border (one coil), can
    double it, see ``python -m benchmarks.noise_levels``. What is not measured (``op.measured``) and where values do not
    change or are clipped (:func:`.noiseless.noiseless`) does not count. Weights of real data are smoothed, see
    :func:`.weighted.evenly_weighted`.
    Volumes that are measured slice by slice are judged by some of their slices.
    Data that are multiples of a step, as counts and bytes are, have at least the noise of rounding, step / sqrt(12).

    Raises:
        TypeError, ValueError: ``op`` or ``y`` does not fit; the operator's images are not (C, H, W), or too small.

    >>> from operators.image.mask import Identity
    >>> y = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> 0.9 < estimate_noise(Identity((64, 64)), y)[0].item() < 1.1
    True
    """
    levels, doubt, how = judged(op, y)
    return levels, how + said(doubt)


@torch.no_grad()
def noise_doubt(op: LinearOperator, y: Tensor) -> Tensor:
    r"""By which factor d the level of :func:`estimate_noise` may be off, (B,) numbers from 1 on: the true deviation is
    expected in :math:`[\hat\sigma / d, \hat\sigma d]`, in nine cases of ten.

    Found from what the data show of texture: masked pixels, rings of k-space; 1.2 elsewhere. Above 1.4 reports say
    that an estimate is unsure. How often the truth lies within is told by ``python -m benchmarks.noise_levels``.

    Raises:
        ValueError: as :func:`estimate_noise`.

    >>> from operators.image.mask import Identity
    >>> y = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> round(noise_doubt(Identity((64, 64)), y).item(), 2)
    1.2
    """
    return judged(op, y)[1]


@torch.no_grad()
def judged(op: LinearOperator, y: Tensor) -> tuple[Tensor, Tensor, str]:
    """Level and :func:`noise_doubt` of each sample, and the method."""
    op = operator_of(op)
    if not isinstance(op, LinearOperator):
        raise TypeError(f"op: {type(op).__name__} is not linear; a noise level is estimated of linear ones")
    check_batch("y", y, op.out_shape, op.out_dtype.is_complex)
    check_values("y", y)
    step = _steps(y)
    op, y = op.few_slices(y)
    if op.measured is None:  # zeros are no measurement, but of counts
        taken = (y != 0) | (column(step, y) > 0)
    else:
        taken = op.measured.expand(-1, *y.shape[1:])
    if bool(taken.all()):
        taken = torch.ones_like(y[:1], dtype=torch.bool)
    else:
        y = torch.where(taken, y, torch.zeros_like(y))
    if y.ndim in (4, 5) and not y.is_complex():
        found, doubt = _of_images(op, _real_slices(evenly_weighted(op, y)), _real_slices(taken), step)
    else:
        found, doubt = _of_data(op, y, taken)
    levels, which = torch.stack(list(found.values())).min(0)
    how = list(found)[int(which.mode().values)]
    coarse = (levels <= 2 * step) | ~torch.isfinite(levels)
    if bool(coarse.any()):
        images = y.ndim in (4, 5) and not y.is_complex()
        rounded = smoothest_blocks(*map(_real_slices, (y, taken.expand_as(y))), smooth=0.1) if images else levels
        rounded = torch.where(torch.isfinite(rounded), rounded, 0)
        levels = torch.where(coarse, torch.maximum(rounded, step / math.sqrt(12)), levels)
        how = "smooth blocks of the data"
    if bool((levels < 4 * step).any()):
        how += f"; they are multiples of {step.max().item():.3g}: counts are better taken as pnp.Poisson"
    return levels, doubt, how


def _of_images(op: LinearOperator, y: Tensor, taken: Tensor, step: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    varying = taken & ~noiseless(y, step, None if op.measured is None else taken)
    patches, other = smallest_variance(y, _unit_noise(y, 2), None if bool(varying.all()) else varying)
    found = {"fine detail of the data": fine_detail(y, varying), "patches of the data": patches}
    few = ~torch.isfinite(found["patches of the data"])
    if bool(few.any()):
        blocks = smoothest_blocks(y, varying.expand_as(y))
        blocks = torch.where(torch.isfinite(blocks), blocks, fine_detail(y, varying, fewest=9))  # tiny images
        found = {name: torch.where(few, torch.inf, level) for name, level in found.items()}
        found["smooth blocks of the data"] = torch.where(few, blocks, torch.inf)
    least = torch.stack(list(found.values())).amin(0)
    whole = taken.flatten(1).all(1)
    which = ~few & whole & (other > _TEXTURE * patches) & (least > 0)
    photographs = _gives_photographs(op, y) if bool((which | ~whole).any()) else which
    doubt = torch.where(whole, _USUAL, torch.full_like(least, _UNTOLD))
    which = which & photographs
    if bool(which.any()):
        levels = consistent_level(y[which], varying.expand_as(y)[which], least[which])
        found["what a denoiser leaves of the data"] = torch.full_like(least, torch.inf).masked_scatter(which, levels)
    enough = varying.expand_as(y).flatten(1).sum(1) >= _FEWEST
    which = ~whole & (least > 0) & torch.isfinite(least) & enough
    if bool(which.any()):
        levels, factors = textured(y[which], varying.expand_as(y)[which], least[which])
        doubt = doubt.masked_scatter(which, factors)
        levels = torch.full_like(least, torch.inf).masked_scatter(which, levels)
        known = doubt <= _SURE
        known = known | (smoothest_blocks(y, varying.expand_as(y), smooth=0.5) > _ROUGH * least)
        found["smooth blocks of the data, less the usual texture"] = torch.where(known & photographs, levels, torch.inf)
    return found, doubt


def _gives_photographs(op: LinearOperator, y: Tensor) -> Tensor:
    """Whether its data look like its images, (B,): of white noise it makes nearly white noise, as no blur does."""
    if op.field != "natural" or op.in_dtype.is_complex:
        return torch.zeros(len(y), dtype=torch.bool, device=y.device)
    generator = torch.Generator().manual_seed(_SEED)
    unit = torch.randn(op.in_shape, generator=generator, dtype=y.dtype, device="cpu").to(y.device)
    seen = _real_slices(op.A(unit.expand(len(y), *unit.shape)))
    alike = torch.zeros(len(y), dtype=y.dtype, device=y.device)
    tall, wide = seen[..., :-1, :], seen[..., 1:, :]
    pairs = [(tall, wide), (seen[..., :-1], seen[..., 1:])]
    pairs += [(tall[..., :-1], wide[..., 1:]), (tall[..., 1:], wide[..., :-1])]
    for one, other in pairs:
        both = (one != 0) & (other != 0)
        size = ((one**2 + other**2) * both).sum((1, 2, 3)).clamp_min(torch.finfo(y.dtype).tiny)
        alike = torch.maximum(alike, 2 * (one * other).sum((1, 2, 3)) / size)
    return alike < _ALIKE


def _of_data(op: LinearOperator, y: Tensor, taken: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    noise = _unit_noise(y, 2)[:, None] * taken
    image, simulated = op.A_adjoint(y), torch.cat([op.A_adjoint(n)[:1] for n in noise])
    if image.ndim not in (4, 5) or min(image.shape[-2:]) < 2:
        raise ValueError(
            f"noise_std: an estimate needs images (C, H, W) of at least 2 x 2 pixels, the operator's in_shape is "
            f"{tuple(op.in_shape)}; set in_shape=(1, H, W), or give noise_std"
        )
    found = {_REDUNDANCY: redundancy(op, y, noise[0])}
    patches, _ = smallest_variance(_real_slices(image), _real_slices(simulated))
    # coloured noise has few independent patches, and the estimate errs by a tenth: for data without redundancy
    found["patches of the adjoint image"] = torch.where(patches < 0.8 * found[_REDUNDANCY], patches, torch.inf)
    if y.is_complex():
        found["lowest magnitudes of the data"] = torch.stack([_low_quantile(v[v != 0].abs()) for v in y]) / _RAYLEIGH
    doubt = torch.full_like(y.real.flatten(1)[:, 0], _USUAL)
    if op.field == "mri" and y.is_complex() and y.ndim == 4 and tuple(y.shape[1:]) == (1, *op.in_shape[-2:]):
        least = torch.stack(list(found.values())).amin(0)
        share = share_of_noise(y, taken & (y != 0), least)
        found["power in rings of k-space"] = least * share ** (1 / 3 if bool(taken.all()) else 1 / 2)
        doubt = torch.where(share < 0.35, 3.0, 1.08 * share**-0.5)
    return found, doubt


def _real_slices(x: Tensor) -> Tensor:
    """Channels, slices and real and imaginary parts beside each other: (B, n, H, W)."""
    x = x.flatten(1, -3)
    return torch.view_as_real(x.resolve_conj()).movedim(-1, 1).flatten(1, 2) if x.is_complex() else x


def _steps(y: Tensor) -> Tensor:
    """The step that all values of a sample are multiples of, (B,), 0 where there is none."""
    found = []
    for one in y:
        values = (torch.view_as_real(one.resolve_conj()) if one.is_complex() else one).flatten()[:100_000].double()
        levels = values.unique()
        gaps = levels.diff()
        step = gaps.min() if len(gaps) and len(levels) < len(values) / 8 else values.new_zeros(())
        even = bool(((levels / step).round() * step - levels).abs().max() < 1e-3 * step) if float(step) > 0 else False
        found.append(step if even else torch.zeros_like(step))
    return torch.stack(found).to(y.real.dtype)


def _unit_noise(y: Tensor, count: int) -> Tensor:
    """Seeded noise like a sample, each real component of deviation one: (count, *shape)."""
    generator = torch.Generator().manual_seed(_SEED)
    shape, parts = (count, *y.shape[1:]), 2 if y.is_complex() else 1
    drawn = [torch.randn(shape, generator=generator, dtype=y.real.dtype, device="cpu") for _ in range(parts)]
    return (torch.complex(*drawn) if y.is_complex() else drawn[0]).to(y.device)


def _low_quantile(values: Tensor) -> Tensor:
    """The lowest tenth's border; infinite where there are hardly any values."""
    if len(values) < 100:
        return values.new_full((), torch.inf)
    return values.kthvalue(max(int(_QUANTILE * len(values)), 1)).values
