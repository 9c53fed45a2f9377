"""MRI of volumes: Cartesian in three directions, and stacks of arbitrary trajectories."""

import copy
import math
from typing import Unpack

import torch
from torch import Tensor

from ..base import LinearOperator
from ..fourier.fft import centred_fft
from ..fourier.nufft import NUFFT, EngineOptions
from ..shapes import Constant, as_constant, as_mask, check_precision, constant_like
from ..slabs import Slabs, each_slab, evenly, places, slab_norm
from .cartesian import seen_by
from .noncartesian import within_grid

__all__ = ["StackedMRI", "VolumeMRI"]

_AXES = (-3, -2, -1)
_PIXELS = 2**15  # of a slab of planes: the doubled grids of their normal operators are the largest of all
_FEW = 8  # planes that stand for a volume where its noise is estimated


def _maps(coil_maps: Constant | None, shape: tuple[int, ...]) -> Tensor | None:
    if coil_maps is None:
        return None
    coil_maps = as_constant("coil_maps", coil_maps)
    if coil_maps.ndim not in (4, 5) or tuple(coil_maps.shape[-3:]) != shape:
        raise ValueError(f"coil_maps: expected (coils, D, H, W) with {shape}, got {tuple(coil_maps.shape)}")
    if not bool(torch.isfinite(coil_maps).all()) or not bool((coil_maps != 0).any()):
        raise ValueError("coil_maps: hold NaN or infinite values, or zeros alone")
    return coil_maps.clone() if coil_maps.ndim == 5 else coil_maps[None].clone()


class _Coils(LinearOperator):
    """Sum over coils of what one coil measures; coils go through one by one, so that memory is that of one."""

    field = "mri"
    in_dtype = out_dtype = torch.complex64
    coil_maps: Tensor | None

    def _set(self, coil_maps: Constant | None, image_shape: tuple[int, ...], data_shape: tuple[int, ...]) -> None:
        maps = _maps(coil_maps, image_shape)
        self.register_buffer("coil_maps", maps, persistent=False)
        self.in_shape, self.out_shape = (1, *image_shape), (1 if maps is None else maps.shape[1], *data_shape)

    @property
    def support(self) -> Tensor | None:
        return seen_by(self.coil_maps)

    def one(self, x: Tensor) -> Tensor:
        """What a coil of sensitivity one measures of (B, 1, D, H, W)."""
        raise NotImplementedError

    def one_adjoint(self, y: Tensor) -> Tensor:
        raise NotImplementedError

    def one_normal(self, x: Tensor) -> Tensor:
        return self.one_adjoint(self.one(x))

    def _each(self, like: Tensor) -> list[Tensor | None]:
        if self.coil_maps is None:
            return [None]
        return list(constant_like(self.coil_maps, like, "coil_maps").split(1, 1))

    def A(self, x: Tensor) -> Tensor:
        out: Tensor | None = None
        for c, s in enumerate(self._each(x)):
            one = self.one(x if s is None else s * x)
            out = one.new_empty(len(one), *self.out_shape) if out is None else out
            out[:, c : c + 1] = one
        assert out is not None
        return out

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        total = None
        for s, data in zip(self._each(y), y.split(1, 1), strict=True):
            image = self.one_adjoint(data) if s is None else s.conj() * self.one_adjoint(data)
            total = image if total is None else total + image
        assert total is not None
        return total

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        total = None
        for s in self._each(x):
            image = self.one_normal(x) if s is None else s.conj() * self.one_normal(s * x)
            total = image if total is None else total + image
        assert total is not None
        return total


