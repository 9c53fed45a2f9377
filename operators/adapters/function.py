"""Plain functions as operators, in torch or in numpy."""

from collections.abc import Callable
from functools import partial
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
        TypeError: the function takes neither tensors nor arrays.

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
        self.in_shape, self.in_dtype = tuple(in_shape), in_dtype
        self.function, self.adjoint = function, adjoint
        self._language = self._probe()
        if self._language != "torch" and adjoint is None:
            raise ValueError("adjoint: autograd does not see through this function; pass adjoint=")

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        if self._language == "torch":
            with exact(x):
                return self.function(x)
        return linear_map(x, partial(self._call, self.function, None), partial(self._call, self.adjoint, True))

    def A_adjoint(self, y: Tensor) -> Tensor:
        if self.adjoint is None:
            return super().A_adjoint(y)
        check_precision("y", y)
        if self._language == "torch":
            with exact(y):
                return cast(self.adjoint(y), y, self.in_dtype.is_complex)
        return linear_map(y, partial(self._call, self.adjoint, True), partial(self._call, self.function, None))

    def _call(self, function: Function | None, to_image: bool | None, value: Tensor) -> Tensor:
        assert function is not None  # checked at the start for what autograd does not see through
        result = _numpy(function, value) if self._language == "numpy" else function(value)
        return cast(result, value, self.in_dtype.is_complex if to_image else None)

    def _probe(self) -> str:
        """torch: differentiable; opaque: tensors without a graph; numpy: arrays."""
        x = torch.zeros(1, *self.in_shape, dtype=self.in_dtype, device=self._device())
        try:
            with torch.enable_grad():
                y = self.function(x.clone().requires_grad_())
            if isinstance(y, Tensor):
                return "torch" if y.requires_grad else "opaque"
        except (TypeError, RuntimeError, AttributeError, ValueError) as error:
            first: Exception | None = error
        else:
            first = None
        try:
            _numpy(self.function, x)
        except (TypeError, RuntimeError, AttributeError, ValueError) as error:
            raise TypeError(
                f"function: failed on a tensor and on an array of shape {tuple(x.shape)}: {first or error}"
            ) from error
        return "numpy"
