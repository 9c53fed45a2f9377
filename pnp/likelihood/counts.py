"""What likelihoods of counts share: real data that are not negative, a known background."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from operators.shapes import as_constant, check_broadcast

from .base import Likelihood

__all__ = ["Counts"]


class Counts(Likelihood):
    """Real data that are not negative, with a known background."""

    background: Tensor

    def __init__(self, op: Any, background: float | Tensor) -> None:
        super().__init__(op)
        self._keep("background", background)
        if self.op.out_dtype.is_complex:
            raise ValueError("op: counts are real, the data of this operator are complex")

    def _keep(self, name: str, value: float | Tensor, *, positive: bool = False) -> None:
        """Keep a number or a tensor that broadcasts against the data."""
        if not isinstance(value, int | float | Tensor | np.ndarray | np.number) or isinstance(value, bool):
            raise TypeError(f"{name}: expected a number or an array of them, got {value!r}")
        exact = None if isinstance(value, Tensor) else torch.float64  # numbers in double precision
        level = as_constant(name, value) if isinstance(value, np.ndarray) else torch.as_tensor(value, dtype=exact)
        if level.is_complex() or level.dtype == torch.bool:
            raise TypeError(f"{name}: expected real numbers, got {level.dtype}")
        level = level.double()
        check_broadcast(name, level, self.op.out_shape)
        if not bool(((level > 0 if positive else level >= 0) & torch.isfinite(level)).all()):
            raise ValueError(f"{name}: expected finite values {'> 0' if positive else '>= 0'}")
        self.register_buffer(name, level, persistent=False)

    def check(self, y: Tensor) -> None:
        super().check(y)
        if not bool((y >= 0).all()):
            raise ValueError("y: counts are not negative")
