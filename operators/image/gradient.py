"""Finite differences of an image."""

import math

import torch
from torch import Tensor

from ..base import LinearOperator
from ..shapes import check_precision, image_axes

__all__ = ["Gradient"]


class Gradient(LinearOperator):
    r"""Forward differences along rows and columns, zero in the last row or column, (B, C, H, W) -> (B, 2C, H, W).

    .. math:: y_{c,i,j} = x_{c,i+1,j} - x_{c,i,j}, \qquad y_{C+c,i,j} = x_{c,i,j+1} - x_{c,i,j}

    The first C channels go down the rows (vertical), the last C along the columns (horizontal), in units of the image
    per pixel; the adjoint is minus the divergence. ``y.unflatten(1, (2, -1))`` separates the two directions.
    Chambolle 2004, doi:10.1023/B:JMIV.0000011325.36760.1e.

    Args:
        image_shape: (H, W).
        channels: C.
        dtype: ``torch.complex64`` for complex images.

    Raises:
        ValueError: ``image_shape`` or ``channels`` is not positive.

    >>> Gradient((2, 2))(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])).tolist()
    [[[[2.0, 4.0], [0.0, 0.0]], [[1.0, 0.0], [3.0, 0.0]]]]
    """

    def __init__(self, image_shape: tuple[int, int], *, channels: int = 1, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.in_shape = image_axes(image_shape, channels)
        self.out_shape = (2 * channels, *self.in_shape[1:])
        self.in_dtype = self.out_dtype = dtype

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        down = torch.nn.functional.pad(x.diff(dim=-2), (0, 0, 0, 1))
        right = torch.nn.functional.pad(x.diff(dim=-1), (0, 1))
        return torch.cat([down, right], 1)

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        down, right = y.chunk(2, 1)
        # the differences with a zero before the first and in place of the last entry telescope to the adjoint
        rows = torch.nn.functional.pad(down[..., :-1, :], (0, 0, 1, 1)).diff(dim=-2)
        columns = torch.nn.functional.pad(right[..., :-1], (1, 1)).diff(dim=-1)
        return -(rows + columns)

    def norm(self) -> float:
        """Largest singular value, below sqrt(8), in closed form: the matrix is diagonal in cosines."""
        return 2 * math.hypot(*(math.sin(math.pi * (n - 1) / (2 * n)) for n in self.in_shape[1:]))
