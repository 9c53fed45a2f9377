"""What measures, linear or not: shapes, kinds, and a derivative."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from .doubts import Doubt, Variant
from .modes import Lasting, exact, keep, lasting
from .shapes import check_batch

if TYPE_CHECKING:
    from .base import LinearOperator

__all__ = ["Operator"]


class Operator(nn.Module, metaclass=Lasting):
    r"""Map :math:`A` from images (B, C, ...) to data (B, ...), differentiable, immutable once made.

    A subclass sets ``in_shape`` and writes ``A``; linear ones are :class:`operators.LinearOperator`, of which
    everything else follows. Solvers need :meth:`linearised` besides, which has a default. Precision follows the
    argument: constants are buffers and are cast to it.

    Attributes:
        in_shape, out_shape: shapes without the batch axis; ``out_shape`` is found by one call where it is not set.
        in_dtype, out_dtype: ``torch.float32`` or ``torch.complex64``; only real or complex matters.
        field: what its images are, ``"natural"``, ``"ct"``, ``"mri"``, ``"radio"`` or ``"kappa"``; solvers without a
            denoiser take a prior for it.
        of_object: whether its data are known to be of an object without pixels, as those of a detector's file are.

    >>> class Squared(Operator):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.in_shape = (1, 2, 2)
    ...     def A(self, x):
    ...         return x**2
    >>> Squared().linearised(torch.full((1, 1, 2, 2), 3.0)).A(torch.ones(1, 1, 2, 2)).unique().item()
    6.0
    """

    in_shape: tuple[int, ...]
    in_dtype: torch.dtype = torch.float32
    field: str = "natural"
    of_object: bool = False
    _out_shape: tuple[int, ...] | None = None
    _out_dtype: torch.dtype | None = None

    def A(self, x: Tensor) -> Tensor:
        """Measure images (B, *in_shape), without noise."""
        raise NotImplementedError(f"{type(self).__name__} has to write A(x)")

    def linearised(self, x: Tensor) -> "LinearOperator":
        """The derivative at ``x`` as an operator, by forward and reverse mode."""
        from .derivative import Derivative

        return Derivative(self, x)

    @property
    def measured(self) -> Tensor | None:
        """Which data are measured, booleans (1 | B, *out_shape); what else data hold means nothing. ``None``: all."""
        return None

    @property
    def support(self) -> Tensor | None:
        """Where images can differ from zero, booleans (1 | B, *in_shape): what the operator never sees and knows to be
        empty, such as places that no coil reaches, is False; solvers keep it at zero. ``None``: everywhere."""
        return None

    def doubts(self, y: Tensor) -> tuple[Doubt, ...]:
        """What looks wrong about data ``y``, such as a zero frequency that is not where it is expected; quick, since
        solvers always ask. They warn of it."""
        return ()

    def variants(self, y: Tensor) -> Iterator[Variant]:
        """Mistakes that are often made, and how operator and data ``y`` would be without each; asked where data do not
        fit, to see which of them explains it."""
        yield from ()

    def finer(self, factor: int, rays: int = 1) -> "Operator":
        """The same measurement of images on pixels ``factor`` times as fine, whose means over blocks are images of this
        operator; bins of a detector are means over ``rays`` finer ones, where they would else end at its band.

        Raises:
            TypeError: what is measured depends on the pixels. ValueError: ``factor`` is not a whole number from 1 on.
        """
        raise TypeError(f"{type(self).__name__}: knows no finer pixels; Radon, FanBeam, and what is made of one, do")

    def first_image(self, y: Tensor) -> Tensor:
        """An image (B, *in_shape) at which the derivative is telling, where solvers begin: zero."""
        real = torch.float64 if y.dtype in (torch.float64, torch.complex128) else torch.float32
        kind = real.to_complex() if self.in_dtype.is_complex else real
        return torch.zeros(y.shape[0], *self.in_shape, dtype=kind, device=y.device)

    def forward(self, x: Tensor) -> Tensor:
        """``A(x)`` after a check of the argument; no noise is added, autocast lowers no precision, and data that are
        changed in place leave the image as it is."""
        check_batch("x", x, self.in_shape, self.in_dtype.is_complex)
        with exact(x):
            y = self.A(x)
        return y.clone() if y is x else y

    def __setstate__(self, state: Any) -> None:  # of a copy, which may be made in inference mode
        super().__setstate__(state)
        with lasting():
            keep(self)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert constants; complex ones stay complex where torch would drop their imaginary parts."""

        def kept(t: Tensor) -> Tensor:
            if not t.is_complex():
                return fn(t)
            pair = fn(torch.view_as_real(t))
            if pair.dtype not in (torch.float32, torch.float64):  # a complex type was asked for, or half precision
                return t.to(pair.device, pair.dtype if pair.is_complex() else None)
            return torch.view_as_complex(pair.contiguous())

        with lasting():
            return super()._apply(kept, recurse)

    # ---- shapes and kinds

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the data without the batch axis."""
        if self._out_shape is None:
            self._measure_output()
        assert self._out_shape is not None
        return self._out_shape

    @out_shape.setter
    def out_shape(self, shape: tuple[int, ...]) -> None:
        self._out_shape = tuple(shape)

    @property
    def out_dtype(self) -> torch.dtype:
        """Kind of the data: ``torch.float32`` or ``torch.complex64``."""
        if self._out_dtype is None:
            self._measure_output()
        assert self._out_dtype is not None
        return self._out_dtype

    @out_dtype.setter
    def out_dtype(self, dtype: torch.dtype) -> None:
        self._out_dtype = dtype

    def _measure_output(self) -> None:
        # not AttributeError: inside a property torch would hide it behind "no attribute 'out_shape'"
        if not hasattr(self, "in_shape"):
            raise TypeError(f"{type(self).__name__}: set self.in_shape, (C, H, W) without batch, in __init__")
        try:
            with torch.no_grad():
                y = self.A(torch.zeros(1, *self.in_shape, dtype=self.in_dtype, device=self._device()))
        except AttributeError as error:
            raise TypeError(f"{type(self).__name__}.A: {error}") from error
        self._out_shape = self._out_shape or tuple(y.shape[1:])
        self._out_dtype = self._out_dtype or (torch.complex64 if y.is_complex() else torch.float32)

    def _device(self) -> torch.device:
        for tensor in (*self.buffers(), *self.parameters()):
            return tensor.device
        return torch.device("cpu")
