"""What a report should say about the use of a denoiser."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.base import Denoiser
from operators.base import LinearOperator

from ..calibration import Calibration
from ..likelihood import Likelihood, Poisson

__all__ = [
    "above_range",
    "adds_error",
    "drifts",
    "is_steep",
    "one_level",
    "other_scale",
    "other_likelihood",
    "out_of_range",
    "pixel_scale",
    "pixel_width",
    "coarse_pixels",
    "too_bright",
]

_DRIFT = 0.1  # dB
_STEEP = 2.0  # the shipped denoisers but one are below 1.8
_COARSE, _CLEAR = 0.9, 35.0  # bins of a pixel; dB


def above_range(denoiser: Denoiser, sigma: float) -> str:
    """Says by how much noise ``sigma``, in calibrated units, is more than the denoiser was trained for, if it is."""
    trained = denoiser.sigma_range
    if not trained or trained[0] >= trained[1] or sigma <= trained[1] * (1 + 1e-6):
        return ""
    return (
        f"the noise in the image, {sigma:.4g} of its range of intensities, is {sigma / trained[1]:.3g} times the most "
        f"that the denoiser was trained for, {trained[1]:.4g}"
    )


def out_of_range(x: Tensor, calibration: Calibration, *, given: bool = False) -> str:
    """Says by how much the answer's intensities are spread wider than those of the rough estimate that the solver began
    with, or than the ``given`` calibration, where it is more than three times. A few bright pixels do not trigger it;
    artefacts over the whole image do."""
    flat = (x.detach().abs() if x.is_complex() else x.detach()).flatten(1)
    low, high = (flat.kthvalue(1 + round(q * (flat.shape[1] - 1)), 1).values for q in (0.02, 0.98))
    widest = float(((high - low) / calibration.scale).max())
    if not widest > 3:
        return ""
    if given:
        return (
            f"the answer's intensities are spread {widest:.3g} times as wide as the calibration that was given, and as "
            "the denoiser knows: calibration='auto' follows the data"
        )
    return (
        f"the answer's intensities are spread {widest:.3g} times as wide as those of a rough estimate: either the "
        "data are not this operator's (borders, units, geometry), or noise_std is too small, or the denoiser enlarges "
        "what it is given"
    )


def too_bright(x: Tensor, noise: Tensor) -> str:
    """Says that a source outshines the rest of a sky, where that stands out of the ``noise`` of images, (B,), by more
    than a denoiser knows: by a thousand and more."""
    sizes = x.detach().abs().flatten(1).sort(1).values
    rest, peak = sizes[:, round(0.99 * (sizes.shape[1] - 1))], sizes[:, -1]
    contrast = float(torch.where(rest > 3 * noise, peak / rest.clamp_min(1e-30), 0 * peak).max())
    if not 1000 < contrast < math.inf:
        return ""
    return (
        f"a source is {contrast:.2g} times as bright as nearly all of the sky, more than the denoiser knows beside "
        "faint structures: pnp.radio.Peeled(solver) takes it out of the data first"
    )


def one_level(denoiser: Denoiser, wanted: float) -> str:
    """Says that the denoiser knows only one noise level where the solver would end at ``wanted``, far from it."""
    trained = denoiser.sigma_range
    if not trained or trained[0] < trained[1] or 0.7 < wanted / trained[0] < 1.4:
        return ""
    return (
        f"the denoiser knows one noise level, {trained[0]:.3g}, where {wanted:.3g} is asked for; "
        "denoisers.Rescaled(denoiser) follows"
    )


def pixel_scale(module: nn.Module) -> float | None:
    """Side of a pixel in arcmin that an operator or a prior of sky maps, or what is inside of it, is for."""
    found = (getattr(m, "pixel_scale", None) for m in module.modules())
    return next((float(scale) for scale in found if scale is not None), None)


def pixel_width(module: nn.Module) -> float:
    """Side of the pixels of tomography over the width of the detector's bins; 0 where there are none."""
    found = (getattr(m, "pixel_width", None) for m in module.modules())
    return next((float(width) for width in found if width is not None), 0.0)


