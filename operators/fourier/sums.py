"""Non-uniform Fourier sums as torch differentiates them: backward, forward, and under the transforms of torch.func."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ..modes import in_dual_level, uncompiled

__all__ = ["Transform", "image_of", "samples_of"]


class Transform(Protocol):
    """Non-uniform Fourier sums at fixed points, for tensors of one device."""

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, H, W) -> samples (n, M)."""
        ...

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M) -> images (n, H, W), complex, or their real part where images are real."""
        ...


Engine = Callable[..., Transform]  # of a tensor like those to be transformed, and points=


def samples_of(x: Tensor, points: Tensor, engine: Engine) -> Tensor:
    """Images (..., H, W), real or complex -> samples (..., M), by what ``engine`` gives for them and the points."""
    return uncompiled(_Samples.apply, x, points, engine)


def image_of(y: Tensor, points: Tensor, engine: Engine) -> Tensor:
    """Samples (..., M) -> images (..., H, W), complex, or their real part: the adjoint of :func:`samples_of`."""
    return uncompiled(_Image.apply, y, points, engine)


def _ramps(x: Tensor) -> tuple[Tensor, Tensor]:
    """Images times their row and column indices from the centre: what a derivative by the points brings down."""
    rows, columns = (torch.arange(n, dtype=x.real.dtype, device=x.device) - n // 2 for n in x.shape[-2:])
    return rows[:, None] * x, columns * x


def _set_up(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    value, points, ctx.engine = inputs
    ctx.real = not value.is_complex()
    kept = value if points.requires_grad or in_dual_level() else None  # only derivatives by the points need it
    ctx.save_for_backward(kept, points)
    ctx.save_for_forward(kept, points)


def _mapped(function: Any, in_dims: tuple[Any, ...], value: Tensor, points: Tensor, engine: Any) -> tuple[Tensor, int]:
    """Over samples that ``torch.func.vmap`` hides: one more axis in front, or one set of points after the other."""
    if in_dims[1] is None:
        return function.apply(value.movedim(in_dims[0], 0), points, engine), 0
    every = points.movedim(in_dims[1], 0)
    values = [value] * len(every) if in_dims[0] is None else value.movedim(in_dims[0], 0)
    return torch.stack([function.apply(v, p, engine) for v, p in zip(values, every)]), 0


class _Samples(torch.autograd.Function):
    setup_context = staticmethod(_set_up)

    @staticmethod
    def forward(x: Tensor, points: Tensor, engine: Engine) -> Tensor:
        transform = engine(x, points=points)
        return transform.forward(x.reshape(-1, *x.shape[-2:])).reshape(*x.shape[:-2], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,), (x, points) = gradients, ctx.saved_tensors
        of_x = of_points = None
        if ctx.needs_input_grad[0]:
            of_x = _Image.apply(g, points, ctx.engine)
            of_x = of_x.real if ctx.real and of_x.is_complex() else of_x
        if ctx.needs_input_grad[1]:
            changes = [_Samples.apply(ramp, points, ctx.engine) for ramp in _ramps(x)]
            of_points = torch.stack([(g.conj() * -1j * c).real.flatten(0, -2).sum(0) for c in changes]).to(points.dtype)
        return of_x, of_points, None

    @staticmethod
    def jvp(ctx: Any, of_x: Tensor | None, of_points: Tensor | None, _: Any) -> Any:
        x, points = ctx.saved_tensors
        parts = [] if of_x is None else [_Samples.apply(of_x, points, ctx.engine)]
        if of_points is not None:
            changes = zip(of_points.to(x.real.dtype), _ramps(x))
            parts += [-1j * turn * _Samples.apply(ramp, points, ctx.engine) for turn, ramp in changes]
        return sum(parts[1:], start=parts[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        return _mapped(_Samples, in_dims, *inputs)


class _Image(torch.autograd.Function):
    setup_context = staticmethod(_set_up)

    @staticmethod
    def forward(y: Tensor, points: Tensor, engine: Engine) -> Tensor:
        x = engine(y, points=points).adjoint(y.reshape(-1, y.shape[-1]))
        return x.reshape(*y.shape[:-1], *x.shape[-2:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (g,), (y, points) = gradients, ctx.saved_tensors
        of_y = of_points = None
        if ctx.needs_input_grad[0]:
            of_y = _Samples.apply(g, points, ctx.engine)
        if ctx.needs_input_grad[1]:
            changes = [_Samples.apply(ramp, points, ctx.engine) for ramp in _ramps(g)]
            of_points = torch.stack([(y * (-1j * c).conj()).real.flatten(0, -2).sum(0) for c in changes]).to(
                points.dtype
            )
        return of_y, of_points, None

    @staticmethod
    def jvp(ctx: Any, of_y: Tensor | None, of_points: Tensor | None, _: Any) -> Any:
        y, points = ctx.saved_tensors
        parts = [] if of_y is None else [_Image.apply(of_y, points, ctx.engine)]
        if of_points is not None:
            for axis, turn in enumerate(of_points.to(y.real.dtype)):
                parts.append(_ramps(_Image.apply(1j * turn * y, points, ctx.engine))[axis])
        return sum(parts[1:], start=parts[0])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        return _mapped(_Image, in_dims, *inputs)
