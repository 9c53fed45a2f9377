"""Magnetic resonance imaging along radial, spiral and other trajectories."""

import math
from collections.abc import Iterator
from typing import Literal, Unpack

import torch
from torch import Tensor

from ..base import LinearOperator
from ..doubts import Doubt, Variant
from ..fourier.nufft import NUFFT, EngineOptions, check_points
from ..shapes import Constant, check_batch, constant_like, image_axes
from .cartesian import check_maps, seen_by
from .density import density_compensation
from .mistakes import map_mistakes

__all__ = ["NonCartesianMRI", "within_grid"]

_BEYOND = 1.05  # of the image's highest frequency: as delays of gradients move samples


class NonCartesianMRI(LinearOperator):
    r"""Coil-weighted Fourier samples at arbitrary points: :math:`y_j = F_k (s_j x)`.

    Images (B, 1, H, W) complex -> k-space (B, coils, M) complex. F has the scale of the unitary FFT: on a full
    Cartesian grid of points the operator is :class:`operators.MRI`. The normal operator is a sum over coils of
    Toeplitz operators, whatever M.

    Args:
        points: (2, M) in radians per pixel, rows first; see :mod:`operators.mri.trajectories`.
        image_shape: (H, W).
        coil_maps: complex (coils, H, W) or (1 | B, coils, H, W); one coil of sensitivity one by default.
        engine: ``eps``, ``backend``, ``threads`` of :class:`NUFFT`.

    Raises:
        TypeError, ValueError: an argument does not fit, or points lie beyond the frequencies that pixels can show.

    Pruessmann, Weiger, Boernert, Boesiger 2001, doi:10.1002/mrm.1241.

    >>> from operators.mri.trajectories import radial_trajectory
    >>> op = NonCartesianMRI(radial_trajectory(5, 16), (8, 8))
    >>> op(torch.ones(1, 1, 8, 8)).shape
    torch.Size([1, 1, 80])
    """

    field = "mri"

    coil_maps: Tensor | None

    def __init__(
        self,
        points: Constant,
        image_shape: tuple[int, int],
        coil_maps: Constant | None = None,
        **engine: Unpack[EngineOptions],
    ) -> None:
        super().__init__()
        self.in_shape = image_axes(image_shape)
        coils = 1
        if coil_maps is not None:
            coil_maps = check_maps(coil_maps, self.in_shape[-2:])
            coils = coil_maps.shape[1]
        points = within_grid(points)
        self.nufft = NUFFT(points, image_shape, channels=coils, norm="ortho", **engine)
        self.register_buffer("coil_maps", coil_maps, persistent=False)
        self.out_shape = (coils, self.nufft.points.shape[1])
        self.in_dtype = self.out_dtype = torch.complex64

    @property
    def support(self) -> Tensor | None:
        return seen_by(self.coil_maps)

    def variants(self, y: Tensor) -> Iterator[Variant]:
        if self.coil_maps is None:
            return
        points, maps = self.nufft.points.detach(), self.coil_maps.detach()
        shape = (self.in_shape[-2], self.in_shape[-1])
        images = self.nufft.A_adjoint(y)
        for signs, which in (((-1, 1), "first"), ((1, -1), "second"), ((-1, -1), "both")):
            other = points * points.new_tensor(signs)[:, None]
            words = f"the trajectory runs the other way: points with the sign of {which} turned round fit"
            yield Variant(Doubt("geometry", words), NonCartesianMRI(other, shape, maps), y)
        words = "the axes of the trajectory are exchanged: points.flip(0) fits; rows come first"
        yield Variant(Doubt("geometry", words), NonCartesianMRI(points.flip(0), shape, maps), y)
        yield from map_mistakes(maps, images, y, lambda m: NonCartesianMRI(points, shape, m))

    def _maps(self, x: Tensor) -> Tensor | None:
        if self.coil_maps is None:
            return None
        return constant_like(self.coil_maps, x, "coil_maps")

    def A(self, x: Tensor) -> Tensor:
        maps = self._maps(x)
        return self.nufft.A(x if maps is None else maps * x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return self._combined(self.nufft.A_adjoint(y))

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        maps = self._maps(x)
        return self._combined(self.nufft.A_adjoint_A(x if maps is None else maps * x))

    def weighted_normal(self, x: Tensor, weights: Tensor) -> Tensor:
        maps = self._maps(x)
        return self._combined(self.nufft.weighted_normal(x if maps is None else maps * x, weights))

    def _combined(self, images: Tensor) -> Tensor:
        maps = self._maps(images)
        return images if maps is None else (maps.conj() * images).sum(1, keepdim=True)

    def preconditioner(self, gamma: Tensor):
        if self.coil_maps is None:
            return self.nufft.preconditioner(gamma)
        # coils mix frequencies; their mean power leaves the scale right
        return self.nufft.preconditioner(gamma * self.coil_maps.abs().square().sum(1).mean())

    def gridded(self, y: Tensor, method: Literal["pipe", "voronoi"] = "pipe") -> Tensor:
        """Density-compensated adjoint, :math:`A^* W y` over the coils' power: a first image, not an inverse."""
        check_batch("y", y, self.out_shape, complex_data=True)
        shape = (self.in_shape[-2], self.in_shape[-1])
        w = density_compensation(self.nufft.points.detach(), shape, method)
        x = self.A_adjoint(w.to(y.real.dtype) * y)
        maps = self._maps(x)
        return x if maps is None else x / maps.abs().square().sum(1, keepdim=True).clamp_min(1e-6)


def within_grid(points: Constant) -> Tensor:
    """Points (2, M) in radians per pixel; raise where they are far beyond pi: the sums would take them modulo 2 pi."""
    points = check_points(points)
    longest = float(points.detach().abs().max())
    if longest > _BEYOND * math.pi:
        raise ValueError(
            f"points: reach {longest:.4g} > pi radians per pixel, what pixels can show; cycles per field of view times "
            "2 pi / side are radians per pixel, and samples beyond the image's grid go out"
        )
    return points
