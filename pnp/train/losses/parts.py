"""A measurement of a part of the data: the operator of those, of the same kind where there is one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from operators.compose import Compose, Scaled, Weighted
from operators.fourier.nufft import NUFFT
from operators.image.mask import Inpainting
from operators.mri.cartesian import MRI
from operators.mri.noncartesian import NonCartesianMRI
from operators.radio.interferometry import RadioInterferometry
from operators.tomography.radon import Radon

from ...analysis.holdout import masked
from ...likelihood import Gaussian, Likelihood
from .measured import measured_op

__all__ = ["part_of"]

Part = tuple[Any, Callable[[Tensor], Tensor]]


def part_of(likelihood: Likelihood, keep: Tensor) -> tuple[Likelihood, Callable[[Tensor], Tensor]]:
    """The likelihood of the data where ``keep`` (1, *out_shape) holds, and what makes its data of all data.

    Angles of tomography and points of a Fourier transform are left out, so that filtered back projection counts the
    others by their new neighbours; masks of MRI and inpainting lose them; data of other operators are zero there.

    >>> from operators import MRI
    >>> keep = torch.tensor([True, False]).expand(1, 1, 2, 2)
    >>> likelihood, cut = part_of(Gaussian(MRI(torch.ones(2, 2)), 0.1), keep)
    >>> cut(torch.ones(1, 1, 2, 2)).sum().item(), likelihood.op.mask.sum().item()
    (2.0, 2.0)
    """
    op, cut = _part(measured_op(likelihood), keep)
    if isinstance(likelihood, Gaussian) and likelihood.deviations is not None:
        full = likelihood.deviations.expand(-1, *measured_op(likelihood).out_shape)
        rest = cut(full)
        return type(likelihood)(op, torch.where(rest > 0, rest, torch.inf)), cut  # what was cut away is not measured
    return likelihood.with_op(op), cut


def _part(op: Any, keep: Tensor) -> Part:
    if isinstance(op, Radon) and _alike(keep, -1):
        at = keep[0, 0, :, 0].nonzero().flatten()
        return _radon(op, at), lambda y: y[..., at.to(y.device), :]
    if isinstance(op, NUFFT | NonCartesianMRI) and _alike(keep, 1):
        at = keep[0, 0].nonzero().flatten()
        return _points(op, at), lambda y: y[..., at.to(y.device)]
    if isinstance(op, MRI):
        return MRI(op.mask * keep.to(op.mask.device), op.coil_maps), _zeroed(keep)
    if isinstance(op, Inpainting):
        return Inpainting(op.mask * keep.to(op.mask.device)), _zeroed(keep)
    if isinstance(op, Scaled):
        inner, cut = _part(op.operator, keep)
        return op.factor * inner, cut
    if isinstance(op, Compose) and isinstance(op.outer, Weighted):
        inner, cut = _part(op.inner, keep)
        weights = op.outer.weights
        batch = len(weights) if weights.ndim > len(op.out_shape) else 1
        weights = cut(weights.expand(batch, *op.out_shape))
        return Weighted(weights, shape=tuple(weights.shape[1:]), dtype=op.out_dtype) @ inner, cut
    return masked(keep.float(), op), _zeroed(keep)


def _zeroed(keep: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda y: torch.where(keep.to(y.device), y, torch.zeros_like(y))


def _alike(keep: Tensor, axis: int) -> bool:
    """Whether a mask is the same along an axis, and in all channels."""
    first = keep.narrow(axis, 0, 1)
    return keep.ndim >= 3 and bool((keep == first).all()) and bool((keep == keep[:, :1]).all())


def _radon(op: Radon, at: Tensor) -> Radon:
    engine = op.nufft.options
    return Radon(
        op.image_shape, op.angles[at.to(op.angles.device)], op.detector_count, detector_spacing=op.detector_spacing,
        pixel_size=op.pixel_size, offset=op.offset, circle=op.mask is not None, channels=op.in_shape[0], **engine,
    ).to(op.angles.device)  # fmt: skip


def _points(op: NUFFT | NonCartesianMRI, at: Tensor) -> NUFFT | NonCartesianMRI:
    nufft = op.nufft if isinstance(op, NonCartesianMRI) else op
    engine = nufft.options
    points = nufft.points.detach()[:, at.to(nufft.points.device)]
    if isinstance(op, NonCartesianMRI):
        return NonCartesianMRI(points, op.in_shape[-2:], op.coil_maps, **engine)  # pyright: ignore[reportArgumentType]
    channels, real = op.in_shape[0], not op.in_dtype.is_complex
    if isinstance(op, RadioInterferometry):
        rest = RadioInterferometry(points, op.image_shape, unit="rad/pixel", channels=channels, real=real, **engine)
        rest.cell = op.cell
        return rest
    norm = "ortho" if op.scale != 1 else None
    return NUFFT(points, op.image_shape, channels=channels, real=real, norm=norm, **engine)
