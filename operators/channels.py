"""Complex images and data as pairs of real channels, as some networks and libraries have them."""

import torch
from torch import Tensor

from .base import LinearOperator
from .doubts import Doubt
from .made import Made
from .shapes import check_batch, check_precision

__all__ = ["TwoChannels"]


class TwoChannels(Made):
    r"""An operator whose complex images, and complex data, come as real ones of twice as many channels.

    (B, C, ...) complex is (B, 2 C, ...): all real parts, then all imaginary parts. Real images or data stay as they
    are. For the real inner product this changes nothing, so closed forms of the operator stay closed forms.

    Args:
        operator: with complex images or complex data.

    Raises:
        TypeError: no operator. ValueError: nothing of it is complex.

    >>> from operators import KaiserSquires
    >>> op = TwoChannels(KaiserSquires((8, 8)))  # gamma1 and gamma2
    >>> op(torch.randn(1, 1, 8, 8)).shape
    torch.Size([1, 2, 8, 8])
    """

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__()
        if not isinstance(operator, LinearOperator):
            raise TypeError(f"operator: expected a LinearOperator, got {type(operator).__name__}")
        if not (operator.in_dtype.is_complex or operator.out_dtype.is_complex):
            raise ValueError("operator: its images and its data are real already")
        self.operator = operator
        self.in_shape = _doubled(operator.in_shape, operator.in_dtype)
        self.out_shape = _doubled(operator.out_shape, operator.out_dtype)
        self.out_dtype = torch.float32
        self.field = self.field if operator.in_dtype.is_complex else operator.field

    @property
    def measured(self) -> Tensor | None:
        return _twice(self.operator.measured, self.operator.out_dtype)

    @property
    def support(self) -> Tensor | None:
        return _twice(self.operator.support, self.operator.in_dtype)

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        return self.operator.doubts(self._data(y))

    def _image(self, x: Tensor) -> Tensor:
        return _paired(x) if self.operator.in_dtype.is_complex else x

    def _image_back(self, x: Tensor) -> Tensor:
        return _parted(x) if self.operator.in_dtype.is_complex else x

    def _data(self, y: Tensor) -> Tensor:
        return _paired(y) if self.operator.out_dtype.is_complex else y

    def A(self, x: Tensor) -> Tensor:
        y = self.operator.A(self._image(x))
        return _parted(y) if self.operator.out_dtype.is_complex else y

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return self._image_back(self.operator.A_adjoint(self._data(y)))

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return self._image_back(self.operator.A_adjoint_A(self._image(x)))

    def solve_normal(self, b: Tensor, gamma: float | Tensor, *, x0: Tensor | None = None, **options) -> Tensor:
        start = None if x0 is None else self._image(x0)
        return self._image_back(self.operator.solve_normal(self._image(b), gamma, x0=start, **options))

    def A_dagger(self, y: Tensor, **options) -> Tensor:
        check_batch("y", y, self.out_shape, complex_data=False)
        return self._image_back(self.operator.A_dagger(self._data(y), **options))

    def norm(self) -> float:
        return self.operator.norm()


def _doubled(shape: tuple[int, ...], kind: torch.dtype) -> tuple[int, ...]:
    return (2 * shape[0], *shape[1:]) if kind.is_complex else tuple(shape)


def _twice(mask: Tensor | None, kind: torch.dtype) -> Tensor | None:
    """A mask (1 | B, C, ...) of both parts of what is complex."""
    return torch.cat((mask, mask), 1) if mask is not None and kind.is_complex else mask


def _parted(v: Tensor) -> Tensor:
    """(B, C, ...) complex to (B, 2 C, ...) real."""
    v = v.to(v.real.dtype.to_complex())
    return torch.cat((v.real, v.imag), 1)


def _paired(v: Tensor) -> Tensor:
    """(B, 2 C, ...) real to (B, C, ...) complex."""
    check_precision("x", v)
    return torch.complex(*v.contiguous().chunk(2, 1))
