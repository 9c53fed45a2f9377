"""Plain functions as operators, in torch or in numpy."""

from collections.abc import Callable
from functools import partial
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import LinearOperator
from ..implicit import linear_map
from ..modes import exact
from ..shapes import as_constant, check_precision

__all__ = ["FunctionOperator", "cast"]

Function = Callable[[Any], Any]


def cast(value: Tensor, like: Tensor, complex_values: bool | None) -> Tensor:
    """Move to the device and precision of ``like``, and to real or complex values where that is known."""
    if complex_values is False and value.is_complex():
        value = value.real
    real = like.real.dtype
    complex_values = value.is_complex() if complex_values is None else complex_values
    return value.to(device=like.device, dtype=real.to_complex() if complex_values else real)


def _shape(in_shape: Any) -> tuple[int, ...]:
    try:
        return tuple(index(n) for n in in_shape)
    except TypeError:
        raise TypeError(f"in_shape: expected whole numbers (C, H, W), got {in_shape!r}") from None


def _numpy(function: Function, x: Tensor) -> Tensor:
    result = function(x.detach().cpu().resolve_conj().resolve_neg().numpy())
    return as_constant("function", result if isinstance(result, Tensor) else np.asarray(result))


class FunctionOperator(LinearOperator):
    """A function on batches (B, *in_shape), in torch or numpy, with its adjoint given or derived.

    Args:
        function: linear map of batches.
        adjoint: its adjoint for the real inner product; derived by autograd where None.
        in_shape: without the batch axis.
        in_dtype: ``torch.float32`` or, for complex images, ``torch.complex64``.

    Raises:
        ValueError: no ``adjoint`` for a function that autograd does not see through, such as one in numpy.
            Later, where it or its adjoint gives another shape than batches of data or images.
        TypeError: the function takes neither tensors nor arrays; or gives integers.

    >>> op = FunctionOperator(lambda x: x[..., ::2], in_shape=(1, 2, 4))
    >>> op.out_shape, op.A_adjoint(torch.ones(1, 1, 2, 2))[0, 0, 0].tolist()
    ((1, 2, 2), [1.0, 0.0, 1.0, 0.0])
    """

    def __init__(
        self,
        function: Function,
        adjoint: Function | None = None,
        *,
        in_shape: tuple[int, ...],
        in_dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if adjoint is not None and not callable(adjoint):
            raise TypeError(f"adjoint: expected a function, got {type(adjoint).__name__}")
        if not isinstance(in_dtype, torch.dtype):
            raise TypeError(f"in_dtype: expected torch.float32 or torch.complex64, got {in_dtype!r}")
        self.in_shape, self.in_dtype = _shape(in_shape), in_dtype
        self.function, self.adjoint = function, adjoint
        self._language = self._probe()
        if self._language != "torch" and adjoint is None:
            raise ValueError("adjoint: autograd does not see through this function; pass adjoint=")

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        if self._language == "torch":
            with exact(x):
                return cast(self._checked("function", self.function(x), len(x), self._out_shape), x, None)
        return linear_map(x, partial(self._call, self.function, None), partial(self._call, self.adjoint, True))

    def A_adjoint(self, y: Tensor) -> Tensor:
        if self.adjoint is None:
            return super().A_adjoint(y)
        check_precision("y", y)
        if self._language == "torch":
            with exact(y):
                back = self._checked("adjoint", self.adjoint(y), len(y), self.in_shape)
                return cast(back, y, self.in_dtype.is_complex)
        return linear_map(y, partial(self._call, self.adjoint, True), partial(self._call, self.function, None))

    def _call(self, function: Function | None, to_image: bool | None, value: Tensor) -> Tensor:
        assert function is not None  # checked at the start for what autograd does not see through
        result = _numpy(function, value) if self._language == "numpy" else function(value)
        name, shape = ("adjoint", self.in_shape) if to_image else ("function", self._out_shape)
        result = self._checked(name, result, len(value), shape)
        return cast(result, value, self.in_dtype.is_complex if to_image else None)

    @staticmethod
    def _checked(name: str, value: Any, batch: int, shape: tuple[int, ...] | None) -> Tensor:
        """``value`` if it is a batch of that size, and of that shape where it is known."""
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: expected a tensor, it gave {type(value).__name__}")
        expected = (batch, *(value.shape[1:] if shape is None else shape))
        if value.ndim < 2 or tuple(value.shape) != expected:
            wanted = (batch, "...") if shape is None else expected
            raise ValueError(
                f"{name}: expected {wanted} for a batch of {batch}, it gave {tuple(value.shape)}; it takes and gives "
                "batches, whose first axis is theirs"
            )
        if not (value.is_floating_point() or value.is_complex()):
            raise TypeError(f"{name}: expected floating point values, it gave {value.dtype}")
        return value

    def _probe(self) -> str:
        """torch: differentiable; opaque: tensors without a graph; numpy: arrays."""
        x = torch.zeros(2, *self.in_shape, dtype=self.in_dtype, device=self._device())  # of one a lost axis looks right
        y = None
        try:
            with torch.enable_grad():
                y = self.function(x.clone().requires_grad_())
        except (TypeError, RuntimeError, AttributeError, ValueError) as error:
            first: Exception | None = error
        else:
            first = None
        if isinstance(y, Tensor):
            self._checked("function", y, 2, None)
            return "torch" if y.requires_grad else "opaque"
        try:
            y = _numpy(self.function, x)
        except (TypeError, RuntimeError, AttributeError, ValueError) as error:
            raise TypeError(
                f"function: failed on a tensor and on an array of shape {tuple(x.shape)}: {first or error}"
            ) from error
        self._checked("function", y, 2, None)
        return "numpy"
