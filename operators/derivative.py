"""The derivative of a nonlinear operator, as a linear one."""

from typing import Any

import torch
from torch import Tensor

from .base import LinearOperator
from .modes import pull_back
from .nonlinear import Operator

__all__ = ["Derivative"]


class Derivative(LinearOperator):
    r"""Derivative of ``op`` at the images ``x``, :math:`\delta \mapsto A'(x)\, \delta`; its adjoint in reverse mode.

    >>> class Squared(Operator):
    ...     in_shape = (1, 1, 2)
    ...     def A(self, x):
    ...         return x**2
    >>> Derivative(Squared(), torch.tensor([[[[1.0, 2.0]]]])).A_adjoint(torch.ones(1, 1, 1, 2)).tolist()
    [[[[2.0, 4.0]]]]
    """

    x: Tensor

    def __init__(self, op: Operator, x: Tensor) -> None:
        super().__init__()
        self.op, self.field = op, op.field
        self.in_shape, self.in_dtype = op.in_shape, op.in_dtype
        self.out_shape, self.out_dtype = op.out_shape, op.out_dtype
        self.register_buffer("x", x, persistent=False)

    def A(self, x: Tensor) -> Tensor:
        at = self.x.to(x.dtype).expand_as(x)
        return torch.func.jvp(self.op.A, (at,), (x,))[1]

    def A_adjoint(self, y: Tensor) -> Tensor:
        at: Any = self.x.expand(y.shape[0], *self.in_shape)
        create = torch.is_grad_enabled() and (y.requires_grad or at.requires_grad)
        return pull_back(self.op.A, at, y, create=create)
