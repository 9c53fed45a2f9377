"""Moves of images that have an exact inverse, and operators of moved images."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.base import LinearOperator

from ...arguments import one_of

__all__ = ["KINDS", "Move", "Moved", "draw_move"]

KINDS = ("shifts", "flips", "quarters", "rotations")
"""Periodic shifts; mirror images; turns by quarters (of squares); turns by any angle (periodic, of squares)."""


class Move(NamedTuple):
    """A move of images (..., H, W), which keeps their norm: a mirror image, turned, shifted.

    >>> x = torch.rand(1, 1, 5, 5)
    >>> move = Move(shift=(1, 2), flip=True, quarters=3, angle=0.4)
    >>> bool((move.back(move(x)) - x).abs().max() < 1e-5), bool((move(x) - x).abs().max() > 0.1)
    (True, True)
    """

    shift: tuple[int, int] = (0, 0)
    flip: bool = False
    quarters: int = 0
    angle: float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        x = x.flip(-1) if self.flip else x
        x = torch.rot90(x, self.quarters, (-2, -1)) if self.quarters else x
        x = _turned(x, self.angle) if self.angle else x
        return x.roll(self.shift, (-2, -1)) if any(self.shift) else x

    def back(self, x: Tensor) -> Tensor:
        """The inverse, and the adjoint."""
        x = x.roll((-self.shift[0], -self.shift[1]), (-2, -1)) if any(self.shift) else x
        x = _turned(x, -self.angle) if self.angle else x
        x = torch.rot90(x, -self.quarters, (-2, -1)) if self.quarters else x
        return x.flip(-1) if self.flip else x


def _turned(x: Tensor, angle: float) -> Tensor:
    """Three shears by Fourier interpolation, each of them orthogonal (Unser, Thevenaz, Yaroslavsky 1995,
    doi:10.1109/83.465102)."""
    first, second = -math.tan(angle / 2), math.sin(angle)
    for axis, slope in ((-1, first), (-2, second), (-1, first)):
        x = _sheared(x, axis, slope)
    return x


def _sheared(x: Tensor, axis: int, slope: float) -> Tensor:
    count, lines = x.shape[axis], x.shape[-3 - axis]
    frequency = torch.fft.fftfreq(count, dtype=torch.float64, device=x.device)
    if count % 2 == 0:
        frequency[count // 2] = 0  # its sign is not known: it stays as it is
    far = slope * (torch.arange(lines, dtype=torch.float64, device=x.device) - (lines - 1) / 2)
    phase = torch.exp(-2j * math.pi * far[:, None] * frequency)
    phase = (phase if axis == -1 else phase.mT).to(x.real.dtype.to_complex())
    moved = torch.fft.ifft(torch.fft.fft(x, dim=axis) * phase, dim=axis)
    return moved if x.is_complex() else moved.real


def draw_move(kinds: Sequence[str], shape: Sequence[int], g: torch.Generator) -> Move:
    """A random move of the ``kinds`` in :data:`KINDS`, for images of ``shape`` (..., H, W).

    Raises:
        ValueError: no kind, or another; turns of an image that is not square.
    """
    height, width = shape[-2:]
    if isinstance(kinds, str) or not kinds:
        raise ValueError(f"moves: expected a list of {', '.join(KINDS)}, got {kinds!r}")
    for kind in kinds:
        one_of("moves", kind, KINDS)
        if kind in ("quarters", "rotations") and height != width:
            raise ValueError(f"moves: {kind} are for squares, the images have {height} x {width} pixels")
    u = torch.rand(4, generator=g, dtype=torch.float64, device="cpu").tolist()
    return Move(
        shift=(int(u[0] * height), int(u[1] * width)) if "shifts" in kinds else (0, 0),
        flip="flips" in kinds and float(torch.rand((), generator=g, device="cpu")) < 0.5,
        quarters=int(4 * u[2]) if "quarters" in kinds else 0,
        angle=(u[3] - 0.5) * math.pi / 2 if "rotations" in kinds else 0.0,
    )


class Moved(LinearOperator):
    """``op`` of moved images, A T: what it would measure if the object had been placed otherwise.

    The field's direct reconstructions (``fbp``, ``modes``, ``inverse``) are moved back.

    >>> from operators import Inpainting
    >>> Moved(Inpainting(torch.eye(2)), Move(shift=(0, 1))).A(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])).tolist()
    [[[[2.0, 0.0], [0.0, 3.0]]]]
    """

    def __init__(self, op: Any, move: Move) -> None:
        super().__init__()
        self.inner, self.move = op, move
        self.in_shape, self.out_shape = op.in_shape, op.out_shape
        self.in_dtype, self.out_dtype, self.field = op.in_dtype, op.out_dtype, op.field

    @property
    def measured(self) -> Tensor | None:
        return self.inner.measured

    def A(self, x: Tensor) -> Tensor:
        return self.inner.A(self.move(x))

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self.move.back(self.inner.A_adjoint(y))

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return self.move.back(self.inner.A_adjoint_A(self.move(x)))

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options: Any) -> Tensor:
        x0 = options.pop("x0", None)
        start = None if x0 is None else self.move(x0)
        return self.move.back(self.inner.solve_normal(self.move(b), gamma, x0=start, **options))

    def A_dagger(self, y: Tensor, **options: Any) -> Tensor:
        return self.move.back(self.inner.A_dagger(y, **options))

    def fbp(self, y: Tensor, *given: Any) -> Tensor:
        """Filtered back projection, moved back."""
        return self.move.back(self.inner.fbp(y, *given))

    def modes(self, y: Tensor, **options: Any) -> Tensor:
        """E and B modes, moved back."""
        return self.move.back(self.inner.modes(y, **options))

    def inverse(self, y: Tensor) -> Tensor:
        """Kaiser and Squires' map, moved back."""
        return self.move.back(self.inner.inverse(y))

    def norm(self) -> float:
        return self.inner.norm()
