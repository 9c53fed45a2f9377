"""Matrices as operators, dense and sparse."""

import math

import torch
from torch import Tensor

from ..base import LinearOperator
from ..modes import exact
from ..shapes import Constant, as_constant, check_precision
from .function import cast

__all__ = ["MatrixOperator", "flat_shape"]


def flat_shape(in_shape: tuple[int, ...] | None, count: int) -> tuple[int, ...]:
    """``in_shape``, or (count,) where it is None; ValueError unless it holds ``count`` numbers."""
    shape = (count,) if in_shape is None else tuple(in_shape)
    if math.prod(shape) != count:
        raise ValueError(f"in_shape: {shape} has {math.prod(shape)} numbers, the operator takes {count}")
    return shape


class MatrixOperator(LinearOperator):
    r"""A matrix (M, N) on flattened images: :math:`y = M\,\mathrm{vec}(x)`, (B, *in_shape) -> (B, M).

    Args:
        matrix: floating point, finite; dense, or sparse in any of torch's layouts.
        in_shape: of N numbers; (N,) by default.
        in_dtype: complex images by default where the matrix is complex; ``torch.float32`` keeps images real.

    Raises:
        ValueError: not a matrix, not finite, or N numbers do not fill ``in_shape``.

    >>> MatrixOperator(torch.tensor([[1.0, 2.0]]))(torch.tensor([[3.0, 4.0]])).tolist()
    [[11.0]]
    """

    matrix: Tensor

    def __init__(
        self, matrix: Constant, *, in_shape: tuple[int, ...] | None = None, in_dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        matrix = as_constant("matrix", matrix)
        matrix = matrix if matrix.is_floating_point() or matrix.is_complex() else matrix.float()
        if matrix.layout != torch.strided:
            matrix = matrix.to_sparse_coo().coalesce()
        values = matrix.values() if matrix.is_sparse else matrix
        if matrix.ndim != 2 or not bool(torch.isfinite(values).all()):
            raise ValueError(f"matrix: expected finite values of shape (M, N), got {tuple(matrix.shape)}")
        if isinstance(matrix, torch.nn.Parameter):
            self.matrix = matrix
        else:
            self.register_buffer("matrix", matrix, persistent=False)
        self.in_shape, self.out_shape = flat_shape(in_shape, matrix.shape[1]), (matrix.shape[0],)
        self.in_dtype = in_dtype or (torch.complex64 if matrix.is_complex() else torch.float32)
        both = matrix.is_complex() or self.in_dtype.is_complex
        self.out_dtype = torch.complex64 if both else torch.float32

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        matrix, x = self._match(x.flatten(1))
        with exact(x):
            return (matrix @ x.mT).mT

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        matrix, y = self._match(y)
        with exact(y):
            x = (matrix.mT @ y.conj().mT).conj().resolve_conj().mT.reshape(-1, *self.in_shape)
        return x if self.in_dtype.is_complex or not x.is_complex() else x.real

    def _match(self, v: Tensor) -> tuple[Tensor, Tensor]:
        matrix = cast(self.matrix, v, None)
        kind = torch.promote_types(matrix.dtype, v.dtype)
        return matrix.to(kind), v.to(kind)
