"""How data scatter around what an operator gives: likelihoods, pointwise on the data; those of counts in counts.py."""

import copy
import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from operators.base import LinearOperator
from operators.compose import Weighted
from operators.linalg import column, dot
from operators.modes import Lasting
from operators.nonlinear import Operator
from operators.shapes import as_constant, check_batch

from .arguments import check_deviation, operator_of, positive
from .noise_level import estimate_noise

__all__ = ["Ball", "Exact", "Gaussian", "Huber", "Likelihood", "as_likelihood"]


class Likelihood(nn.Module, metaclass=Lasting):
    r"""Data y of an operator A: :math:`f(v, y) = -\log p(y \mid v)` at v = Ax, up to what does not depend on v.

    A solver's first argument; a bare operator there means :class:`Gaussian`. Pointwise on data, batch first. A
    subclass writes :meth:`value`, :meth:`gradient`, :meth:`prox` and :meth:`weights`.

    Attributes:
        op: the operator.
        noise_std: of Gaussian data, per real component; ``None``: there is none, or it is estimated.
    """

    noise_std: Any = None
    closed = False  # whether prox of x -> f(Ax) is a linear solve

    def __init__(self, op: Any) -> None:
        super().__init__()
        self.op: Operator = operator_of(op)

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        """f of each sample, (B,)."""
        raise NotImplementedError(f"{type(self).__name__} has to write value(v, y)")

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        """Derivative of f by v, of the shape of v."""
        raise NotImplementedError(f"{type(self).__name__} has to write gradient(v, y)")

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        r""":math:`\arg\min_u s f(u, y) + \tfrac12 \|u - v\|^2`, s > 0 of each sample (B,)."""
        raise NotImplementedError(f"{type(self).__name__} has to write prox(v, y, s)")

    def weights(self, y: Tensor) -> Tensor:
        """Second derivative of f that is expected of each datum (information), of the data's shape or broadcasting."""
        raise NotImplementedError(f"{type(self).__name__} has to write weights(y)")

    def curvature(self, y: Tensor) -> Tensor:
        """Largest second derivative of f where iterates go, (B,)."""
        return self.weights(y).expand(y.shape[0], *self.op.out_shape).flatten(1).amax(1)

    def as_data(self, y: Tensor) -> Tensor:
        """What Ax would be without noise, as far as y says it."""
        return y

    def blank(self, y: Tensor) -> Tensor:
        """Data without noise of Ax = 0, of the shape of y."""
        return torch.zeros_like(y)

    def check(self, y: Tensor) -> None:
        """Raise where ``y`` are no such data."""
        check_batch("y", y, self.op.out_shape, self.op.out_dtype.is_complex)

    def given(self, y: Tensor) -> Tensor:
        """The data as the other methods take them: whitened, where noise is uneven."""
        return y

    def alive(self, y: Tensor) -> Tensor:
        """Which samples hold anything but zeros, (B,); the answer of others is zero."""
        return torch.ones(y.shape[0], dtype=torch.bool, device=y.device)

    def known(self, y: Tensor) -> tuple[Self, str]:
        """This likelihood with a noise level for each sample, and where it came from."""
        return self, type(self).__name__

    def with_noise(self, noise_std: Tensor) -> Self:
        """The same at another noise level; those that have none are themselves."""
        return self

    def with_op(self, op: Any) -> Self:
        """The same for another operator."""
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other.op = operator_of(op)
        return other


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


class Huber(Gaussian):
    r"""Noise with outliers: squares up to ``threshold`` standard deviations, from there on straight lines.

    .. math:: f = \sum \varphi(|v - y| / \sigma_n), \qquad
        \varphi(r) = \tfrac12 r^2 \;(r \le t), \quad t r - \tfrac12 t^2 \;(r > t)

    Args:
        op, noise_std: as of :class:`Gaussian`, without the outliers.
        threshold: t; 1.345 keeps 95 % of the precision where there are none.

    Huber 1964, doi:10.1214/aoms/1177703732.

    >>> from operators import Identity
    >>> far = torch.full((1, 1, 1, 1), 9.0)
    >>> Huber(Identity((1, 1)), 1.0, threshold=2.0).gradient(far, 0 * far).item()
    2.0
    """

    closed = False

    def __init__(self, op: Any, noise_std: float | Tensor | None = None, *, threshold: float = 1.345) -> None:
        super().__init__(op, noise_std)
        self.threshold = positive("threshold", threshold)

    def _edge(self, like: Tensor) -> Tensor:
        return self.threshold * column(self.noise_std, like)

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        r, edge = (v - y).abs(), self._edge(v)
        return (torch.where(r <= edge, r**2 / 2, edge * (r - edge / 2)) / self._variance(v)).flatten(1).sum(1)

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        r, edge = v - y, self._edge(v)
        return r * (edge / r.abs().clamp_min(torch.finfo(edge.dtype).tiny)).clamp(max=1) / self._variance(v)

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        r, edge, weight = v - y, self._edge(v), column(s, v) / self._variance(v)
        size = r.abs()
        far = 1 - weight * edge / size.clamp_min(torch.finfo(edge.dtype).tiny)
        return y + r * torch.where(size <= edge * (1 + weight), 1 / (1 + weight), far)


class Ball(Gaussian):
    r"""Data that lie as far from Ax as noise may: :math:`f = 0` where
    :math:`\|v - y\|^2 \le \sigma_n^2 (M + 2 \sqrt M)`, M the number of real data, infinite elsewhere.

    Needs no strength: of all images that fit so far, the one that the prior likes best (:class:`pnp.PnPPDHG`).
    Args as of :class:`Gaussian`. Terris, Dabbech, Tang, Wiaux 2022, doi:10.1093/mnras/stac2672 (cAIRI).

    >>> from operators import Identity
    >>> ball = Ball(Identity((1, 4)), 1.0)
    >>> round(ball.prox(torch.full((1, 1, 1, 4), 9.0), torch.zeros(1, 1, 1, 4), torch.ones(1)).norm().item() ** 2, 3)
    8.0
    """

    closed = False

    def radius(self, like: Tensor) -> Tensor:
        """Of the ball, (B,)."""
        count = math.prod(like.shape[1:]) * (2 if like.is_complex() else 1)
        return column(self.noise_std, like).flatten() * math.sqrt(count + 2 * math.sqrt(count))

    def value(self, v: Tensor, y: Tensor) -> Tensor:
        far = dot(v - y, v - y).sqrt() > self.radius(v) * (1 + 1e-6)
        return torch.where(far, torch.full_like(self.radius(v), math.inf), torch.zeros_like(self.radius(v)))

    def gradient(self, v: Tensor, y: Tensor) -> Tensor:
        raise TypeError("Ball: has no gradient; use a method of proximal maps (PnPPDHG, PnPADMM, PnPDRS)")

    def prox(self, v: Tensor, y: Tensor, s: Tensor) -> Tensor:
        r, size = v - y, dot(v - y, v - y).sqrt()
        return y + r * column((self.radius(v) / size.clamp_min(torch.finfo(size.dtype).tiny)).clamp(max=1), r)


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