class VolumeMRI(_Coils):
    r"""Cartesian MRI of a volume, :math:`(Ax)_c = m \odot F(s_c \odot x)` with a Fourier transform of three axes.

    Volumes (B, 1, D, H, W) complex to k-space (B, coils, D, H, W), zeros where nothing is sampled; F is unitary and
    centred. One coil has a closed proximal map.

    Args:
        mask: (D, H, W), booleans or weights >= 0.
        coil_maps: sensitivities, (coils, D, H, W) or (1 | B, coils, D, H, W); ``None``: one coil, s = 1.

    >>> VolumeMRI(torch.ones(2, 4, 4))(torch.ones(1, 1, 2, 4, 4)).shape
    torch.Size([1, 1, 2, 4, 4])
    """

    mask: Tensor

    def __init__(self, mask: Constant, coil_maps: Constant | None = None) -> None:
        super().__init__()
        mask = as_mask("mask", mask)
        if mask.ndim != 3 or not bool((mask > 0).any()):
            raise ValueError(f"mask: expected (D, H, W), not zero everywhere, got {tuple(mask.shape)}")
        self.register_buffer("mask", mask[None, None], persistent=False)
        self._set(coil_maps, tuple(mask.shape), tuple(mask.shape))

    @property
    def measured(self) -> Tensor:
        return (self.mask.detach() > 0).expand(-1, *self.out_shape)

    def _mask(self, like: Tensor) -> Tensor:
        return constant_like(self.mask, like, "mask")

    def one(self, x: Tensor) -> Tensor:
        return self._mask(x) * centred_fft(x, _AXES)

    def one_adjoint(self, y: Tensor) -> Tensor:
        return centred_fft(self._mask(y) * y, _AXES, inverse=True)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        if self.coil_maps is not None:
            return super().solve_normal(b, gamma, **options)
        return centred_fft(
            centred_fft(b, _AXES) / (1 + self._gamma(gamma, b) * self._mask(b) ** 2), _AXES, inverse=True
        )


