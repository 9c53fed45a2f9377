"""Operators made of operators: products, sums, multiples, adjoints, weights."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .base import LinearOperator
from .doubts import Doubt, Variant
from .kept import Kept
from .made import Made
from .modes import tracked
from .shapes import Constant, as_constant, check_broadcast, check_precision

__all__ = ["Adjoint", "Compose", "Scaled", "Sum", "Weighted", "either", "same_images"]


def same_images(what: str, a: LinearOperator, b: LinearOperator) -> None:
    """Raise unless two operators take the same images."""
    if a.in_shape != b.in_shape or a.in_dtype.is_complex != b.in_dtype.is_complex:
        raise ValueError(
            f"operators: cannot {what} operators on different images, "
            f"{a.in_shape} {a.in_dtype} and {b.in_shape} {b.in_dtype}"
        )


def either(a: Tensor | None, b: Tensor | None) -> Tensor | None:
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
        return self.inner.doubts(self.outer.undone(y)) if isinstance(self.outer, Weighted) else ()

    def variants(self, y: Tensor) -> Iterator[Variant]:
        if isinstance(self.outer, Weighted):
            for doubt, op, data in self.inner.variants(self.outer.undone(y)):
                yield Variant(doubt, self.outer @ op, self.outer.A(data))

    def finer(self, factor: int, rays: int = 1) -> LinearOperator:
        inner = self.inner.finer(factor, rays)
        assert isinstance(inner, LinearOperator)
        return self.outer @ inner

    def A(self, x: Tensor) -> Tensor:
        return self.outer.A(self.inner.A(x))

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.inner.A_adjoint(self._between(self.outer.A_adjoint(y)))

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if isinstance(self.outer, Weighted):
            return self.inner.weighted_normal(x, self.outer.squared())
        return self.inner.A_adjoint(self._between(self.outer.A_adjoint_A(self.inner.A(x))))

    def preconditioner(self, gamma: Tensor) -> Callable[[Tensor], Tensor] | None:
        if not isinstance(self.outer, Weighted):
            return None
        return self.inner.weighted_preconditioner(gamma, self.outer.squared())

    def _between(self, data: Tensor) -> Tensor:
        # real data inside a complex space: the adjoint of that inclusion takes the real part
        return data.real if data.is_complex() and not self.inner.out_dtype.is_complex else data


class Sum(Made):
    """``first + second``: x -> first(x) + second(x)."""

    def __init__(self, first: LinearOperator, second: LinearOperator) -> None:
        super().__init__()
        same_images("add", first, second)
        if tuple(first.out_shape) != tuple(second.out_shape):
            raise ValueError(f"operators: cannot add data of shapes {first.out_shape} and {second.out_shape}")
        self.first, self.second = first, second
        self.in_shape, self.in_dtype = first.in_shape, first.in_dtype
        self.out_shape = first.out_shape
        self.out_dtype = torch.promote_types(first.out_dtype, second.out_dtype)
        self.field = first.field

    @property
    def support(self) -> Tensor | None:
        return either(self.first.support, self.second.support)

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

    def variants(self, y: Tensor) -> Iterator[Variant]:
        for doubt, op, data in self.operator.variants(y):
            yield Variant(doubt, self.factor * op, data)

    def finer(self, factor: int, rays: int = 1) -> LinearOperator:
        inner = self.operator.finer(factor, rays)
        assert isinstance(inner, LinearOperator)
        return self.factor * inner

    def A(self, x: Tensor) -> Tensor:
        return self.factor * self.operator.A(x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.operator.A_adjoint(self.factor.conjugate() * y)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return abs(self.factor) ** 2 * self.operator.A_adjoint_A(x)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        return self.operator.solve_normal(b, gamma * abs(self.factor) ** 2, **options)

    def preconditioner(self, gamma: Tensor) -> Callable[[Tensor], Tensor] | None:
        return self.operator.preconditioner(gamma * abs(self.factor) ** 2)

    def weighted_normal(self, x: Tensor, weights: Tensor) -> Tensor:
        return abs(self.factor) ** 2 * self.operator.weighted_normal(x, weights)

    def weighted_preconditioner(self, gamma: Tensor, weights: Tensor) -> Callable[[Tensor], Tensor] | None:
        return self.operator.weighted_preconditioner(gamma * abs(self.factor) ** 2, weights)

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


class Weighted(LinearOperator):
    r"""Multiplication of data by real weights, :math:`y \mapsto w y`: ``Weighted(1 / std) @ op`` whitens.

    Args:
        weights: real, finite; of the data's shape, or one that broadcasts to it, with the batch axis or without.
        shape: of the data, without batch; default that of ``weights``, or that of the operator that it is put before.
        dtype: of the data; default real, or that of the operator that it is put before.

    >>> Weighted(torch.tensor([1.0, 2.0]))(torch.ones(1, 2)).tolist()
    [[1.0, 2.0]]
    """

    weights: Tensor

    def __init__(self, weights: Constant, *, shape: tuple[int, ...] | None = None, dtype: torch.dtype | None = None):
        super().__init__()
        weights = as_constant("weights", weights)
        if weights.is_complex() or not bool(torch.isfinite(weights).all()):
            raise ValueError("weights: expected real, finite values")
        self.register_buffer("weights", weights, persistent=False)
        self._squared = Kept()
        self._given, self._kind = shape is not None, dtype
        self.in_shape = self.out_shape = tuple(weights.shape if shape is None else shape)
        self.in_dtype = self.out_dtype = torch.float32 if dtype is None else dtype

    @property
    def measured(self) -> Tensor | None:
        taken = self.weights.detach() != 0
        if bool(taken.all()):
            return None
        return taken.expand(1 if taken.ndim <= len(self.out_shape) else -1, *self.out_shape)

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        if not isinstance(other, LinearOperator):
            return super().__matmul__(other)
        shape = self.in_shape if self._given else tuple(other.out_shape)
        kind = other.out_dtype if self._kind is None else self._kind
        if isinstance(other, Compose) and isinstance(other.outer, Weighted):
            inner = other.outer.weights
            if not (tracked(self.weights) or tracked(inner)):  # one product keeps the normal of the operator within
                check_broadcast("weights", self.weights, shape)
                product = Weighted(self.weights * inner.to(self.weights.device), shape=shape, dtype=kind)
                return Compose(product, other.inner)
        if (self.in_shape, self.in_dtype) == (shape, kind):
            return super().__matmul__(other)
        check_broadcast("weights", self.weights, shape)
        return Compose(Weighted(self.weights, shape=shape, dtype=kind), other)

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        return self.weights.to(x.real.dtype) * x

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return self.A(y)

    def undone(self, y: Tensor) -> Tensor:
        """Data before the weights; zero where these are."""
        weights = self.weights.to(y.real.dtype)
        return torch.where(weights != 0, y / torch.where(weights != 0, weights, 1), 0)

    def squared(self) -> Tensor:
        """Squares of the weights in double precision, the same tensor as long as the weights are the same."""
        return self._squared(self.weights, None, lambda: self.weights.double() ** 2)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **_) -> Tensor:
        return b / (1 + self._gamma(gamma, b) * self.weights.to(b.real.dtype) ** 2)
