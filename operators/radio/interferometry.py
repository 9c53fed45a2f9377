"""Radio interferometry: visibilities of a small field."""

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, Unpack

import torch
from torch import Tensor

from ..fourier.nufft import NUFFT, EngineOptions, check_points
from ..fourier.sums import Transform
from ..fourier.toeplitz import Toeplitz
from ..modes import lasting
from ..shapes import Constant, as_constant, check_batch
from .weighting import unflagged, visibility_weights
from .wterm import WStack, curvature

__all__ = ["RadioInterferometry"]


class RadioInterferometry(NUFFT):
    r"""Visibilities of a sky in flux per pixel, at the baselines (u, v):

    .. math:: V(u, v) = \sum_{l, m} I(l, m)\, e^{-2 \pi i (u l + v m)}

    from images (B, C, H, W) to (B, C, M), complex; a point of flux one has \|V\| = 1, V(0) is the whole flux.

    With ``cell`` the baselines are wavelengths, u to the east and v to the north, and arrays lie as FITS files have
    them: rows go north, columns go west (shown with the first row below, north is up and east left); the direction
    l = m = 0 is pixel (H // 2, W // 2). With ``unit="rad/pixel"`` they are radians per pixel along rows and columns,
    as those of :class:`NUFFT`.

    With ``w`` the third component of the baselines counts, as wide fields and baselines out of one plane need it:

    .. math:: V(u, v, w) = \sum_{l, m} I(l, m)\, e^{-2 \pi i (u l + v m + w (\sqrt{1 - l^2 - m^2} - 1))}

    (flux per pixel has no factor :math:`1 / \sqrt{1 - l^2 - m^2}`). It is taken by w-stacking, to ``eps``; the normal
    operator is no convolution then, and costs a stack there and one back.

    Left out: bandwidth and time smearing, gains; primary beams are ``op @ PrimaryBeam(...)``. A is not
    weighted; weights enter :meth:`dirty_image` and :meth:`psf` alone, whitening is ``Weighted(1 / std) @ op``.

    Args:
        uv: (2, M).
        image_shape: (H, W).
        cell: side of a pixel in arcseconds, for baselines in wavelengths.
        w: (M,), wavelengths, towards the source; None: the field is taken as flat.
        unit: ``"wavelengths"`` or ``"rad/pixel"``.
        real: the sky is real; ``False`` for complex ones, such as a polarised Q + iU.
        channels: C.
        engine: ``eps``, ``backend``, ``threads`` of :class:`NUFFT`.

    Raises:
        TypeError, ValueError: an argument does not fit, or baselines are longer than pixels can show.

    Thompson, Moran, Swenson 2017, doi:10.1007/978-3-319-44431-4, chapters 3 and 10.

    >>> from operators.radio.uv import uv_coverage
    >>> op = RadioInterferometry(uv_coverage("vla-d"), (64, 64), cell=8.0)
    >>> sky = torch.zeros(1, 1, 64, 64)
    >>> sky[..., 32, 32] = 2.5  # Jy
    >>> y = op(sky)
    >>> round(y.real.mean().item(), 3), round(op.dirty_image(y).max().item(), 3)
    (2.5, 2.5)
    """

    field = "radio"

    def __init__(
        self,
        uv: Constant,
        image_shape: tuple[int, int],
        *,
        cell: float | None = None,
        w: Constant | None = None,
        unit: Literal["wavelengths", "rad/pixel"] = "wavelengths",
        real: bool = True,
        channels: int = 1,
        **engine: Unpack[EngineOptions],
    ) -> None:
        uv = check_points(uv, "uv")
        if unit not in ("wavelengths", "rad/pixel"):
            raise ValueError(f"unit: expected 'wavelengths' or 'rad/pixel', got {unit!r}")
        if (unit == "wavelengths") != (cell is not None):
            raise ValueError("cell: give the pixel's side in arcseconds for uv in wavelengths, or unit='rad/pixel'")
        points = uv.double()
        if cell is not None:
            if not (isinstance(cell, (int, float)) and 0 < cell < math.inf):
                raise ValueError(f"cell: expected a positive number of arcseconds, got {cell!r}")
            side = math.radians(cell / 3600)
            points = 2 * math.pi * side * torch.stack((points[1], -points[0]))
        longest = float(points.detach().abs().max())
        if longest > math.pi * (1 + 1e-6):
            fit = f"cell <= {cell * math.pi / longest:.4g}" if cell is not None else "values within -pi ... pi"
            raise ValueError(f"uv: the longest baseline turns by {longest:.4g} > pi radians per pixel; it needs {fit}")
        super().__init__(points, image_shape, channels=channels, real=real, **engine)
        self.cell = cell
        self.register_buffer("w", None if w is None else self._checked(w), persistent=False)
        self.flat = None if w is None else NUFFT(points, image_shape, channels=channels, real=real, **engine)

    w: Tensor | None

    def _checked(self, w: Constant) -> Tensor:
        if self.cell is None:
            raise ValueError("w: needs cell, the pixel's side in arcseconds, and uv in wavelengths")
        w = as_constant("w", w).double()
        if w.shape != (self.points.shape[1],) or not bool(torch.isfinite(w).all()):
            raise ValueError(f"w: expected {self.points.shape[1]} finite values, one a baseline, got {tuple(w.shape)}")
        corner = math.radians(self.cell / 3600) * math.hypot(*(n // 2 for n in self.image_shape))
        if corner >= 1:
            raise ValueError(f"cell, image_shape: the image's corner is at {corner:.3g} > 1, beyond the horizon")
        return w

    def _apply(self, fn: Callable[..., Tensor], recurse: bool = True) -> "RadioInterferometry":
        exact = self.w
        super()._apply(fn, recurse)
        if exact is not None:
            with lasting():
                self.w = exact.to(self.points.device)  # in double precision, as the points
        return self

    @property
    def planes(self) -> int:
        """Number of planes that the w-term takes in the precision of single data, 1 without it."""
        engine = self._transform(torch.zeros(0, dtype=torch.complex64, device=self.points.device))
        return engine.planes if isinstance(engine, WStack) else 1

    def _make(self, points: Tensor, device: torch.device, eps: float, shape: tuple[int, int]) -> Transform:
        if self.w is None or self.cell is None:
            return super()._make(points, device, eps, shape)
        eps = max(eps / 4, 1e-14)  # screens, interpolation between planes and on them add their errors
        engine = partial(self._engine, device=device, eps=eps, shape=shape, real=False)
        tilt = curvature(shape, math.radians(self.cell / 3600)).to(device)
        real = not self.in_dtype.is_complex
        return WStack(engine, points.detach().double().to(device), self.w.to(device), tilt, eps, real=real)

    def weighted_normal(self, x: Tensor, weights: Tensor | None) -> Tensor:
        if self.w is None:
            return super().weighted_normal(x, weights)
        y = self.A(x)
        return self.A_adjoint(y if weights is None else weights.to(y.real.dtype) * y)

    def toeplitz(self, weights: Tensor | None = None) -> Toeplitz:
        """The normal operator as a convolution.

        Raises:
            ValueError: with the w-term it is none.
        """
        if self.w is not None:
            raise ValueError("w: the normal operator with the w-term is not a convolution")
        return super().toeplitz(weights)

    def convolution(self) -> Toeplitz:
        return (self if self.flat is None else self.flat).toeplitz()

    def weighted_convolution(self, weights: Tensor) -> Toeplitz | None:
        return (super() if self.flat is None else self.flat).weighted_convolution(weights)

    def weights(self, scheme: str = "natural", *, robust: float = 0.0, natural: Constant | None = None) -> Tensor:
        """Weights (M,) for :meth:`dirty_image`; see :func:`operators.radio.weighting.visibility_weights`."""
        return visibility_weights(self.points.detach(), self.image_shape, scheme, robust=robust, natural=natural)

    def dirty_image(self, y: Tensor, weights: Constant | None = None) -> Tensor:
        r"""Flux per beam, :math:`\sum_m w_m V_m e^{2 \pi i (u_m l + v_m m)} / \sum_m w_m`: the sky convolved with
        :meth:`psf`. Weights (M,) are natural by default. Samples whose weight is not positive are flagged, as in UVFITS
        files, and left out, whatever their data are."""
        check_batch("y", y, self.out_shape, complex_data=True)
        w = self._weights(weights)
        return self.A_adjoint(torch.where(w > 0, w.to(y.real.dtype) * y, 0)) / float(w.sum())

    def psf(self, weights: Constant | None = None, *, shape: tuple[int, int] | None = None) -> Tensor:
        """Dirty image of a point of flux one at pixel n // 2, (1, 1, H, W), double precision, one at its peak.

        Args:
            weights: (M,), natural by default; samples whose weight is not positive are left out.
            shape: of the image; (2H, 2W) covers all shifts of pixels.
        """
        w = self._weights(weights)
        samples = (w / w.sum()).to(torch.complex128)[None]
        image = self._transform(samples, shape or self.image_shape).adjoint(samples)
        return (image.real if image.is_complex() and not self.in_dtype.is_complex else image)[None]

    def _weights(self, weights: Constant | None) -> Tensor:
        return self.weights() if weights is None else unflagged(weights, self.points.shape[1], "weights")