def coarse_pixels(op: nn.Module, y: Tensor, noise: Tensor) -> str:
    """Says that finer pixels are better: those of measured data ``y`` with little ``noise``, (B,), are as wide as bins.

    Where an object without pixels was measured they always were (docs/strength.md); nothing in the data tells it.
    """
    width = pixel_width(op)
    if width < _COARSE or not any(getattr(m, "of_object", False) for m in op.modules()):
        return ""
    size = y.detach().abs().square().flatten(1).mean(1).sqrt()
    level = 20 * math.log10(max(float((size / noise).min()), 1e-30))
    if not level > _CLEAR:
        return ""
    return (
        f"{width:.2g} times as wide as bins, noise {level:.0f} dB below the data: FinerGrid(solver) is nearer to a "
        "measured object, which knows no pixels"
    )


def other_scale(op: nn.Module, prior: nn.Module) -> str:
    """Says that the pixels of an operator's maps are not those of a prior's, where they differ by more than 5 %."""
    ours, theirs = pixel_scale(op), pixel_scale(prior)
    if ours is None or theirs is None or abs(ours / theirs - 1) <= 0.05:
        return ""
    return (
        f"maps with pixels of {ours:.4g} arcmin, but the prior's power is for {theirs:.4g} arcmin: it is wrong for them"
    )


@torch.no_grad()
def other_likelihood(likelihood: Likelihood, y: Tensor) -> str:
    """Says that an image of roots suits counts better, where no datum mixes pixels: :math:`A x^2 = (Ax)^2`."""
    op = likelihood.op
    if not (isinstance(likelihood, Poisson) and isinstance(op, LinearOperator)) or bool(likelihood.background.any()):
        return ""
    x = torch.rand(1, *op.in_shape, generator=torch.Generator().manual_seed(0), device="cpu").to(y)
    squares = op.A(x.square())
    if bool(((squares - op.A(x).square()).abs() > 1e-5 * squares.abs().amax()).any()):
        return ""
    return (
        "no datum mixes pixels: the square of PnPADMM(PoissonRoots(op, photons), ...)(y) has less error, since the "
        "noise of roots is the same everywhere, as denoisers take it"
    )


def adds_error(passport: dict[str, Any], sigma: float) -> str:
    """Says that a denoiser with this passport makes images worse near ``sigma``, if it does.

    >>> adds_error({"gain_dB": {"5/255": -0.3, "25/255": 8.0}}, 5 / 255)
    'at sigma 0.0196 the denoiser adds error instead of removing it (-0.30 dB, by its passport)'
    """
    levels = {float(k.removesuffix("/255")) / 255: v for k, v in passport.get("gain_dB", {}).items()}
    if not levels:
        return ""
    nearest = min(levels, key=lambda s: abs(math.log(s / max(sigma, 1e-9))))
    gain = levels[nearest]
    if gain < 0 and abs(math.log(nearest / max(sigma, 1e-9))) < 1:
        return f"at sigma {sigma:.3g} the denoiser adds error instead of removing it ({gain:.2f} dB, by its passport)"
    return ""


def drifts(passport: dict[str, Any]) -> str:
    """Says that answers change as a solver iterates on, by a denoiser's passport, if they do.

    >>> drifts({"drift": {"60 iterations": 28.0, "1000 iterations": 26.5}})
    'answers get worse after 60 iterations: 1.50 dB in 1000 (by its passport); stop early, Stop(max_iter=60)'
    """
    scores = [*passport.get("drift", {}).values()]
    if len(scores) < 2 or not scores[0] - scores[-1] > _DRIFT:
        return ""
    return (
        f"answers get worse after 60 iterations: {scores[0] - scores[-1]:.2f} dB in 1000 (by its passport); "
        "stop early, Stop(max_iter=60)"
    )


def is_steep(passport: dict[str, Any]) -> str:
    """Says that the norm of the denoiser's Jacobian is above 2, if it is."""
    slope = passport.get("jacobian", {}).get("lipschitz", 0.0)
    if slope <= _STEEP:
        return ""
    return f"no fixed point is guaranteed: the denoiser enlarges small changes up to {slope:.3g} times (its passport)"
