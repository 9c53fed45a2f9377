"""The denoiser in the user's units: intensities, complex values, channels, bounds, a mean that data do not know."""

import torch
from torch import Tensor

from denoisers.base import Denoiser
from denoisers.modes import trusted
from denoisers.wrappers.bounded import Bounded
from denoisers.wrappers.slicewise import Slicewise
from operators.linalg import column

from .calibration import Calibration

__all__ = ["Prior", "describe_split"]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class Prior:
    """A denoiser for images in the user's units.

    Args:
        denoiser: bounds of a :class:`denoisers.Bounded` are in the user's units.
        calibration: affine map to the denoiser's intensities.
        no_mean: samples of which the data do not know the mean, (B,): it is zero; ``None``: there are none.
        support: where images can differ from zero, (1 | B, C, ...); ``None``: everywhere.
        step: of the iteration, for denoisers that change with it (:class:`denoisers.RandomEquivariant`).
    """

    def __init__(
        self,
        denoiser: Denoiser,
        calibration: Calibration,
        no_mean: Tensor | None,
        support: Tensor | None = None,
        step: int = 0,
    ) -> None:
        self.denoiser, self.calibration, self.no_mean, self.step = denoiser, calibration, no_mean, step
        self.support = support

    def answer(self, x: Tensor) -> Tensor:
        """An image as the bounds have it, without slack."""
        return self.within(self.denoiser.project(x) if isinstance(self.denoiser, Bounded) else x)

    def within(self, x: Tensor) -> Tensor:
        """An image, zero where it is known to be."""
        return x if self.support is None else torch.where(self.support, x, 0)

    def at(self, step: int) -> "Prior":
        """The same at another step."""
        return Prior(self.denoiser, self.calibration, self.no_mean, self.support, step)

    def around(self, denoiser: Denoiser) -> "Prior":
        """The same with another denoiser."""
        return Prior(denoiser, self.calibration, self.no_mean, self.support, self.step)

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Denoise images (B, C, ...) at the standard deviation ``sigma`` (B,), both in the user's units."""
        bounded = self.denoiser if isinstance(self.denoiser, Bounded) else None
        inner = self.denoiser if bounded is None else bounded.denoiser
        with trusted():
            clean = _calibrated(inner.at_iteration(self.step), x, sigma, self.calibration)
        if self.no_mean is not None:
            axes = tuple(range(1, clean.ndim))
            clean = clean - clean.mean(axes, keepdim=True) * column(self.no_mean, clean)
        clean = self.within(clean)
        return clean if bounded is None else bounded.project(clean, sigma)


def describe_split(denoiser: Denoiser, x: Tensor) -> str:
    """How a :class:`Prior` hands an image to the denoiser, in words, for the report."""
    parts = ["slice by slice"] if x.ndim == 5 and not getattr(denoiser, "volumes", False) else []
    parts += ["real and imaginary part as two samples"] if x.is_complex() and not denoiser.takes_complex else []
    if denoiser.channels == 1 and x.shape[1] != 1:
        parts.append("channel by channel")
    return ", ".join(parts) or "as it is"


def _calibrated(denoiser: Denoiser, x: Tensor, sigma: Tensor, calibration: Calibration) -> Tensor:
    """``denoiser`` on images, real or complex, or on volumes; sigma (B,) in the units of ``x``.

    Raises:
        ValueError: the denoiser does not take that number of channels.
    """
    if x.ndim == 5 and not getattr(denoiser, "volumes", False):
        denoiser = Slicewise(denoiser)
    if x.ndim == 5 and isinstance(denoiser, Slicewise):
        inner = denoiser.denoiser

        def clean_slab(sample: int, slices: Tensor) -> Tensor:
            level, scale, offset = (v[sample].expand(len(slices)) for v in (sigma, *calibration))
            return _calibrated(inner, slices, level, Calibration(scale, offset))

        return denoiser.each_slab(x, clean_slab)
    if x.is_complex() and not denoiser.takes_complex:
        twice = Calibration(calibration.scale.repeat(2), 0 * calibration.offset.repeat(2))
        parts = _calibrated(denoiser, torch.cat((x.real, x.imag)), sigma.repeat(2), twice)
        return torch.complex(*parts.contiguous().chunk(2))
    batch, channels = x.shape[:2]
    if denoiser.channels == 1 and channels != 1:
        each = Calibration(*(v.repeat_interleave(channels) for v in calibration))
        alone = x.reshape(batch * channels, 1, *x.shape[2:])
        return _calibrated(denoiser, alone, sigma.repeat_interleave(channels), each).reshape(x.shape)
    if denoiser.channels not in (None, channels):
        raise ValueError(f"denoiser: takes {denoiser.channels} channels, the operator's images have {channels}")
    scale, offset = column(calibration.scale, x), column(calibration.offset, x)
    own = next((p.dtype for p in denoiser.parameters() if p.is_floating_point()), x.real.dtype)
    noisy = ((x - offset) / scale).to(own.to_complex() if x.is_complex() else own)
    clean = denoiser(noisy, (sigma / calibration.scale).to(own))
    if not isinstance(clean, Tensor):
        raise TypeError(f"denoiser: returned {type(clean).__name__} instead of a torch.Tensor")
    if clean.shape != noisy.shape or clean.dtype.is_complex != x.is_complex() or clean.real.dtype not in _FLOATS:
        raise ValueError(f"denoiser: returned {clean.dtype} {tuple(clean.shape)} for {own} {tuple(noisy.shape)}")
    return offset + scale * clean.to(x.dtype)
