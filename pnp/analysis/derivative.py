"""The derivative of a map of vectors at a point, and its norm."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from .spectrum import Top, largest

__all__ = ["Derivative"]


class Derivative:
    """Products with the derivative J of a map of real vectors (B, N), and with its adjoint, each sample on its own.

    Forward products are in forward mode, which passes inner solves; adjoint ones go through one graph, made once.

    Raises:
        RuntimeError: in a product: the map has no derivative.

    >>> double = Derivative(lambda v: 2 * v, torch.ones(1, 3))
    >>> double.forward(torch.ones(1, 3)).tolist(), round(double.norm(1.0, 1.0).value.real.item(), 4)
    ([[2.0, 2.0, 2.0]], 1.0)
    """

    def __init__(self, function: Callable[[Tensor], Tensor], at: Tensor) -> None:
        self.function, self.at = function, at.detach()
        with torch.enable_grad():
            self._leaf = self.at.clone().requires_grad_()
            self._out = function(self._leaf)
        if not self._out.requires_grad:
            raise RuntimeError("the iteration has no derivative: its denoiser or operator leaves torch's graph")

    def forward(self, v: Tensor) -> Tensor:
        """J v."""
        with forward_ad.dual_level():
            out = forward_ad.unpack_dual(self.function(forward_ad.make_dual(self.at, v)))
            return torch.zeros_like(v) if out.tangent is None else out.tangent.detach()

    def adjoint(self, v: Tensor) -> Tensor:
        """J* v."""
        return torch.autograd.grad(self._out, self._leaf, v, retain_graph=True)[0]

    def norm(
        self, shift: float = 0.0, scale: float = 1.0, power: int = 1, *, steps: int = 40, rtol: float = 1e-3
    ) -> Top:
        r"""Largest eigenvalue of :math:`M^* M` for :math:`M = cJ^m - sI`: the square of its norm, from below."""

        def product(v: Tensor) -> Tensor:
            w = v
            for _ in range(power):
                w = self.forward(w)
            w = scale * w - shift * v
            u = w
            for _ in range(power):
                u = self.adjoint(u)
            return scale * u - shift * w

        top = largest(product, self.at, steps=steps, rtol=rtol, symmetric=True)
        return top._replace(products=2 * power * top.products)
