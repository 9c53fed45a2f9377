"""What is left of a beam behind an absorber: exponentials of line integrals."""

from torch import Tensor

from ..base import LinearOperator
from ..compose import Weighted
from ..nonlinear import Operator

__all__ = ["BeerLambert"]


class BeerLambert(Operator):
    r"""Intensities behind an absorber, :math:`y = I_0\, e^{-R x}`, for line integrals R x; their logarithm is linear.

    For counts use :class:`pnp.Transmission` of R instead, which is their likelihood; this is for intensities with
    noise that is even, or comes from the detector.

    Args:
        op: the line integrals, linear and real.
        intensity: :math:`I_0` > 0, without the absorber.

    Beer 1852, doi:10.1002/andp.18521620505.

    >>> import torch
    >>> from operators import Radon
    >>> op = BeerLambert(Radon(8, torch.arange(4) * 0.7), intensity=2.0)
    >>> op(torch.zeros(1, 1, 8, 8)).unique().tolist()
    [2.0]
    """

    def __init__(self, op: LinearOperator, intensity: float = 1.0) -> None:
        super().__init__()
        if not isinstance(op, LinearOperator) or op.out_dtype.is_complex:
            raise TypeError(f"op: expected line integrals, a real linear operator, got {type(op).__name__}")
        if not 0 < intensity < float("inf"):
            raise ValueError(f"intensity: expected a positive number, got {intensity}")
        self.op, self.intensity, self.field = op, float(intensity), op.field
        self.in_shape, self.in_dtype = op.in_shape, op.in_dtype
        self.out_shape, self.out_dtype = op.out_shape, op.out_dtype

    def finer(self, factor: int, rays: int = 1) -> "BeerLambert":
        op = self.op.finer(factor, rays)
        assert isinstance(op, LinearOperator)
        return BeerLambert(op, self.intensity)

    def A(self, x: Tensor) -> Tensor:
        return self.intensity * (-self.op.A(x)).exp()

    def linearised(self, x: Tensor) -> LinearOperator:
        r""":math:`\delta \mapsto -y\, R \delta`."""
        return Weighted(-self.A(x).detach(), shape=self.out_shape) @ self.op
