"""Operators of images on volumes, slice by slice."""

import math

import torch
from torch import Tensor

from .base import LinearOperator
from .made import Made
from .slabs import Slabs, each_slab, evenly, places

__all__ = ["Slices"]

_VALUES = 2**18  # of a slab: data or pixels that are worked on at once
_FEW = 2**19  # of the slices that stand for a volume where its noise is estimated


class Slices(Made):
    r"""An operator of images on every slice of a volume: (B, C, D, H, W) to (B, C', D, ...).

    Slices go through in slabs of bounded memory. Closed proximal maps and preconditioners are those of ``op``.

    Args:
        op: of images (C, H, W), the same for all slices.
        depth: D.

    Raises:
        TypeError: no linear operator. ValueError: ``depth`` is not positive, images are no images, or constants of the
            operator are those of several samples.

    >>> import torch
    >>> from operators import Radon
    >>> op = Slices(Radon(8, torch.arange(3) * 1.0), depth=5)
    >>> op(torch.ones(1, 1, 5, 8, 8)).shape
    torch.Size([1, 1, 5, 3, 15])
    """

    def __init__(self, op: LinearOperator, depth: int) -> None:
        super().__init__()
        if not isinstance(op, LinearOperator):
            raise TypeError(f"op: expected a linear operator of images, got {type(op).__name__}")
        if not isinstance(depth, int) or depth < 1:
            raise ValueError(f"depth: expected a number of slices >= 1, got {depth!r}")
        if len(op.in_shape) != 3:
            raise ValueError(f"op: expected images (C, H, W), got {tuple(op.in_shape)}")
        with torch.no_grad():
            samples = len(op.A(torch.zeros(1, *op.in_shape, dtype=op.in_dtype, device=op._device())))
        if samples > 1:
            raise ValueError(
                f"op: its constants are of {samples} samples, but all slices of a volume have the same ones"
            )
        self.op, self.depth, self.field = op, depth, op.field
        self.in_shape = (op.in_shape[0], depth, *op.in_shape[1:])
        self.out_shape = (op.out_shape[0], depth, *op.out_shape[1:])
        self.in_dtype, self.out_dtype = op.in_dtype, op.out_dtype

    @property
    def measured(self) -> Tensor | None:
        return None if self.op.measured is None else self._repeated(self.op.measured)

    @property
    def support(self) -> Tensor | None:
        return None if self.op.support is None else self._repeated(self.op.support)

    def _repeated(self, mask: Tensor) -> Tensor:
        return mask.unsqueeze(2).expand(-1, -1, self.depth, *mask.shape[2:])

    @property
    def _size(self) -> int:
        """Data or pixels of a slice, whichever are more."""
        return max(math.prod(self.op.in_shape), math.prod(self.op.out_shape))

    def slabs(self, batch: int) -> Slabs:
        for sample, slices in places(batch, self.depth, max(1, _VALUES // self._size)):
            yield sample, slices, self.op

    def few_slices(self, y: Tensor) -> tuple[LinearOperator, Tensor]:
        chosen = evenly(self.depth, max(4, _FEW // self._size))
        return (self, y) if len(chosen) == self.depth else (Slices(self.op, len(chosen)), y[:, :, chosen])

    def finer(self, factor: int, rays: int = 1) -> "Slices":
        op = self.op.finer(factor, rays)
        assert isinstance(op, LinearOperator)
        return Slices(op, self.depth)

    def A(self, x: Tensor) -> Tensor:
        return each_slab(self.slabs(len(x)), lambda op, _, v: op.A(v), x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return each_slab(self.slabs(len(y)), lambda op, _, v: op.A_adjoint(v), y)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return each_slab(self.slabs(len(x)), lambda op, _, v: op.A_adjoint_A(v), x)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, *, x0: Tensor | None = None, **options) -> Tensor:
        g = self._gamma(gamma, b).flatten()

        def solve(op: LinearOperator, sample: int, v: Tensor, *start: Tensor) -> Tensor:
            return op.solve_normal(v, g[sample].expand(len(v)), x0=start[0] if start else None, **options)

        return each_slab(self.slabs(len(b)), solve, b, *([] if x0 is None else [x0]))

    def norm(self) -> float:
        return self.op.norm()
