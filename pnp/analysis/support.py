"""What of an image the data hold: resolution of each pixel, share of the null space, radial resolution."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column, dot
from operators.shapes import check_batch, check_seed

from ..arguments import operator_of
from ..likelihood import Gaussian, Likelihood
from .probes import diagonal

__all__ = ["DataSupport", "data_support"]

_CUT = 1e-3  # of the norm: without noise, directions that the operator weakens by more do not count as measured


class DataSupport(NamedTuple):
    r"""How much of an image the data hold, by the resolution matrix :math:`R = (A^* A + \varepsilon)^{-1} A^* A`.

    Attributes:
        resolution: diagonal of R, (1 | B, C, H, W): 1 where a pixel follows from the data, 0 where it is the prior's.
        held: R x of the image, what follows from the data; ``None`` without an image.
        unheld: x - R x, what the prior has added.
        share: of the image's energy that is not held, (B,): :math:`\|x - R x\|^2 / \|x\|^2`.
        structure: the same of the image less its mean.
        frequencies: radial spatial frequencies in cycles per pixel, (K,); empty without two spatial axes.
        transfer: share of white structure of such frequencies that is held, (1 | B, K).
        pixels: radial resolution, (1 | B,): half a wavelength of the frequency from which on the transfer stays below
            half of its largest value, in pixels; 1 where it does not fall so far.
        epsilon: :math:`\varepsilon`, in squares of the operator's unit, (1 | B,).
    """

    resolution: Tensor
    held: Tensor | None
    unheld: Tensor | None
    share: Tensor | None
    structure: Tensor | None
    frequencies: Tensor
    transfer: Tensor
    pixels: Tensor
    epsilon: Tensor

    def __str__(self) -> str:
        lines = [f"pixels that follow from the data: {100 * float(self.resolution.mean()):.3g} % on average"]
        if len(self.frequencies):
            lines.append(f"radial resolution: {', '.join(f'{v:.3g}' for v in self.pixels.tolist())} pixels")
        if self.structure is not None:
            lines.append(f"structure that is the prior's: {', '.join(f'{100 * v:.3g} %' for v in self.structure)}")
        return "\n".join(lines)


@torch.no_grad()
def data_support(
    op: Any,
    image: Tensor | None = None,
    *,
    noise_std: float | Tensor | None = None,
    draws: int = 16,
    seed: int = 0,
    batch: int = 8,
) -> DataSupport:
    r"""What of an image is measured, and what is prior.

    :math:`R = (A^* A + \varepsilon)^{-1} A^* A` is what least squares that are held back by :math:`\varepsilon` make of
    noiseless data. Without noise :math:`\varepsilon = 10^{-6} \|A\|^2`, and R is scaled to 1 where A is largest: the
    projection onto what the operator sees, 1 and 0 for masks. With ``noise_std`` and an ``image`` of deviation s
    :math:`\varepsilon = \sigma_n^2 / s^2`, no less than the former: what stands out of the noise. The result does not
    depend on units.

    Args:
        op: operator, what :func:`operators.as_operator` takes, or a likelihood, whose noise then counts; one that is
            not linear is linearised at the image.
        image: (B, *op.in_shape), such as an answer.
        noise_std: of the data per real component, a number or (B,).
        draws: probes of the diagonal, on as many lattices as the largest prime up to it (:func:`pnp.analysis.probes.
            lattices`); its error is that of what reaches from pixel to pixel of a lattice, none for masks.
        seed: of the probes.
        batch: probes that go together, of a single image.

    Raises:
        ValueError: noise without an image, an image without structure, or a value that does not fit.

    Backus, Gilbert 1968, doi:10.1111/j.1365-246X.1968.tb00216.x; Hutchinson 1989, doi:10.1080/03610918908812806.

    >>> from operators import Inpainting
    >>> data_support(Inpainting(torch.tensor([[True, False]]))).resolution.tolist()
    [[[[1.0, 0.0]]]]
    """
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ValueError(f"draws: expected a whole number >= 1, got {draws!r}")
    seed = check_seed(seed)
    if isinstance(op, Likelihood):
        noise_std = op.noise_std if isinstance(op, Gaussian) and noise_std is None and image is not None else noise_std
        op = op.op
    op = operator_of(op)
    if image is not None:
        check_batch("image", image, op.in_shape, op.in_dtype.is_complex)
    if not isinstance(op, LinearOperator):
        if image is None:
            raise ValueError(f"image: {type(op).__name__} is not linear; give the image at which it is linearised")
        op = op.linearised(image)
    kind = torch.complex128 if op.in_dtype.is_complex else torch.float64  # so that masks give 1, not almost
    like = torch.ones(1, *op.in_shape, dtype=op.in_dtype, device=op._device()) if image is None else image
    rows = len(op.A(like)) if image is None else len(like)  # constants may have a batch axis of their own
    unit = torch.ones(rows, *op.in_shape, dtype=kind, device=like.device)
    image = None if image is None else image.to(kind)
    size = op.norm() ** 2
    if not size > 0:
        raise ValueError("op: the operator maps everything to zero")
    epsilon, top = _epsilon(image, noise_std, size, unit)

    fine = like.real.dtype == torch.float64

    def resolved(x: Tensor) -> Tensor:
        gamma = (1 / epsilon).expand(len(x)) if len(epsilon) == 1 else 1 / epsilon
        return column(top, x) * (x - op.solve_normal(x, gamma, rtol=None if fine else 1e-6))

    resolution = diagonal(resolved, unit, draws=draws, seed=seed, batch=batch).clamp(0, 1)
    frequencies, transfer = _transfer(resolved, unit, seed)
    held = unheld = share = structure = None
    if image is not None:
        held = resolved(image)
        unheld = image - held
        share = _ratio(unheld, image)
        flat = image - image.mean(tuple(range(1, image.ndim)), keepdim=True)
        structure = _ratio(flat - resolved(flat), flat)
    pixels = _pixels(frequencies, transfer)
    found: Any = (resolution, held, unheld, share, structure, frequencies, transfer, pixels, epsilon)
    real = like.real.dtype
    kept: Any = (v if v is None else v.to(real.to_complex() if v.is_complex() else real) for v in found)
    return DataSupport(*kept)


def _epsilon(image: Tensor | None, noise_std: Any, size: float, unit: Tensor) -> tuple[Tensor, Tensor]:
    """The regularisation, and what R is scaled by, (1 | B,)."""
    if noise_std is None:
        one = torch.ones(1, dtype=unit.real.dtype, device=unit.device)
        return _CUT**2 * size * one, (1 + _CUT**2) * one
    if image is None:
        raise ValueError("noise_std: needs an image, beside whose deviation the noise counts")
    largest = image.abs().flatten(1).amax(1)
    scaled = image / column(torch.where(largest > 0, largest, torch.ones_like(largest)), image)
    rest = scaled - scaled.mean(tuple(range(1, image.ndim)), keepdim=True)
    parts = 2 if image.is_complex() else 1  # the deviation of a real component, as the noise's
    deviation = largest * (dot(rest, rest) / (rest[0].numel() * parts)).sqrt()
    if not bool((deviation > 0).all()):
        raise ValueError("image: constant, so that no noise can be small beside its structure")
    noise = torch.as_tensor(noise_std, dtype=deviation.dtype, device=deviation.device).reshape(-1)
    if noise.numel() not in (1, len(image)) or not bool(((noise >= 0) & torch.isfinite(noise)).all()):
        raise ValueError(f"noise_std: expected finite values >= 0, one or {len(image)}, got {noise_std!r}")
    epsilon = torch.maximum((noise / deviation) ** 2, torch.full_like(deviation, _CUT**2 * size))
    return epsilon, torch.ones_like(epsilon)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Energy of a part over that of the whole, (B,), in any unit."""
    largest = whole.abs().flatten(1).amax(1)
    unit = column(torch.where(largest > 0, largest, torch.ones_like(largest)), whole)
    a, b = dot(part / unit, part / unit), dot(whole / unit, whole / unit)
    return a / torch.where(b > 0, b, torch.ones_like(b))