class StackedMRI(_Coils):
    r"""MRI of a volume by a stack: a Fourier transform through the slices, the same trajectory in each plane of it.

    Volumes (B, 1, D, H, W) complex to k-space (B, coils, D, M): stacks of stars, of spirals.

    Args:
        points: (2, M) of a plane, radians per pixel; see :mod:`operators.mri.trajectories`.
        image_shape: (D, H, W).
        coil_maps: sensitivities, (coils, D, H, W) or (1 | B, coils, D, H, W); ``None``: one coil, s = 1.
        engine: ``eps``, ``backend``, ``threads`` of :class:`operators.NUFFT`.

    >>> from operators import radial_trajectory
    >>> StackedMRI(radial_trajectory(3, 16), (2, 8, 8))(torch.ones(1, 1, 2, 8, 8)).shape
    torch.Size([1, 1, 2, 48])
    """

    def __init__(
        self,
        points: Constant,
        image_shape: tuple[int, int, int],
        coil_maps: Constant | None = None,
        **engine: Unpack[EngineOptions],
    ) -> None:
        super().__init__()
        if len(image_shape) != 3:
            raise ValueError(f"image_shape: expected (D, H, W), got {image_shape!r}")
        depth, height, width = (int(n) for n in image_shape)
        self.nufft = NUFFT(within_grid(points), (height, width), norm="ortho", **engine)
        self._set(coil_maps, (depth, height, width), (depth, self.nufft.points.shape[1]))

    def _planes(self, function, v: Tensor) -> Tensor:
        return function(v.flatten(0, 2)[:, None])[:, 0].unflatten(0, tuple(v.shape[:3]))

    def one(self, x: Tensor) -> Tensor:
        return self._planes(self.nufft.A, _through(x.to(x.real.dtype.to_complex())))

    def one_adjoint(self, y: Tensor) -> Tensor:
        return _through(self._planes(self.nufft.A_adjoint, y), inverse=True)

    # the same in every plane, so that the transform through the slices cancels in the normal operator

    def slabs(self, batch: int, pixels: int = _PIXELS) -> Slabs:
        _, depth, height, width = self.in_shape
        if self.coil_maps is not None and len(self.coil_maps) not in (1, batch):
            raise ValueError(f"coil_maps: holds {len(self.coil_maps)} samples, the batch has {batch}")
        for sample, planes in places(batch, depth, max(1, pixels // (height * width))):
            maps = self.coil_maps
            if maps is not None:
                maps = maps[sample if len(maps) > 1 else 0, :, planes].transpose(0, 1)
            yield sample, planes, _Planes(self.nufft, maps)

    def few_slices(self, y: Tensor) -> tuple[LinearOperator, Tensor]:
        _, depth, height, width = self.in_shape
        chosen = torch.tensor(evenly(depth, _FEW), device=y.device)
        if len(chosen) == depth or bool((y == 0).any()):  # zeros, not measured, would spread over all planes
            return self, y
        apart = (chosen - depth // 2)[:, None] * (torch.arange(depth, device=y.device) - depth // 2)
        angles = 2 * math.pi / depth * apart.to(y.real.dtype)
        rows = torch.polar(torch.full_like(angles, depth**-0.5), angles)
        few = copy.copy(self)
        few._buffers = dict(self._buffers)
        few.coil_maps = None if self.coil_maps is None else self.coil_maps.detach()[:, :, chosen]
        few.in_shape, few.out_shape = (1, len(chosen), height, width), (y.shape[1], len(chosen), y.shape[-1])
        return few, _through(rows @ y)  # which copies no data

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        x = self._batch(x)
        return each_slab(self.slabs(len(x)), lambda op, _, v: op.A_adjoint_A(v), x)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, *, x0: Tensor | None = None, **options) -> Tensor:
        b = self._batch(b)
        g = self._gamma(gamma, b).flatten()

        def solve(op: LinearOperator, sample: int, v: Tensor, *start: Tensor) -> Tensor:
            return op.solve_normal(v, g[sample].expand(len(v)), x0=start[0] if start else None, **options)

        return each_slab(self.slabs(len(b)), solve, b, *([] if x0 is None else [x0]))

    def _batch(self, x: Tensor) -> Tensor:
        """One volume for each sample of the coil maps."""
        return x if self.coil_maps is None or len(x) > 1 else x.expand(len(self.coil_maps), *x.shape[1:])

    def norm(self) -> float:
        batch = 1 if self.coil_maps is None else len(self.coil_maps)
        return slab_norm(self.slabs(batch, _PIXELS // 4), (1, *self.in_shape[2:]), self._device())  # double precision


class _Planes(LinearOperator):
    """Planes of a stack as a batch of images (n, 1, H, W), with ``maps`` (n, coils, H, W): the normal operator."""

    in_dtype = out_dtype = torch.complex64

    def __init__(self, nufft: NUFFT, maps: Tensor | None) -> None:
        super().__init__()
        self.nufft, self.in_shape = nufft, nufft.in_shape
        self.maps = maps

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        if self.maps is None:
            return self.nufft.A_adjoint_A(x)
        total = None
        for coil in self.maps.split(1, 1):
            s = constant_like(coil, x, "coil_maps")
            image = s.conj() * self.nufft.A_adjoint_A(s * x)
            total = image if total is None else total + image
        assert total is not None
        return total

    def preconditioner(self, gamma: Tensor):
        if self.maps is None:
            return self.nufft.preconditioner(gamma)
        power = self.maps.detach().abs().square().sum(1).mean((-2, -1)).to(gamma)
        return self.nufft.preconditioner(gamma * power.reshape(-1, 1, 1, 1))


def _through(v: Tensor, *, inverse: bool = False) -> Tensor:
    """Centred unitary FFT through the slices of (B, C, D, ...), a few places of a slice at a time."""
    out, size = torch.empty_like(v), max(1, 2 * _PIXELS // max(1, v[:, :, :, :1].numel()))
    for start in range(0, v.shape[3], size):
        some = v.narrow(3, start, min(size, v.shape[3] - start))
        out[:, :, :, start : start + size] = centred_fft(some, (2,), inverse=inverse)
    return out
