"""Several measurements of one image."""

import math
from functools import partial

import torch
from torch import Tensor, nn

from .base import LinearOperator
from .compose import either, same_images
from .made import Made
from .shapes import check_batch

__all__ = ["Stack", "stack"]


class Stack(Made):
    """Several measurements of one image: each operator's data flattened and put one after the other, (B, M).

    :meth:`split` gives them back in their own shapes. Data are complex if those of one operator are.

    >>> from operators import Weighted
    >>> half = Weighted(torch.full((1, 2, 2), 0.5))
    >>> op = stack(half, 2.0 * half)
    >>> [tuple(part.shape) for part in op.split(op(torch.ones(1, 1, 2, 2)))]
    [(1, 1, 2, 2), (1, 1, 2, 2)]
    """

    def __init__(self, *operators: LinearOperator) -> None:
        super().__init__()
        if not operators:
            raise ValueError("operators: nothing to stack")
        for op in operators:
            if not isinstance(op, LinearOperator):
                raise TypeError(f"operators: expected linear operators, stack(a, b), got {type(op).__name__}")
        for other in operators[1:]:
            same_images("stack", operators[0], other)
        self.operators = nn.ModuleList(operators)
        self.in_shape, self.in_dtype = operators[0].in_shape, operators[0].in_dtype
        self.field = operators[0].field
        self.sizes = [math.prod(op.out_shape) for op in operators]
        self.out_shape = (sum(self.sizes),)
        self.out_dtype = torch.complex64 if any(op.out_dtype.is_complex for op in operators) else torch.float32

    @property
    def measured(self) -> Tensor | None:
        masks = [op.measured for op in self._parts()]
        if all(mask is None for mask in masks):
            return None
        batch = max(1 if mask is None else len(mask) for mask in masks)
        ones = partial(torch.ones, dtype=torch.bool, device="cpu")
        every = [ones(1, n) if m is None else m.flatten(1) for m, n in zip(masks, self.sizes)]
        device = next(mask.device for mask in masks if mask is not None)
        return torch.cat([mask.to(device).expand(batch, -1) for mask in every], 1)

    @property
    def support(self) -> Tensor | None:
        masks = [op.support for op in self._parts()]
        found = masks[0]
        for mask in masks[1:]:
            found = either(found, mask)
        return found

    def A(self, x: Tensor) -> Tensor:
        parts = [op.A(x).flatten(1) for op in self._parts()]
        kind = torch.complex64 if self.out_dtype.is_complex else torch.float32
        batch = max(len(part) for part in parts)
        for part in parts:
            kind = torch.promote_types(kind, part.dtype)
        return torch.cat([part.to(kind).expand(batch, -1) for part in parts], 1)

    def split(self, y: Tensor) -> list[Tensor]:
        """Data (B, M) -> the data of each operator in its own shape."""
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        pieces = []
        for op, piece in zip(self._parts(), y.split(self.sizes, 1), strict=True):
            piece = piece.real if piece.is_complex() and not op.out_dtype.is_complex else piece
            pieces.append(piece.reshape(-1, *op.out_shape))
        return pieces

    def A_adjoint(self, y: Tensor) -> Tensor:
        return _total([op.A_adjoint(piece) for op, piece in zip(self._parts(), self.split(y), strict=True)])

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return _total([op.A_adjoint_A(x) for op in self._parts()])

    def _parts(self) -> list[LinearOperator]:
        return [op for op in self.operators if isinstance(op, LinearOperator)]


def _total(parts: list[Tensor]) -> Tensor:
    return sum(parts[1:], start=parts[0])


def stack(*operators: LinearOperator) -> Stack:
    """:class:`Stack` of operators on the same image."""
    return Stack(*operators)