def _transfer(resolved: Any, unit: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Radial frequencies, and the share of white noise of each that is held."""
    if unit.ndim < 4:
        return unit.real.new_zeros(0), unit.real.new_zeros(len(unit), 0)
    height, width = unit.shape[-2:]
    generator = torch.Generator().manual_seed(seed)
    probe = unit * torch.randn(unit.shape[1:], generator=generator, dtype=torch.float64, device="cpu").to(unit)
    found, given = (torch.fft.fft2(v) for v in (resolved(probe), probe))
    cycles = [torch.fft.fftfreq(n, dtype=torch.float64, device=unit.device) for n in (height, width)]
    radius = torch.hypot(cycles[0][:, None], cycles[1])
    count = max(min(height, width) // 2, 1)
    rings = (radius * 2 * count).round().long().clamp(max=count).expand(unit.shape[1:]).flatten()

    def ringed(v: Tensor) -> Tensor:
        sums = torch.zeros(len(v), count + 1, dtype=v.dtype, device=v.device)
        return sums.index_add_(1, rings, v.flatten(1))

    transfer = ringed((given.conj() * found).real) / ringed(given.abs() ** 2)
    frequencies = torch.arange(count + 1, dtype=transfer.dtype, device=unit.device) / (2 * count)
    return frequencies, transfer.clamp(0, 1)


def _pixels(frequencies: Tensor, transfer: Tensor) -> Tensor:
    if not len(frequencies):
        return transfer.new_full((len(transfer),), math.nan)
    above = transfer >= transfer.amax(1, keepdim=True) / 2
    last = (above * torch.arange(len(frequencies), device=above.device)).amax(1)
    following = frequencies[(last + 1).clamp(max=len(frequencies) - 1)]
    return 1 / (2 * torch.maximum(following, frequencies[1]))
