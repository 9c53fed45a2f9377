"""How data scatter around what an operator gives: what every likelihood is, pointwise on the data."""

import copy
from typing import Any, Self

import torch
from torch import Tensor, nn

from operators.modes import Lasting
from operators.nonlinear import Operator
from operators.shapes import check_batch

from ..arguments import operator_of

__all__ = ["Likelihood"]


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

    def tamed(self, y: Tensor) -> Tensor:
        """The data without what lies too far from all others to begin with."""
        return y

    def counted(self, rest: Tensor, taken: Tensor) -> Tensor:
        """What Ax - y leaves where something was ``taken``, as the misfit counts it."""
        return rest

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
