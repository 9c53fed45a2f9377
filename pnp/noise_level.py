"""How noisy are the data: an estimate where the user gives none."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from operators.base import LinearOperator

__all__ = ["estimate_noise"]

_NORMAL_MAD = 0.6744897501960817  # median of |n| for a standard normal n
_QUANTILE = 0.1
_RAYLEIGH = math.sqrt(-2 * math.log(1 - _QUANTILE))  # that quantile of |n| for complex n with parts of deviation 1
# products of differences along rows and columns: smooth images vanish, white noise keeps its variance
_STENCILS = (((1, -1), (1, -1)), ((1, -2, 1), (1, -2, 1)), ((1,), (1, -3, 3, -1)), ((1, -3, 3, -1), (1,)))


def _along(x: Tensor, taps: tuple[int, ...], axis: int) -> Tensor:
    size = x.shape[axis] - len(taps) + 1
    return sum(
        (t * x.narrow(axis, i, size) for i, t in enumerate(taps)), start=torch.zeros_like(x.narrow(axis, 0, size))
    )


def _details(x: Tensor, present: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
    """Median over the deviation of a normal of each stencil's detail (B,), and whether there was any (B,)."""
    for rows, columns in _STENCILS:
        if x.shape[-2] < len(rows) or x.shape[-1] < len(columns):
            continue
        norm = math.sqrt(sum(t * t for t in rows) * sum(t * t for t in columns))
        detail = _along(_along(x, rows, -2), columns, -1).abs() / (norm * _NORMAL_MAD)
        if present is None:
            yield detail.flatten(1).median(1).values, torch.ones_like(detail[:, 0, 0, 0]) > 0
            continue
        ones = (tuple(1 for _ in taps) for taps in (rows, columns))
        whole = _along(_along(present, next(ones), -2), next(ones), -1) == len(rows) * len(columns)
        found = [d[w].median() if bool(w.any()) else d.new_zeros(()) for d, w in zip(detail, whole)]
        yield torch.stack(found), whole.flatten(1).any(1)


@torch.no_grad()
def estimate_noise(op: LinearOperator, y: Tensor) -> tuple[Tensor, str]:
    r"""Standard deviation of white noise in the data, per real component, for each sample (B,), and the method.

    Data that are real images (blur, inpainting, down-sampling, sinograms): median absolute deviation of fine detail,
    the least of four stencils' over places that were measured whole. Other data: the same of the adjoint image
    :math:`A^* y`, relative to that of :math:`A^* n` with simulated unit noise n, so any colour that the operator gives
    to the noise cancels; complex data also the lowest tenth of their magnitudes, and the lesser of both. What is no
    noise makes each of them err on the high side. Donoho, Johnstone 1994, doi:10.1093/biomet/81.3.425; Immerkaer 1996,
    doi:10.1006/cviu.1996.0060.

    Raises:
        ValueError: the operator's images are not (C, H, W), or too small.

    >>> from operators.image.mask import Identity
    >>> y = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> 0.9 < estimate_noise(Identity((64, 64)), y)[0].item() < 1.1
    True
    """
    taken = (y != 0) if op.measured is None else op.measured.expand(y.shape[0], *y.shape[1:])
    if y.ndim == 5 and not y.is_complex():  # slices beside each other are as good as channels
        y, taken = y.flatten(1, 2), taken.flatten(1, 2)
    y = torch.where(taken, y, torch.zeros_like(y))
    if y.ndim == 4 and min(y.shape[-2:]) >= 2 and not y.is_complex():
        levels = [torch.where(any_, v, torch.inf) for v, any_ in _details(y, (taken & ~_constant(y)).to(y.dtype))]
        least = torch.stack(levels).amin(0)
        if not bool(torch.isfinite(least).all()):  # no place was measured whole
            least = torch.where(torch.isfinite(least), least, torch.stack([_neighbours(one) for one in y]))
        return least, "fine detail of the data"
    image, noise = (v.flatten(1, 2) if v.ndim == 5 else v for v in (op.A_adjoint(y), op.A_adjoint(_unit_noise(y))))
    if image.ndim != 4 or min(image.shape[-2:]) < 2:
        raise ValueError(
            f"noise_std: an estimate needs images (C, H, W) of at least 2 x 2 pixels, the operator's in_shape is "
            f"{tuple(op.in_shape)}; set in_shape=(1, H, W), or give noise_std"
        )
    image, noise = (torch.view_as_real(v).movedim(-1, 1).flatten(1, 2) if v.is_complex() else v for v in (image, noise))
    pairs = zip(_details(image), _details(noise))
    tiny = torch.finfo(image.dtype).tiny
    least = torch.stack([a / b.clamp_min(tiny) for (a, _), (b, _) in pairs]).amin(0)
    if not y.is_complex():
        return least, "fine detail of the adjoint image"
    lowest = torch.stack([_low_quantile(one[one != 0].abs()) for one in y]) / _RAYLEIGH
    smaller = "lowest magnitudes of the data" if bool((lowest < least).all()) else "fine detail of the adjoint image"
    return torch.minimum(least, lowest), smaller


def _constant(y: Tensor) -> Tensor:
    """Pixels whose neighbours to the right, below and diagonally are exactly alike: padding, saturation, no noise."""
    same = torch.zeros_like(y, dtype=torch.bool)
    corner = y[..., :-1, :-1]
    alike = (corner == y[..., 1:, :-1]) & (corner == y[..., :-1, 1:]) & (corner == y[..., 1:, 1:])
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            same[..., rows, columns] |= alike
    return same


def _neighbours(y: Tensor) -> Tensor:
    """The same of differences between one measured pixel of a row and the next, however far."""
    apart = y[y != 0].diff().abs()
    return apart.median() / (math.sqrt(2) * _NORMAL_MAD) if len(apart) else y.new_zeros(())


def _unit_noise(y: Tensor) -> Tensor:
    """Seeded noise of unit deviation per part, like the data, 0 where these are."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.randn(1, *y.shape[1:], generator=generator, dtype=y.real.dtype).to(y.device)
    if y.is_complex():
        unit = torch.complex(unit, torch.randn(unit.shape, generator=generator, dtype=unit.dtype).to(y.device))
    return (unit * (y != 0)).to(y.dtype)


def _low_quantile(values: Tensor) -> Tensor:
    """The lowest tenth's border; infinite where there are hardly any values."""
    if len(values) < 100:
        return values.new_full((), torch.inf)
    return values.kthvalue(max(int(_QUANTILE * len(values)), 1)).values
