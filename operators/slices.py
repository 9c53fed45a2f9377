"""Operators of images on volumes, slice by slice."""

import torch
from torch import Tensor

from .base import LinearOperator
from .made import Made

__all__ = ["Slices"]

_VALUES = 2**18  # of a slab: data or pixels that are worked on at once


class Slices(Made):
    r"""An operator of images on every slice of a volume: (B, C, D, H, W) to (B, C', D, ...).

    Slices go through in slabs of bounded memory. Closed proximal maps and preconditioners are those of ``op``.

    Args:
        op: of images (C, H, W), the same for all slices.
        depth: D.

    Raises:
        TypeError: no linear operator. ValueError: ``depth`` is not positive, or images are no images.

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

    def _each(self, function, *volumes: Tensor, values: Tensor | None = None) -> Tensor:
        """``function`` on slabs of slices, (n, C, ...), with ``values`` (B,) of their samples if given."""
        flat = [v.transpose(1, 2).flatten(0, 1) for v in volumes]
        largest = max(max(v[0].numel() for v in flat), torch.Size(self.op.in_shape).numel(),
                      torch.Size(self.op.out_shape).numel())  # fmt: skip
        size = max(1, _VALUES // largest)
        per = [() if values is None else (v,) for v in _spread(values, len(volumes[0]), self.depth, size)]
        parts = [function(*some, *value) for *some, value in zip(*(v.split(size) for v in flat), per, strict=True)]
        return torch.cat(parts).unflatten(0, (len(volumes[0]), self.depth)).transpose(1, 2)

    def A(self, x: Tensor) -> Tensor:
        return self._each(self.op.A, x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self._each(self.op.A_adjoint, y)

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return self._each(self.op.A_adjoint_A, x)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, *, x0: Tensor | None = None, **options) -> Tensor:
        g = self._gamma(gamma, b).flatten()
        if x0 is None:
            return self._each(lambda v, each: self.op.solve_normal(v, each, **options), b, values=g)
        return self._each(lambda v, at, each: self.op.solve_normal(v, each, x0=at, **options), b, x0, values=g)

    def norm(self) -> float:
        return self.op.norm()


def _spread(values: Tensor | None, batch: int, depth: int, size: int) -> list:
    """One value a slice, in slabs of ``size``."""
    count = -(-batch * depth // size)
    if values is None:
        return [None] * count
    return list(values.expand(batch).repeat_interleave(depth).split(size))
