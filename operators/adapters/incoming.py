"""``as_operator``: one entrance for functions, matrices, scipy, pylops and sigpy operators, and deepinv physics."""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import LinearOperator
from ..modes import exact
from ..shapes import check_precision
from .function import FunctionOperator, cast
from .matrix import MatrixOperator, flat_shape

__all__ = ["DeepinvOperator", "as_operator"]


class DeepinvOperator(LinearOperator):
    """A linear deepinv physics: its ``A`` (never its noisy call), adjoint, normal, and prox where the class has one.

    Works on a copy, since a call of a physics with keywords changes it, and in the precision of its buffers.

    Args:
        physics: ``deepinv.physics.LinearPhysics``.
        in_shape: (C, H, W); by default ``physics.img_size``.
        in_dtype: ``torch.complex64`` for native complex images (deepinv's MRI has two real channels instead).

    Raises:
        TypeError: the physics is not linear, or its data are not one tensor.
        ValueError: ``in_shape`` is needed.
    """

    def __init__(
        self, physics: Any, *, in_shape: tuple[int, ...] | None = None, in_dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if not callable(getattr(physics, "A_adjoint", None)):
            raise TypeError(f"physics: {type(physics).__name__} has no A_adjoint: only linear physics fit")
        shape = in_shape if in_shape is not None else getattr(physics, "img_size", None)
        if shape is None:
            raise ValueError(f"in_shape: {type(physics).__name__} does not tell it; pass in_shape=(C, H, W)")
        shape = (1, *shape) if len(shape) == 2 else shape  # (H, W): one channel
        self.physics = physics.clone() if callable(getattr(physics, "clone", None)) else physics
        self.in_shape, self.in_dtype = tuple(int(n) for n in shape), in_dtype
        self.out_shape, self.out_dtype = self._datacast()
        with torch.no_grad():
            nothing = torch.zeros(1, *self.out_shape, dtype=self.out_dtype, device="cpu")
            back = self.physics.A_adjoint(self._own(nothing))
        if tuple(back.shape[1:]) != self.in_shape:
            raise ValueError(f"in_shape: the adjoint gives images of {tuple(back.shape[1:])}, not {self.in_shape}")
        owner = next((c for c in type(physics).__mro__ if "prox_l2" in vars(c)), None)
        # the inherited one stops at an absolute residual, so that small data are not solved at all
        self._closed_form = owner is not None and owner.__name__ not in ("Physics", "LinearPhysics")

    def _datacast(self) -> tuple[tuple[int, ...], torch.dtype]:
        with torch.no_grad():
            y = self.physics.A(self._own(torch.zeros(1, *self.in_shape, dtype=self.in_dtype, device=self._device())))
        if not isinstance(y, Tensor):
            raise TypeError(f"physics: data are {type(y).__name__}; adapt its parts and use operators.stack")
        return tuple(y.shape[1:]), torch.complex64 if y.is_complex() else torch.float32

    def _own(self, v: Tensor) -> Tensor:
        for tensor in (*self.physics.buffers(), *self.physics.parameters()):
            if tensor.is_floating_point() or tensor.is_complex():
                return cast(v, tensor, v.is_complex())
        return v

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        with exact(x):
            return cast(self.physics.A(self._own(x)), x, None)

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        with exact(y):
            return cast(self.physics.A_adjoint(self._own(y)), y, self.in_dtype.is_complex)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        with exact(x):
            return cast(self.physics.A_adjoint_A(self._own(x)), x, self.in_dtype.is_complex)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options: Any) -> Tensor:
        if not self._closed_form:
            return super().solve_normal(b, gamma, **options)
        g = self._gamma(gamma, b)
        some = self._own(torch.where(g > 0, g, 1.0).reshape(-1, 1))  # deepinv divides by gamma
        zero = torch.zeros(b.shape[0], *self.out_shape, dtype=self.out_dtype, device=b.device)
        # with data 0 the proximal map is the solve; image by image, since not every physics takes a batch of gamma
        triples = zip(self._own(b).split(1), self._own(zero).split(1), some, strict=True)
        x = cast(torch.cat([self.physics.prox_l2(*triple) for triple in triples]), b, self.in_dtype.is_complex)
        return torch.where(g > 0, x, b)


def _columns(apply: Callable[[Any], Any], shape: tuple[int, ...], x: Any) -> Any:
    """A batch of arrays (B, ...) as the columns that scipy works on, and back to (B, *shape)."""
    if isinstance(x, Tensor):
        raise TypeError("arrays only")
    return np.ascontiguousarray(apply(x.reshape(len(x), -1).T).T).reshape(len(x), *shape)


def _by_columns(apply: Callable[[Any], Any], columns: Any) -> Any:
    """Vector by vector, each of one axis: not every LinearOperator takes columns (astra's OpTomo does not)."""
    return np.stack([np.asarray(apply(np.ascontiguousarray(v))).ravel() for v in columns.T], 1)


