"""The non-uniform Fourier transform: one engine under radio interferometry, tomography and non-Cartesian MRI."""

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any, Literal, TypedDict, get_args

import torch
from torch import Tensor, nn

from ..base import LinearOperator
from ..modes import constant, lasting, tracked
from ..shapes import Constant, as_constant, check_precision, image_axes
from .sums import Transform, image_of, samples_of
from .toeplitz import Toeplitz

__all__ = ["NUFFT", "EngineOptions", "check_points", "engine_for"]

Backend = Literal["auto", "finufft", "cufinufft", "torch", "torchkbnufft"]


class EngineOptions(TypedDict, total=False):
    """What :class:`NUFFT` takes for its engine, and the operators on it pass on."""

    eps: float | None
    backend: Backend
    threads: int


class NUFFT(LinearOperator):
    r"""Fourier sums at arbitrary frequencies,

    .. math:: y_m = \sum_{p, q} x_{p, q}\, e^{-i (u_m (p - \lfloor H/2 \rfloor) + v_m (q - \lfloor W/2 \rfloor))}

    from images (B, C, H, W) to samples (B, C, M), complex. :math:`A^* A` is a Toeplitz operator: two FFTs on a
    doubled grid, whatever M. Derivatives of any order with respect to images and data, and to the points where
    they require gradients.

    Args:
        points: (2, M): u (along rows' index, down) and v (along columns), radians per pixel, taken modulo 2 pi; kept
            in double precision.
        image_shape: (H, W).
        channels: C.
        real: images are real; the adjoint takes the real part.
        norm: ``"ortho"`` divides by sqrt(HW), so that a full Cartesian grid of points makes a unitary operator.
        eps: relative error of the sums; default 1e-6 for single, 1e-12 for double precision data.
        backend: ``"finufft"`` (CPU), ``"cufinufft"`` (CUDA), ``"torch"`` (any device; no compiled code but torch's) or
            ``"torchkbnufft"`` (any device, relative error 5e-4); ``"auto"``: finufft on the CPU and cufinufft on CUDA
            where these import, else torch.
        threads: of finufft; 0: as many as torch uses.

    Raises:
        TypeError, ValueError: points are not real and finite of shape (2, M), or an option is unknown.

    Barnett, Magland, af Klinteberg 2019, doi:10.1137/18M120885X; Fessler, Sutton 2003, doi:10.1109/TSP.2002.807005.

    >>> op = NUFFT(torch.tensor([[0.0, 3.0], [0.0, 1.0]]), (8, 8))
    >>> op(torch.ones(1, 1, 8, 8))[0, 0, 0].real.round().item()
    64.0
    """

    points: Tensor

    def __init__(
        self,
        points: Constant,
        image_shape: tuple[int, int],
        *,
        channels: int = 1,
        real: bool = False,
        norm: Literal["ortho"] | None = None,
        eps: float | None = None,
        backend: Backend = "auto",
        threads: int = 0,
    ) -> None:
        super().__init__()
        points = check_points(points)
        if norm not in (None, "ortho"):
            raise ValueError(f"norm: expected None or 'ortho', got {norm!r}")
        if eps is not None and not 1e-14 <= eps <= 0.1:
            raise ValueError(f"eps: expected a relative error in 1e-14 ... 0.1, got {eps}")
        if backend not in get_args(Backend):
            raise ValueError(f"backend: expected one of {', '.join(get_args(Backend))}, got {backend!r}")
        if not (isinstance(threads, int) and threads >= 0):
            raise ValueError(f"threads: expected a number >= 0, got {threads!r}")
        if isinstance(points, nn.Parameter):
            self.points = points
        else:
            self.register_buffer("points", points.double(), persistent=False)
        self.in_shape = image_axes(image_shape, channels)
        self.image_shape = self.in_shape[-2:]
        self.out_shape = (channels, points.shape[1])
        self.in_dtype = torch.float32 if real else torch.complex64
        self.out_dtype = torch.complex64
        self.scale = 1 / math.sqrt(math.prod(self.image_shape)) if norm == "ortho" else 1.0
        self.eps, self.threads = eps, threads
        self.backend: Backend = backend
        self._made: dict[Any, tuple[Tensor, int, Any]] = {}  # for the points, in a version of them

    def _apply(self, fn: Callable[..., Tensor], recurse: bool = True) -> "NUFFT":
        exact = self.points
        super()._apply(fn, recurse)
        if not isinstance(exact, nn.Parameter):
            with lasting():
                self.points = exact.to(self.points.device)  # .float() leaves the points in double precision
        self._made.clear()
        return self

    # ---- the operator

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        y = samples_of(x, self.points, self._transform)
        return y if self.scale == 1 else self.scale * y

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        y = y.to(y.real.dtype.to_complex())
        x = image_of(y, self.points, self._transform)
        x = x.real if x.is_complex() and not self.in_dtype.is_complex else x
        return x if self.scale == 1 else self.scale * x

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        return self.weighted_normal(x, None)

    def weighted_normal(self, x: Tensor, weights: Tensor | None) -> Tensor:
        """:math:`A^* W A x` for real weights of the samples, the same in all channels; ``None``: of one."""
        if weights is not None and weights.numel() != self.points.shape[1]:
            return super().weighted_normal(x, weights)
        check_precision("x", x)
        unseen = weights is not None and weights.is_inference()  # a change in place would not be noticed
        if unseen or tracked(self.points) or tracked(weights):
            y = self.A(x)
            return self.A_adjoint(y if weights is None else weights.to(y.real.dtype) * y)
        return self.toeplitz(weights)(x)

    @torch.no_grad()
    def toeplitz(self, weights: Tensor | None = None) -> Toeplitz:
        """The operator :math:`A^* W A`, its kernel computed once in double precision."""
        key = ("toeplitz", None if weights is None else id(weights))
        version = self.points._version + (0 if weights is None else weights._version)
        kept = self._made.get(key)
        if kept is None or kept[0] is not self.points or kept[1] != version:
            for other in [k for k in self._made if k[0] == "toeplitz" and k[1] is not None]:
                del self._made[other]  # of other weights: a loop over weights would keep them all
            made = constant(lambda: self._new_toeplitz(weights))
            # the weights stay alive, so their id stays theirs
            kept = self._made[key] = (self.points, version, (made, weights))
        return kept[2][0]

    def _new_toeplitz(self, weights: Tensor | None) -> Toeplitz:
        weights = torch.ones(self.points.shape[1], device=self.points.device) if weights is None else weights
        samples = (weights.double() * self.scale**2).to(torch.complex128).reshape(1, -1)
        (h, w), (u, v) = self.image_shape, self.points.detach()
        engine, parts = self._transform(samples), []
        for first in (1 - w, 0):  # lags of rows from zero on, of columns up to zero and from zero on: images as others
            turned = samples * torch.polar(torch.ones_like(u), u * (h // 2) + v * (first + w // 2))
            parts.append(engine.adjoint(turned)[0])
        half = torch.cat((parts[0][:, :-1], parts[1]), 1)
        half = half if self.in_dtype.is_complex else half.real
        return Toeplitz(torch.cat((half[1:].flip(0, 1).conj(), half)), real=not self.in_dtype.is_complex)

    def convolution(self) -> Toeplitz:
        return self.toeplitz()

    def weighted_convolution(self, weights: Tensor) -> Toeplitz | None:
        unfit = weights.numel() != self.points.shape[1] or weights.is_inference() or tracked(weights)
        return None if unfit else self.toeplitz(weights)

    # ---- the engine

    @property
    def options(self) -> EngineOptions:
        """``eps``, ``backend`` and ``threads``, as they were given."""
        return {"eps": self.eps, "backend": self.backend, "threads": self.threads}

    @property
    def engine(self) -> str:
        """What computes the sums where the points are."""
        return engine_for(self.backend, self.points.device)

    def _transform(
        self, like: Tensor, shape: tuple[int, int] | None = None, *, points: Tensor | None = None
    ) -> Transform:
        """The engine for tensors such as ``like`` and images of ``shape``, made when first asked for."""
        shape, points = shape or self.image_shape, self.points if points is None else points
        eps = self.eps or (1e-12 if like.real.dtype == torch.float64 else 1e-6)
        key, kept = (like.device, eps, shape), None
        if points.is_inference():  # a change in place would not be noticed
            return self._make(points, like.device, eps, shape)
        kept = self._made.get(key)
        if kept is None or kept[0] is not points or kept[1] != points._version:
            made = constant(lambda: self._make(points, like.device, eps, shape))
            kept = self._made[key] = (points, points._version, made)
        return kept[2]

    def _make(self, points: Tensor, device: torch.device, eps: float, shape: tuple[int, int]) -> Transform:
        return self._engine(points, device, eps, shape, real=not self.in_dtype.is_complex)

    def _engine(
        self, points: Tensor, device: torch.device, eps: float, shape: tuple[int, int], *, real: bool
    ) -> Transform:
        points, backend = points.detach().double(), engine_for(self.backend, device)
        if backend == "torch":
            from .engine_torch import TorchTransform

            return TorchTransform(points.to(device), shape, eps)
        if backend == "finufft":
            from .engine_finufft import FinufftTransform
            from .engine_real import RealFinufftTransform

            if device.type != "cpu":
                raise ValueError(f"backend: finufft works on the CPU, the data are on {device}; 'torch' works there")
            engine = RealFinufftTransform if real else FinufftTransform
            return engine(points.cpu().numpy(), shape, eps, threads=self.threads)
        if backend == "cufinufft":
            from .engine_cufinufft import CufinufftTransform

            return CufinufftTransform(points.to(device), shape, eps)
        from .engine_torchkb import TorchkbTransform

        return TorchkbTransform(points.to(device), shape)


def engine_for(backend: str, device: torch.device) -> str:
    """The engine that ``backend`` means on a device.

    >>> engine_for("auto", torch.device("meta")), engine_for("torchkbnufft", torch.device("cpu"))
    ('torch', 'torchkbnufft')
    """
    if backend != "auto":
        return backend
    fast = {"cpu": "finufft", "cuda": "cufinufft"}.get(device.type)
    return fast if fast and _imports(fast) else "torch"


@functools.cache
def _imports(package: str) -> bool:
    try:
        importlib.import_module(package)
    except (ImportError, OSError):  # the latter: of a shared library that is missing
        return False
    return True


def check_points(points: Any, name: str = "points") -> Tensor:
    """``points`` as a tensor; raise unless it is a floating one (2, M) of finite values."""
    points = as_constant(name, points)
    if points.ndim != 2 or points.shape[0] != 2 or points.shape[1] == 0:
        hint = "; transpose it" if points.ndim == 2 and points.shape[1] == 2 else ""
        raise ValueError(f"{name}: expected shape (2, M), got {tuple(points.shape)}{hint}")
    if not points.is_floating_point():
        raise TypeError(f"{name}: expected floating point radians per pixel, got {points.dtype}")
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"{name}: hold NaN or infinite values")
    return points
