"""Partial Fourier: a little more than half of k-space is measured, and the phase, which is smooth, tells the rest."""

from typing import NamedTuple

import torch
from torch import Tensor

from operators import MRI
from operators.fourier.fft import ifft2c
from operators.shapes import check_batch

__all__ = ["homodyne", "low_resolution_phase", "pocs"]


class _Partial(NamedTuple):
    """Which axis is cut short, and a weight for each place along it: 1 where the opposite place is measured, 2 where it
    is not, 0 where nothing is; falling from 2 to 0 across the middle."""

    axis: int
    ramp: Tensor


def low_resolution_phase(y: Tensor, op: MRI) -> Tensor:
    """Phase (B, 1, H, W), radians, of the image that the fully sampled middle of k-space gives, through a Hann window.

    With it ``op @ KnownPhase(phase)`` takes real images.

    Args:
        y: k-space (B, coils, H, W), centred.
        op: what measured it.

    Raises:
        TypeError: another operator. ValueError: data do not fit it, or not even the middle is measured.

    >>> x = torch.full((1, 1, 8, 8), 1j)
    >>> op = MRI(torch.ones(8, 8))
    >>> round(float(low_resolution_phase(op(x), op).mean()), 4)  # pi / 2
    1.5708
    """
    _check(y, op)
    window = torch.ones(y.shape[-2:], dtype=y.real.dtype, device=y.device)
    for axis, reach in zip((-2, -1), _middle(op.measured.all(1).all(0))):
        n = window.shape[axis]
        place = (torch.arange(n, dtype=y.real.dtype, device=y.device) - n // 2).abs()
        line = torch.ones_like(place)
        if reach < n // 2 - 1:  # else all of the axis is measured
            line = torch.where(place <= reach, 0.5 + 0.5 * torch.cos(torch.pi * place / (reach + 1)), 0 * place)
        window = window * line.reshape((-1, 1) if axis == -2 else (1, -1))
    return _combined(window * y, op).angle()


def homodyne(y: Tensor, op: MRI, phase: Tensor | None = None) -> Tensor:
    r"""First image (B, 1, H, W), complex, of partial Fourier data,
    :math:`e^{i\varphi}\, \mathrm{Re}(e^{-i\varphi} A^* H y)`.

    H counts places twice whose opposite is missing, with a ramp across the middle. Exact where the phase is constant;
    elsewhere a start, ``solve(y, x0=homodyne(y, op))``, while ``op @ KnownPhase(phase)`` fits the data themselves.

    Args:
        y: k-space (B, coils, H, W), centred, zero where not measured.
        op: what measured it: a mask of whole rows or columns that lacks one end.
        phase: radians, (B, 1, H, W) or (H, W); default :func:`low_resolution_phase`.

    Raises:
        TypeError: another operator. ValueError: data do not fit it, or no end of k-space is missing.

    Noll, Nishimura, Macovski 1991, doi:10.1109/42.79473.

    >>> mask = torch.ones(16, 16)
    >>> mask[:, 10:] = 0
    >>> x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) + 0j
    >>> bool(torch.allclose(homodyne(MRI(mask)(x), MRI(mask), torch.zeros(16, 16)), x, atol=1e-5))
    True
    """
    _check(y, op)
    partial = _partial(op)
    phase = low_resolution_phase(y, op) if phase is None else phase
    turn = torch.polar(torch.ones_like(phase), phase).to(y.dtype)
    ramp = partial.ramp.to(y.real.dtype).reshape((-1, 1) if partial.axis == -2 else (1, -1))
    return turn * (turn.conj() * _combined(ramp * y, op)).real


def pocs(y: Tensor, op: MRI, phase: Tensor | None = None, *, iterations: int = 20) -> Tensor:
    """Image (B, 1, H, W), complex, of partial Fourier data by alternating projections: onto images of the given phase,
    and onto those that have the measured data; begins with :func:`homodyne`.

    Args:
        y, op, phase: as in :func:`homodyne`.
        iterations: of both projections.

    Raises:
        TypeError, ValueError: as :func:`homodyne` does, or no iteration is asked for.

    Haacke, Lindskog, Lin 1991, doi:10.1016/0022-2364(91)90253-P.

    >>> mask = torch.ones(16, 16)
    >>> mask[:, 10:] = 0
    >>> x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) + 0j
    >>> bool((pocs(MRI(mask)(x), MRI(mask), torch.zeros(16, 16)) - x).abs().max() < 0.01)
    True
    """
    if not isinstance(iterations, int) or iterations < 1:
        raise ValueError(f"iterations: expected a number >= 1, got {iterations!r}")
    _check(y, op)
    phase = low_resolution_phase(y, op) if phase is None else phase
    x = homodyne(y, op, phase)
    turn = torch.polar(torch.ones_like(phase), phase).to(y.dtype)
    whole = MRI(torch.ones(y.shape[-2:], device=y.device), op.coil_maps)
    measured = op.measured
    for _ in range(iterations):
        x = turn * (turn.conj() * x).real
        x = _combined(torch.where(measured, y, whole.A(x)), whole)
    return turn * (turn.conj() * x).real


def _check(y: Tensor, op: MRI) -> None:
    if not isinstance(op, MRI):
        raise TypeError(f"op: expected operators.MRI, got {type(op).__name__}")
    check_batch("y", y, op.out_shape, complex_data=True)
    if not y.is_complex():
        raise TypeError(f"y: expected complex k-space, got {y.dtype}")


def _combined(y: Tensor, op: MRI) -> Tensor:
    """Image of coils' k-space, over the power of their maps."""
    images = ifft2c(y)
    if op.coil_maps is None:
        return images
    maps = op.coil_maps.to(y.dtype)
    power = maps.abs().square().sum(1, keepdim=True)
    return (maps.conj() * images).sum(1, keepdim=True) / power.clamp_min(1e-3 * float(power.max()))


def _middle(measured: Tensor) -> tuple[int, int]:
    """How far the fully measured middle reaches from the centre along rows and columns (H, W): the largest of those
    that have whole columns, whole rows, or a square form."""
    height, width = measured.shape
    r, c = height // 2, width // 2

    def holds(a: int, b: int) -> bool:
        return bool(measured[max(r - a, 0) : r + a + 1, max(c - b, 0) : c + b + 1].all())

    reaches = [(r, b) for b in range(c + 1)] + [(a, c) for a in range(r + 1)] + [(a, a) for a in range(min(r, c) + 1)]
    found = [reach for reach in reaches if holds(*reach)]
    if not found:
        raise ValueError("y: the middle of k-space is not measured, which tells the phase")
    return max(found, key=lambda reach: (2 * reach[0] + 1) * (2 * reach[1] + 1))


def _partial(op: MRI) -> _Partial:
    measured = op.measured.all(1).all(0)
    for axis in (-2, -1):
        line = measured.any(-1 if axis == -2 else -2)
        n, reach = len(line), _middle(measured)[axis]
        centre = n // 2
        place = torch.arange(n, device=line.device) - centre
        first, last = (int(place[line].min()), int(place[line].max()))
        if reach >= centre - 1 or min(-first, last) > 0.9 * max(-first, last):
            continue
        side = 1 if last > -first else -1  # the one that is measured
        ramp = (1 + side * place.double() / (reach + 1)).clamp(0, 2)
        if n % 2 == 0:
            ramp[0] = ramp[0].clamp(max=1)  # the last frequency of an even side is its own opposite
        return _Partial(axis, ramp)
    raise ValueError("op: its mask lacks neither end of k-space, this is no partial Fourier")