def _scipy(obj: Any, in_shape: tuple[int, ...] | None, in_dtype: torch.dtype | None) -> LinearOperator:
    """scipy sparse matrices and LinearOperators, and what looks like them (pylops)."""
    rows, count = (int(n) for n in obj.shape)
    shape = flat_shape(in_shape, count)
    complex_values = np.dtype(obj.dtype or np.float64).kind == "c"
    if hasattr(obj, "tocsr"):
        forward, back = partial(operator.matmul, obj.tocsr()), partial(operator.matmul, obj.conj().T.tocsr())
    else:
        forward, back = (partial(_by_columns, f) for f in (obj.matvec, obj.rmatvec))
        try:
            back(np.zeros((rows, 1), dtype=obj.dtype))
        except (NotImplementedError, TypeError) as error:
            raise TypeError(f"obj: {type(obj).__name__} has no adjoint (rmatvec): {error}") from error
    kind = in_dtype or (torch.complex64 if complex_values else torch.float32)
    return FunctionOperator(
        partial(_columns, forward, (rows,)), partial(_columns, back, shape), in_shape=shape, in_dtype=kind
    )


def _sigpy(obj: Any, in_shape: tuple[int, ...] | None, in_dtype: torch.dtype | None) -> LinearOperator:
    """sigpy's Linop, image by image in numpy; its images are complex unless said otherwise."""
    inside = tuple(int(n) for n in obj.ishape)
    shape = in_shape if in_shape is not None else (1,) * (3 - len(inside)) + inside
    if int(np.prod(shape)) != int(np.prod(inside)):
        raise ValueError(f"in_shape: the operator has {inside}, got {tuple(shape)}")
    return FunctionOperator(
        partial(_one_by_one, obj, inside, None), partial(_one_by_one, obj.H, tuple(obj.oshape), shape), in_shape=shape,
        in_dtype=in_dtype or torch.complex64,
    )  # fmt: skip


def _one_by_one(apply: Callable[[Any], Any], inside: tuple[int, ...], outside: tuple[int, ...] | None, x: Any) -> Any:
    """A numpy function of one array over a batch."""
    if isinstance(x, Tensor):
        raise TypeError("arrays only")
    out = np.stack([np.asarray(apply(one.reshape(inside))) for one in x])
    return out if outside is None else out.reshape(len(x), *outside)


def _is_deepinv(obj: Any) -> bool:
    return any(c.__module__.startswith("deepinv.physics") for c in type(obj).__mro__)


def as_operator(
    obj: Any,
    *,
    in_shape: tuple[int, ...] | None = None,
    in_dtype: torch.dtype | None = None,
    adjoint: Callable[[Any], Any] | None = None,
) -> LinearOperator:
    """A :class:`LinearOperator` from what there is; run :func:`operators.doctor.check` on the result once.

    ============================  ==============================================================================
    ``obj``                       becomes
    ============================  ==============================================================================
    LinearOperator                itself; also out of ``to_deepinv``'s physics
    deepinv physics               :class:`DeepinvOperator`, without its noise
    matrix (tensor, array)        :class:`MatrixOperator` on flattened images, data (B, M); sparse tensors too
    scipy sparse, LinearOperator  numpy on flattened images, data (B, M); pylops too
    sigpy Linop                   numpy, image by image; complex images unless ``in_dtype`` says otherwise
    object with ``A``             its ``A`` and, where it has one, ``A_adjoint``
    function                      :class:`FunctionOperator`; in torch the adjoint is derived, in numpy pass it
    ============================  ==============================================================================

    Args:
        obj: see above; functions take batches.
        in_shape: (C, H, W) without batch; needed for functions.
        in_dtype: ``torch.float32`` or ``torch.complex64``; complex by default only for complex matrices.
        adjoint: of a function, for the real inner product.

    Raises:
        TypeError: ``obj`` is none of these, or is not linear.
        ValueError: ``in_shape`` or ``adjoint`` is missing or does not fit.

    >>> as_operator(lambda x: x.flip(-1), in_shape=(1, 2, 2)).out_shape
    (1, 2, 2)
    """
    if adjoint is not None and (isinstance(obj, (LinearOperator, Tensor, np.ndarray)) or not callable(obj)):
        raise ValueError(f"adjoint: only for functions, not for {type(obj).__name__}")
    if isinstance(obj, type):
        raise TypeError(f"obj: got the class {obj.__name__}; make an instance of it")
    if isinstance(getattr(obj, "op", None), LinearOperator) and _is_deepinv(obj):
        obj = obj.op
    if isinstance(obj, LinearOperator):
        if in_shape is not None and tuple(in_shape) != tuple(obj.in_shape):
            raise ValueError(f"in_shape: the operator has {tuple(obj.in_shape)}, got {tuple(in_shape)}")
        return obj
    kind = in_dtype or torch.float32
    if _is_deepinv(obj):
        return DeepinvOperator(obj, in_shape=in_shape, in_dtype=kind)
    if isinstance(obj, (Tensor, np.ndarray)):
        return MatrixOperator(obj, in_shape=in_shape, in_dtype=in_dtype)
    if all(hasattr(obj, name) for name in ("shape", "dtype")) and (hasattr(obj, "tocsr") or hasattr(obj, "rmatmat")):
        return _scipy(obj, in_shape, in_dtype)
    if all(hasattr(obj, name) for name in ("ishape", "oshape", "H")):
        return _sigpy(obj, in_shape, in_dtype)
    shape = in_shape if in_shape is not None else getattr(obj, "in_shape", None)
    function = getattr(obj, "A", obj)
    if not callable(function):
        raise TypeError(f"obj: cannot make an operator of {type(obj).__name__}; pass a function and in_shape=")
    if shape is None:
        raise ValueError("in_shape: needed for a function, (C, H, W) without batch")
    back = adjoint if adjoint is not None else getattr(obj, "A_adjoint", None)
    return FunctionOperator(function, back, in_shape=shape, in_dtype=in_dtype or getattr(obj, "in_dtype", kind))
