"""Combinations of coils: what whitening and coil compression do to data, and to the operator that measured them."""

from typing import Literal

import torch
from torch import Tensor

from ..base import LinearOperator
from ..fourier.fft import centred_fft
from ..fourier.nufft import EngineOptions
from ..shapes import Constant, as_constant, check_precision
from .cartesian import MRI
from .noncartesian import NonCartesianMRI
from .volumes import StackedMRI, VolumeMRI

__all__ = ["CoilMatrix"]

_READOUTS = {"rows": -2, "columns": -1}


class CoilMatrix(LinearOperator):
    r"""Linear combinations of coils, :math:`(My)_v = \sum_c m_{vc} y_c`, of data (B, coils, ...).

    Every coil sees the same k-space, so combining data is combining coil maps: ``CoilMatrix(m) @ MRI(mask, maps)`` is
    ``MRI(mask, m maps)``, and likewise of :class:`operators.NonCartesianMRI`. Other operators are composed.

    Args:
        matrix: (virtual coils, coils), complex or real; or one for each place along the readout, (N, virtual coils,
            coils): data then go to the image domain along that axis, which has to be fully sampled, and back.
        readout: that axis of Cartesian k-space, ``"rows"`` (the second last, whose index is the row) or ``"columns"``.
        shape: of the data, without batch; default that of the operator that it is put before.

    Raises:
        TypeError: no array. ValueError: another shape, values that are not finite; put before an operator: of other
            coils, of masks that differ between coils, or not fully sampled along the readout.

    >>> swapped = CoilMatrix(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    >>> maps = torch.stack([torch.ones(2, 3), 2j * torch.ones(2, 3)])
    >>> (swapped @ MRI(torch.ones(2, 3), maps)).coil_maps[0, :, 0, 0].tolist()
    [2j, (1+0j)]
    """

    field = "mri"
    in_dtype = torch.complex64
    matrix: Tensor

    def __init__(
        self,
        matrix: Constant,
        *,
        readout: Literal["rows", "columns"] = "rows",
        shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        matrix = as_constant("matrix", matrix)
        if matrix.ndim not in (2, 3) or matrix.numel() == 0:
            raise ValueError(f"matrix: expected (virtual coils, coils) or (N, ..., ...), got {tuple(matrix.shape)}")
        if not bool(torch.isfinite(matrix).all()):
            raise ValueError("matrix: holds NaN or infinite values")
        if readout not in _READOUTS:
            raise ValueError(f"readout: expected 'rows' or 'columns', got {readout!r}")
        if shape is not None and shape[0] != matrix.shape[-1]:
            raise ValueError(f"shape: data of {shape[0]} coils, the matrix is for {matrix.shape[-1]}")
        self.register_buffer("matrix", matrix + 0j, persistent=False)
        self.readout, self.out_dtype = readout, torch.complex64
        self.in_shape = (matrix.shape[-1],) if shape is None else tuple(shape)
        self.out_shape = (matrix.shape[-2], *self.in_shape[1:])

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        if not isinstance(other, LinearOperator):
            return super().__matmul__(other)
        if isinstance(other, CoilMatrix) and other.matrix.ndim == self.matrix.ndim == 2:
            return CoilMatrix(self.matrix @ other.matrix, shape=other.in_shape if len(other.in_shape) > 1 else None)
        if other.out_shape[0] != self.matrix.shape[-1]:
            raise ValueError(f"matrix: for {self.matrix.shape[-1]} coils, the operator has {other.out_shape[0]}")
        if isinstance(other, MRI | NonCartesianMRI | VolumeMRI | StackedMRI):
            self._check_sampling(other)
            one = torch.ones(1, *other.in_shape, dtype=self.matrix.dtype, device=self.matrix.device)
            maps = one if other.coil_maps is None else other.coil_maps
            return _with_maps(other, self.combined(maps))
        if self.in_shape == tuple(other.out_shape):
            return super().__matmul__(other)
        return CoilMatrix(self.matrix, readout=self.readout, shape=tuple(other.out_shape)) @ other

    def _check_sampling(self, op: LinearOperator) -> None:
        mask = op.mask if isinstance(op, MRI) else None
        if mask is not None and mask.shape[1] > 1:
            raise ValueError("mask: coils that are sampled differently cannot be combined; it has one for each coil")
        if self.matrix.ndim == 3:
            axis = _READOUTS[self.readout]
            if mask is None or not bool((mask == mask.narrow(axis, 0, 1)).all()):
                raise ValueError(
                    f"mask: a matrix for each place takes Cartesian k-space, fully sampled along the {self.readout}"
                )

    def combined(self, maps: Tensor) -> Tensor:
        """Coil maps, or images of coils, (B, coils, ...) -> (B, virtual coils, ...)."""
        check_precision("maps", maps)
        return self._mix(self.matrix, maps)

    def _mix(self, matrix: Tensor, v: Tensor) -> Tensor:
        kind = v.real.dtype.to_complex()
        matrix, v = matrix.to(kind), v.to(kind)
        if matrix.ndim == 2:
            flat = v.flatten(2) if v.ndim > 2 else v[..., None]
            return (matrix @ flat).reshape(len(v), len(matrix), *v.shape[2:])
        axis = _READOUTS[self.readout]
        if v.ndim != 4 or v.shape[axis] != len(matrix):
            raise ValueError(f"matrix: for {len(matrix)} places along the {self.readout}, got {tuple(v.shape)}")
        return torch.einsum("nvc,bcnw->bvnw" if axis == -2 else "nvc,bchn->bvhn", matrix, v)

    def _data(self, matrix: Tensor, v: Tensor) -> Tensor:
        if matrix.ndim == 2:
            return self._mix(matrix, v)
        axis = (_READOUTS[self.readout],)
        return centred_fft(self._mix(matrix, centred_fft(v, axis, inverse=True)), axis)

    def forward(self, x: Tensor) -> Tensor:
        """``A(x)``; where the matrix has no shape of data, any (B, coils, ...) go through."""
        coils = self.matrix.shape[-1]
        if len(self.in_shape) > 1 or not isinstance(x, Tensor):
            return super().forward(x)
        if x.ndim < 2 or x.shape[1] != coils:
            raise ValueError(f"x: expected (B, {coils}, ...), got {tuple(x.shape)}")
        return self.A(x)

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        return self._data(self.matrix, x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return self._data(self.matrix.mH, y)


def _with_maps(op: MRI | NonCartesianMRI | VolumeMRI | StackedMRI, maps: Tensor) -> LinearOperator:
    """The operator with other coils."""
    if isinstance(op, MRI):
        return MRI(op.mask, maps)
    if isinstance(op, VolumeMRI):
        return VolumeMRI(op.mask[0, 0], maps)
    nufft = op.nufft
    engine: EngineOptions = {"eps": nufft.eps, "backend": nufft.backend, "threads": nufft.threads}
    if isinstance(op, StackedMRI):
        return StackedMRI(nufft.points, (op.in_shape[1], *nufft.image_shape), maps, **engine)
    return NonCartesianMRI(nufft.points, nufft.image_shape, maps, **engine)
