"""Operators made of operators: products, sums, multiples, adjoints, stacks, weights."""

import math

import torch
from torch import Tensor, nn

from .base import LinearOperator
from .doubts import Doubt
from .made import Made
from .modes import constant, tracked
from .shapes import Constant, as_constant, check_batch, check_broadcast, check_precision

__all__ = ["Adjoint", "Compose", "Scaled", "Stack", "Sum", "Weighted", "stack"]


def _same(what: str, a: LinearOperator, b: LinearOperator) -> None:
    if a.in_shape != b.in_shape or a.in_dtype.is_complex != b.in_dtype.is_complex:
        raise ValueError(
            f"operators: cannot {what} operators on different images, "
            f"{a.in_shape} {a.in_dtype} and {b.in_shape} {b.in_dtype}"
        )


def _either(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Where one of two masks holds; ``None`` holds everywhere."""
    return None if a is None or b is None else a | b


class Compose(Made):
    """``outer @ inner``: x -> outer(inner(x)).

    Raises:
        ValueError: the data of ``inner`` do not fit ``outer``.
    """

    def __init__(self, outer: LinearOperator, inner: LinearOperator) -> None:
        super().__init__()
        if tuple(outer.in_shape) != tuple(inner.out_shape):
            raise ValueError(f"operators: {outer.in_shape} of the outer operator is not {inner.out_shape} of the inner")
        if inner.out_dtype.is_complex and not outer.in_dtype.is_complex:
            raise ValueError("operators: the inner operator gives complex data, the outer one takes real values")
        self.outer, self.inner = outer, inner
        self.in_shape, self.in_dtype = inner.in_shape, inner.in_dtype
        self.out_shape, self.out_dtype = outer.out_shape, outer.out_dtype
        self.field = inner.field if inner.field != "natural" else outer.field

    @property
    def measured(self) -> Tensor | None:
        outer = self.outer.measured
        inner = self.inner.measured if isinstance(self.outer, Weighted) else None  # else the outer one mixes data
        return outer if inner is None else inner if outer is None else outer & inner

    @property
    def support(self) -> Tensor | None:
        return self.inner.support

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        return self.inner.doubts(y) if isinstance(self.outer, Weighted) else ()

    def A(self, x: Tensor) -> Tensor:
        return self.outer.A(self.inner.A(x))

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.inner.A_adjoint(self._between(self.outer.A_adjoint(y)))

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if isinstance(self.outer, Weighted):
            return self.inner.weighted_normal(x, self.outer.squared())
        return self.inner.A_adjoint(self._between(self.outer.A_adjoint_A(self.inner.A(x))))

    def _between(self, data: Tensor) -> Tensor:
        # real data inside a complex space: the adjoint of that inclusion takes the real part
        return data.real if data.is_complex() and not self.inner.out_dtype.is_complex else data


class Sum(Made):
    """``first + second``: x -> first(x) + second(x)."""

    def __init__(self, first: LinearOperator, second: LinearOperator) -> None:
        super().__init__()
        _same("add", first, second)
        if tuple(first.out_shape) != tuple(second.out_shape):
            raise ValueError(f"operators: cannot add data of shapes {first.out_shape} and {second.out_shape}")
        self.first, self.second = first, second
        self.in_shape, self.in_dtype = first.in_shape, first.in_dtype
        self.out_shape = first.out_shape
        self.out_dtype = torch.promote_types(first.out_dtype, second.out_dtype)
        self.field = first.field

    @property
    def support(self) -> Tensor | None:
        return _either(self.first.support, self.second.support)

    def A(self, x: Tensor) -> Tensor:
        return self.first.A(x) + self.second.A(x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        parts = (op.A_adjoint(y if op.out_dtype.is_complex else y.real) for op in (self.first, self.second))
        return sum(parts, start=torch.zeros((), dtype=y.real.dtype, device=y.device))


class Scaled(Made):
    """``factor * operator``; closed forms of the operator stay closed forms."""

    def __init__(self, operator: LinearOperator, factor: float | complex) -> None:
        super().__init__()
        if isinstance(factor, complex) and not operator.out_dtype.is_complex:
            raise ValueError("factor: a complex multiple needs an operator with complex data")
        if not math.isfinite(abs(factor)):
            raise ValueError(f"factor: expected a finite number, got {factor}")
        self.operator, self.factor = operator, factor
        self.in_shape, self.in_dtype = operator.in_shape, operator.in_dtype
        self.out_shape, self.out_dtype = operator.out_shape, operator.out_dtype
        self.field = operator.field

    @property
    def measured(self) -> Tensor | None:
        return self.operator.measured

    @property
    def support(self) -> Tensor | None:
        return self.operator.support

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        return self.operator.doubts(y)

    def A(self, x: Tensor) -> Tensor:
        return self.factor * self.operator.A(x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.operator.A_adjoint(self.factor.conjugate() * y)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return abs(self.factor) ** 2 * self.operator.A_adjoint_A(x)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        return self.operator.solve_normal(b, gamma * abs(self.factor) ** 2, **options)

    def norm(self) -> float:
        return abs(self.factor) * self.operator.norm()


class Adjoint(Made):
    """``op.H``: the adjoint as an operator; ``op.H.H is op``."""

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__()
        self.operator = operator
        self.in_shape, self.in_dtype = operator.out_shape, operator.out_dtype
        self.out_shape, self.out_dtype = operator.in_shape, operator.in_dtype

    @property
    def H(self) -> LinearOperator:
        return self.operator

    def A(self, x: Tensor) -> Tensor:
        return self.operator.A_adjoint(x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.operator.A(y)

    def norm(self) -> float:
        return self.operator.norm()


class Stack(Made):
    """Several measurements of one image: each operator's data flattened and put one after the other, (B, M).

    :meth:`split` gives them back in their own shapes. Data are complex if those of one operator are.

    >>> half = Weighted(torch.full((1, 2, 2), 0.5))
    >>> op = stack(half, 2.0 * half)
    >>> [tuple(part.shape) for part in op.split(op(torch.ones(1, 1, 2, 2)))]
    [(1, 1, 2, 2), (1, 1, 2, 2)]
    """

    def __init__(self, *operators: LinearOperator) -> None:
        super().__init__()
        if not operators:
            raise ValueError("operators: nothing to stack")
        for other in operators[1:]:
            _same("stack", operators[0], other)
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
        every = [torch.ones(1, n, dtype=torch.bool) if m is None else m.flatten(1) for m, n in zip(masks, self.sizes)]
        device = next(mask.device for mask in masks if mask is not None)
        return torch.cat([mask.to(device).expand(batch, -1) for mask in every], 1)

    @property
    def support(self) -> Tensor | None:
        masks = [op.support for op in self._parts()]
        found = masks[0]
        for mask in masks[1:]:
            found = _either(found, mask)
        return found

    def A(self, x: Tensor) -> Tensor:
        parts = [op.A(x).flatten(1) for op in self._parts()]
        kind = parts[0].dtype
        for part in parts[1:]:
            kind = torch.promote_types(kind, part.dtype)
        return torch.cat([part.to(kind) for part in parts], 1)

    def split(self, y: Tensor) -> list[Tensor]:
        """Data (B, M) -> the data of each operator in its own shape."""
        check_batch("y", y, self.out_shape, self.out_dtype.is_complex)
        pieces = []
        for op, piece in zip(self._parts(), y.split(self.sizes, 1), strict=True):
            piece = piece.real if piece.is_complex() and not op.out_dtype.is_complex else piece
            pieces.append(piece.reshape(-1, *op.out_shape))
        return pieces

    def A_adjoint(self, y: Tensor) -> Tensor:
        parts = [op.A_adjoint(piece) for op, piece in zip(self._parts(), self.split(y), strict=True)]
        return torch.stack(parts).sum(0)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return torch.stack([op.A_adjoint_A(x) for op in self._parts()]).sum(0)

    def _parts(self) -> list[LinearOperator]:
        return [op for op in self.operators if isinstance(op, LinearOperator)]


def stack(*operators: LinearOperator) -> Stack:
    """:class:`Stack` of operators on the same image."""
    return Stack(*operators)


class Weighted(LinearOperator):
    r"""Multiplication of data by real weights, :math:`y \mapsto w y`: ``Weighted(1 / std) @ op`` whitens.

    Args:
        weights: real, finite; of the data's shape, or one that broadcasts to it, with the batch axis or without.
        shape: of the data, without batch; default that of ``weights``, or that of the operator that it is put before.
        dtype: ``torch.complex64`` for complex data.

    >>> Weighted(torch.tensor([1.0, 2.0]))(torch.ones(1, 2)).tolist()
    [[1.0, 2.0]]
    """

    weights: Tensor

    def __init__(self, weights: Constant, *, shape: tuple[int, ...] | None = None, dtype: torch.dtype = torch.float32):
        super().__init__()
        weights = as_constant("weights", weights)
        if weights.is_complex() or not bool(torch.isfinite(weights).all()):
            raise ValueError("weights: expected real, finite values")
        self.register_buffer("weights", weights, persistent=False)
        self._squared: tuple[Tensor, int, Tensor] | None = None
        self._given = shape is not None
        self.in_shape = self.out_shape = tuple(weights.shape if shape is None else shape)
        self.in_dtype = self.out_dtype = dtype

    @property
    def measured(self) -> Tensor | None:
        taken = self.weights.detach() != 0
        if bool(taken.all()):
            return None
        return (
            taken.expand(1, *self.out_shape) if taken.ndim <= len(self.out_shape) else taken.expand(-1, *self.out_shape)
        )

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        shape = tuple(other.out_shape) if isinstance(other, LinearOperator) else self.in_shape
        if self._given or self.in_shape == shape:
            return super().__matmul__(other)
        check_broadcast("weights", self.weights, shape)
        return Compose(Weighted(self.weights, shape=shape, dtype=self.in_dtype), other)

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        return self.weights.to(x.real.dtype) * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return self.A(y)

    def squared(self) -> Tensor:
        """Squares of the weights, the same tensor as long as the weights are the same."""
        if self.weights.requires_grad or tracked(self.weights):
            return self.weights**2
        now = (self.weights, self.weights._version)
        if self._squared is None or self._squared[0] is not now[0] or self._squared[1] != now[1]:
            self._squared = (*now, constant(lambda: self.weights**2))
        return self._squared[2]

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        return b / (1 + self._gamma(gamma, b) * self.weights.to(b.real.dtype) ** 2)
