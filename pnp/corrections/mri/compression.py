"""Coil compression: fewer virtual coils that hold nearly all that the coils measured."""

from typing import Literal, overload

import torch
from torch import Tensor

from operators.fourier.fft import centred_fft
from operators.mri import CoilMatrix

from ...io.measurement import Measurement
from .combined import Combined, recombined

__all__ = ["compress_coils"]

_AROUND = 2  # places on either side that a place is compressed with, Zhang et al. take windows of five


@overload
def compress_coils(
    y: Tensor, coils: int | None = None, *, energy: float = ..., readout: Literal["rows", "columns"] | None = None
) -> Combined: ...
@overload
def compress_coils(
    y: Measurement, coils: int | None = None, *, energy: float = ..., readout: Literal["rows", "columns"] | None = None
) -> Measurement: ...
def compress_coils(
    y: Tensor | Measurement,
    coils: int | None = None,
    *,
    energy: float = 0.99,
    readout: Literal["rows", "columns"] | None = None,
) -> Combined | Measurement:
    r"""Data (B, coils, ...) of fewer virtual coils, and the matrix that makes the operator agree: ``matrix @ op``.

    The virtual coils are the first principal components of the data, orthonormal: whitened noise stays white, of the
    same level, so :func:`whiten` first. All samples of a batch share them. With a ``readout`` along which Cartesian
    k-space is fully sampled, each place along it has components of its own, turned so that they vary slowly from place
    to place: coils see less of the object at one place, and fewer suffice.

    Args:
        y: data, or a :class:`pnp.io.Measurement`, whose coil maps go along.
        coils: number of virtual coils; default the least that keeps ``energy``.
        energy: share of the sum of squares that is kept, 0 < energy <= 1.
        readout: ``"rows"`` (the second last axis) or ``"columns"``; ``None``: the same components everywhere.

    Raises:
        ValueError: an argument is out of range, or data are not those of coils.

    Buehrer, Pruessmann, Boesiger, Kozerke 2007, doi:10.1002/mrm.21237; by place: Zhang, Pauly, Vasanawala, Lustig
    2013, doi:10.1002/mrm.24267.

    >>> one = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0j
    >>> few = compress_coils(torch.cat((one, 1j * one, 0.5 * one), 1))
    >>> few.y.shape, round(float(few.y.norm() / one.norm()), 4)  # all of 1 + 1 + 0.25
    (torch.Size([1, 1, 8, 8]), 1.5)
    """
    data = y.y if isinstance(y, Measurement) else y
    if data.ndim < 3 or not data.is_complex() or not bool(torch.isfinite(data).all()):
        raise ValueError(f"y: expected finite complex (B, coils, ...), got {data.dtype} {tuple(data.shape)}")
    count = data.shape[1]
    if coils is not None and not 1 <= coils <= count:
        raise ValueError(f"coils: expected 1 ... {count}, got {coils}")
    if not 0 < energy <= 1:
        raise ValueError(f"energy: expected a share 0 < energy <= 1, got {energy}")
    if not bool((data != 0).any()):
        raise ValueError("y: zero everywhere, nothing is measured")
    if readout is not None and (readout not in ("rows", "columns") or data.ndim != 4):
        raise ValueError(f"readout: expected 'rows' or 'columns' of data (B, coils, H, W), got {readout!r}")
    gram = _gram(data, readout)
    values, vectors = torch.linalg.eigh(gram)  # rising
    values, vectors = values.flip(-1).clamp_min(0), vectors.flip(-1)
    if coils is None:
        kept = (values.sum(0) if readout else values).cumsum(0)
        coils = min(int((kept < energy * (1 - 1e-9) * kept[-1]).sum()) + 1, count)
    components = vectors[..., :coils].mH
    if readout is not None:
        components = _aligned(components, int(values.sum(1).argmax()))
    matrix = CoilMatrix(components.resolve_conj(), readout=readout or "rows")
    if isinstance(y, Measurement):
        return recombined(y, matrix, f"compressed from {count} to {coils} coils")
    return Combined(matrix(y), matrix)


def _gram(y: Tensor, readout: Literal["rows", "columns"] | None) -> Tensor:
    """Products of coils, (coils, coils) or (N, coils, coils), in double precision and units of the largest value."""
    y = (y / y.abs().max()).to(torch.complex128)
    if readout is None:
        flat = y.transpose(0, 1).flatten(1)
        return flat @ flat.mH
    axis = -2 if readout == "rows" else -1
    y = centred_fft(y, (axis,), inverse=True).movedim(axis, 0).transpose(1, 2).flatten(2)  # (N, coils, n)
    alone = y @ y.mH
    padded = torch.cat((alone[:1].expand(_AROUND, -1, -1), alone, alone[-1:].expand(_AROUND, -1, -1)))
    return padded.unfold(0, 2 * _AROUND + 1, 1).sum(-1)


def _aligned(components: Tensor, first: int) -> Tensor:
    """Components of each place (N, v, coils), turned by unitary matrices towards those of the place before, from the
    place ``first`` outwards (orthogonal Procrustes)."""
    turned = components.clone()
    for order in (range(first + 1, len(turned)), range(first - 1, -1, -1)):
        before = turned[first]
        for place in order:
            u, _, vh = torch.linalg.svd(before @ turned[place].mH)
            before = turned[place] = u @ vh @ turned[place]
    return turned
