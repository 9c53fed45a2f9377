"""Where a detector is: shifts along its bins, one for all views or one for each."""

import math
from typing import Any

import torch
from torch import Tensor

__all__ = ["check_shift", "each_view", "largest_shift", "mean_shift"]


def check_shift(name: str, value: Any, views: int) -> float | Tensor:
    """A number, or a tensor in double precision, () or (views,), that may require gradients.

    Raises:
        TypeError, ValueError: it is neither, not finite, or of another number of views; ``name`` is named.

    >>> check_shift("offset", torch.tensor(2), 5)
    tensor(2., dtype=torch.float64)
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        shift: Any = float(value)
        finite = math.isfinite(shift)
    else:
        try:
            shift = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name}: expected a number, or one for each view, got {value!r}") from error
        if shift.is_complex() or shift.dtype == torch.bool:
            raise TypeError(f"{name}: expected real numbers, got {shift.dtype}")
        shift = shift.double()
        if shift.shape not in ((), (views,)):
            raise ValueError(f"{name}: expected one number or {views}, one for each view, got {tuple(shift.shape)}")
        finite = bool(torch.isfinite(shift).all())
    if not finite:
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return shift


def mean_shift(shift: float | Tensor) -> float:
    """The mean over the views."""
    return float(shift.detach().mean()) if isinstance(shift, Tensor) else shift


def largest_shift(shift: float | Tensor) -> float:
    """The largest size over the views."""
    return float(shift.detach().abs().max()) if isinstance(shift, Tensor) else abs(shift)


def each_view(shift: float | Tensor) -> float | Tensor:
    """A column, (views, 1), to go with bins, of shifts that views have of their own."""
    return shift[:, None] if isinstance(shift, Tensor) and shift.ndim else shift
