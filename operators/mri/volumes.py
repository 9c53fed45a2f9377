"""MRI of volumes: Cartesian in three directions, and stacks of arbitrary trajectories."""

from typing import Unpack

import torch
from torch import Tensor

from ..base import LinearOperator
from ..fourier.nufft import NUFFT, EngineOptions
from ..shapes import Constant, as_constant, check_precision, constant_like
from .cartesian import seen_by

__all__ = ["StackedMRI", "VolumeMRI"]

_AXES = (-3, -2, -1)


def _centred(x: Tensor, axes: tuple[int, ...], *, inverse: bool = False) -> Tensor:
    """Centred unitary FFT over some axes."""
    check_precision("y" if inverse else "x", x)
    transform = torch.fft.ifftn if inverse else torch.fft.fftn
    return torch.fft.fftshift(transform(torch.fft.ifftshift(x, axes), dim=axes, norm="ortho"), axes)


def _maps(coil_maps: Constant | None, shape: tuple[int, ...]) -> Tensor | None:
    if coil_maps is None:
        return None
    coil_maps = as_constant("coil_maps", coil_maps)
    if coil_maps.ndim not in (4, 5) or tuple(coil_maps.shape[-3:]) != shape:
        raise ValueError(f"coil_maps: expected (coils, D, H, W) with {shape}, got {tuple(coil_maps.shape)}")
    if not bool(torch.isfinite(torch.view_as_real(coil_maps + 0j)).all()) or not bool((coil_maps != 0).any()):
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
        return torch.cat([self.one(x if s is None else s * x) for s in self._each(x)], 1)

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
        mask = as_constant("mask", mask)
        if mask.ndim != 3 or mask.is_complex():
            raise ValueError("mask: expected (D, H, W), booleans or weights >= 0")
        mask = mask.clone() if mask.is_floating_point() else mask.to(torch.float32)
        if not bool((torch.isfinite(mask) & (mask >= 0)).all()) or not bool((mask > 0).any()):
            raise ValueError("mask: expected finite weights >= 0, not all of them zero")
        self.register_buffer("mask", mask[None, None], persistent=False)
        self._set(coil_maps, tuple(mask.shape), tuple(mask.shape))

    @property
    def measured(self) -> Tensor:
        return (self.mask.detach() > 0).expand(-1, *self.out_shape)

    def _mask(self, like: Tensor) -> Tensor:
        return constant_like(self.mask, like, "mask")

    def one(self, x: Tensor) -> Tensor:
        return self._mask(x) * _centred(x, _AXES)

    def one_adjoint(self, y: Tensor) -> Tensor:
        return _centred(self._mask(y) * y, _AXES, inverse=True)

    def solve_normal(self, b: Tensor, gamma: float | Tensor, **options) -> Tensor:
        if self.coil_maps is not None:
            return super().solve_normal(b, gamma, **options)
        return _centred(_centred(b, _AXES) / (1 + self._gamma(gamma, b) * self._mask(b) ** 2), _AXES, inverse=True)


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
        self.nufft = NUFFT(points, (height, width), norm="ortho", **engine)
        self._set(coil_maps, (depth, height, width), (depth, self.nufft.points.shape[1]))

    def _planes(self, function, v: Tensor) -> Tensor:
        return function(v.flatten(0, 2)[:, None])[:, 0].unflatten(0, tuple(v.shape[:3]))

    def one(self, x: Tensor) -> Tensor:
        return self._planes(self.nufft.A, _centred(x.to(x.real.dtype.to_complex()), (2,)))

    def one_adjoint(self, y: Tensor) -> Tensor:
        return _centred(self._planes(self.nufft.A_adjoint, y), (2,), inverse=True)

    def one_normal(self, x: Tensor) -> Tensor:
        # the same in every plane, so that the transform through the slices cancels
        return self._planes(self.nufft.A_adjoint_A, x.to(x.real.dtype.to_complex()))

    def preconditioner(self, gamma: Tensor):
        power = 1.0 if self.coil_maps is None else float(self.coil_maps.abs().square().sum(1).mean())
        plane = self.nufft.toeplitz()

        def apply(r: Tensor) -> Tensor:
            each = gamma.flatten().expand(len(r)).repeat_interleave(r.shape[1] * r.shape[2]).reshape(-1, 1, 1, 1)
            inverse = plane.preconditioner(each * power)
            return self._planes(inverse, r)

        return apply
