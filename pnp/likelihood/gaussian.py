"""Gaussian noise, even or uneven, and none at all."""

import copy
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.compose import Weighted
from operators.linalg import column, dot
from operators.shapes import as_constant

from ..arguments import check_deviation
from ..noise_level import estimate_noise
from .base import Likelihood

__all__ = ["Exact", "Gaussian", "as_likelihood"]


class Gaussian(Likelihood):
    r"""White noise, :math:`f = \|v - y\|^2 / (2 \sigma_n^2)`.

    Args:
        op: operator, or what :func:`operators.as_operator` takes.
        noise_std: :math:`\sigma_n` per real component, in the units of y: a number, one per sample (B,), or one per
            datum (1 | B, *op.out_shape), infinite where nothing was measured; ``None``: estimated for each sample; 0:
            the data are exact.

    With one per datum everything is whitened: ``op`` is ``Weighted(1 / noise_std) @ measured`` then, of noise one.

    >>> from operators import Identity
    >>> g = Gaussian(Identity((1, 2)), 0.5)
    >>> g.value(torch.ones(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)).item()
    4.0
    """

    closed = True
    deviations: Tensor | None

    def __init__(self, op: Any, noise_std: float | Tensor | None = None) -> None:
        super().__init__(op)
        noise_std = as_constant("noise_std", noise_std) if isinstance(noise_std, np.ndarray) else noise_std
        check_deviation(noise_std)
        self.measured: Any = self.op
        self.noise_std = noise_std
        uneven = noise_std if isinstance(noise_std, Tensor) and noise_std.ndim > 1 else None
        if uneven is not None:  # 1 / std in single precision is not what y / std is in double
            uneven = uneven.double() if uneven.ndim > len(self.op.out_shape) else uneven.double()[None]
        self.register_buffer("deviations", uneven, persistent=False)
        if uneven is not None:
            if not isinstance(self.op, LinearOperator):
                raise TypeError("noise_std: one value a datum needs a linear operator")
            if not bool((uneven > 0).all()):
                raise ValueError("noise_std: expected values > 0 for each datum, infinite where nothing was measured")
            self.noise_std, self.op = 1.0, self._whitened(self.op)

    def _whitened(self, op: LinearOperator) -> LinearOperator:
        std, shape = self.deviations, op.out_shape
        assert std is not None
        if std.ndim != len(shape) + 1 or any(n not in (1, m) for n, m in zip(std.shape[1:], shape)):
            raise ValueError(f"noise_std: {tuple(std.shape)} does not fit data of shape (B, *{tuple(shape)})")
        return Weighted((1 / std).expand(-1, *shape), shape=shape, dtype=op.out_dtype) @ op

    def given(self, y: Tensor) -> Tensor:
        return y if self.deviations is None else y / self.deviations.to(y.real.dtype)

    def deviation(self, y: Tensor) -> Tensor:
        """Standard deviation of each datum, of the shape of ``y`` or broadcasting to it."""
        return column(self.noise_std, y) if self.deviations is None else self.deviations.to(y.real.dtype)

    def with_op(self, op: Any) -> Self:
        other = super().with_op(op)
        other.measured = other.op
        if self.deviations is not None:
            other.op = other._whitened(other.op)  # pyright: ignore[reportArgumentType]
        return other

    def _variance(self, like: Tensor) -> Tensor:
        return column(self.noise_std, like) ** 2

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        return dot(v - y, (v - y) / self._variance(v)) / 2

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        return (v - y) / self._variance(v)

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        variance, weight = self._variance(v), column(s, v)
        return (variance * v + weight * y) / (variance + weight)

    def weights(self, y: Tensor) -> Tensor:
        return 1 / self._variance(y)

    def alive(self, y: Tensor) -> Tensor:
        return y.detach().abs().flatten(1).amax(1) > 0

    def known(self, y: Tensor) -> tuple[Self, str]:
        batch, real = y.shape[0], y.real.dtype
        source = "given"
        if self.noise_std is None:
            if not isinstance(self.op, LinearOperator):
                raise ValueError("noise_std: an operator that is not linear needs one")
            sigma, source = estimate_noise(self.op, y)
        else:
            try:
                sigma = torch.as_tensor(self.noise_std, dtype=real, device=y.device).reshape(-1)
            except (TypeError, ValueError, RuntimeError) as error:
                raise TypeError(f"noise_std: expected a number or (B,) numbers, got {self.noise_std!r}") from error
            if sigma.numel() not in (1, batch):
                raise ValueError(f"noise_std: expected one value or {batch} (one per sample), got {sigma.numel()}")
            if not bool(((sigma >= 0) & torch.isfinite(sigma)).all()):
                raise ValueError(f"noise_std: expected finite values >= 0, got {sigma.tolist()}")
        return self.with_noise(sigma.to(real).expand(batch)), source

    def with_noise(self, noise_std: Tensor) -> Self:
        """The same at another noise level."""
        other = copy.copy(self)
        other.noise_std = noise_std
        return other


class Exact(Gaussian):
    """Data without noise: Ax = y.

    >>> from operators import Identity
    >>> Exact(Identity((1, 2))).prox(torch.zeros(1, 1, 1, 2), torch.ones(1, 1, 1, 2), torch.ones(1)).sum().item()
    2.0
    """

    def __init__(self, op: Any) -> None:
        super().__init__(op, 0.0)


def as_likelihood(obj: Any, noise_std: Any = None) -> Likelihood:
    """``obj`` itself, or :class:`Gaussian` for an operator and whatever :func:`operators.as_operator` takes.

    Raises:
        ValueError: a likelihood and a noise level besides.
    """
    if isinstance(obj, Likelihood):
        if noise_std is not None:
            raise ValueError(f"noise_std: goes into the likelihood, {type(obj).__name__}(op, ...)")
        return obj
    return Gaussian(obj, noise_std)
