"""Bins that are means over finer rays, as detectors measure them."""

from typing import TYPE_CHECKING

from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt
from ..shapes import check_batch

if TYPE_CHECKING:
    from .radon import Radon

__all__ = ["BinMeans"]


class BinMeans(LinearOperator):
    r"""Means over ``count`` rays in each bin of a :class:`operators.Radon`, :math:`y_j = \frac1k \sum_i p_{jk + i}`.

    Radon's projections end at the detector's band: what edges have beyond it is left out, where a detector folds it
    back. Here they go on to ``count`` times that band, and are folded as bins fold them. A* A is no Toeplitz operator
    any more; that of ``near``, the same bins without, is its preconditioner.

    Args:
        fine: Radon with ``count`` rays for each bin.
        near: Radon of the bins themselves, for the same image.
        count: rays of a bin.

    >>> from operators import Radon
    >>> op = Radon(16, [0.0, 1.0], 25).finer(2, rays=2)
    >>> op.in_shape, op.out_shape
    ((1, 32, 32), (1, 2, 25))
    """

    field = "ct"

    def __init__(self, fine: "Radon", near: "Radon", count: int) -> None:
        super().__init__()
        self.fine, self.near, self.count = fine, near, count
        self.in_shape, self.out_shape, self.out_dtype = near.in_shape, near.out_shape, near.out_dtype

    @property
    def support(self) -> Tensor | None:
        return self.near.support

    @property
    def pixel_width(self) -> float:
        """Side of a pixel over the width of a bin."""
        return self.near.pixel_width

    def A(self, x: Tensor) -> Tensor:
        return self.fine.A(x).unflatten(-1, (-1, self.count)).mean(-1)

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_batch("y", y, self.out_shape, complex_data=False)
        return self.fine.A_adjoint(y.repeat_interleave(self.count, -1) / self.count)

    def convolution(self):
        return self.near.convolution()

    def weighted_convolution(self, weights: Tensor):
        return self.near.weighted_convolution(weights)

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        return self.near.doubts(y)

    def finer(self, factor: int, rays: int = 1) -> LinearOperator:
        return self.near.finer(factor, max(rays, self.count))

    def fbp(self, y: Tensor, filter: str = "ram-lak") -> Tensor:
        """:meth:`operators.Radon.fbp`, which knows the bins' band alone."""
        return self.near.fbp(y, filter)  # type: ignore[arg-type]
