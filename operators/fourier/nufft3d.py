"""The non-uniform Fourier transform of volumes."""

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from ..base import LinearOperator
from ..implicit import linear_map
from ..modes import constant, lasting
from ..shapes import Constant, as_constant, check_precision
from .engine_torch import TorchTransform
from .nufft import engine_for
from .toeplitz import fast_length

__all__ = ["NUFFT3D"]


class NUFFT3D(LinearOperator):
    r"""Fourier sums of volumes at arbitrary frequencies, (B, C, D, H, W) to (B, C, M), complex,

    .. math:: y_m = \sum_n x_n\, e^{-i\, k_m \cdot (n - \lfloor N / 2 \rfloor)}

    in the precision of the data. :math:`A^* A` is a Toeplitz operator: two FFTs on a doubled
    grid, whatever M. Derivatives of any order with respect to volumes and data.

    Args:
        points: (3, M), radians per voxel along slices, rows and columns; kept in double precision.
        image_shape: (D, H, W).
        channels: C.
        norm: ``"ortho"`` divides by sqrt(DHW).
        eps: relative error; default 1e-6 in single, 1e-12 in double precision.
        backend: ``"finufft"`` (CPU) or ``"torch"`` (any device); ``"auto"``: finufft on the CPU where it imports, else
            torch.

    Raises:
        ValueError: an argument does not fit, or data are not on the CPU where finufft was asked for.

    Barnett, Magland, af Klinteberg 2019, doi:10.1137/18M120885X.

    >>> op = NUFFT3D(torch.zeros(3, 1), (2, 4, 4))
    >>> op(torch.ones(1, 1, 2, 4, 4)).real.round().item()
    32.0
    """

    in_dtype = out_dtype = torch.complex64
    points: Tensor

    def __init__(
        self,
        points: Constant,
        image_shape: tuple[int, int, int],
        *,
        channels: int = 1,
        norm: Literal["ortho"] | None = None,
        eps: float | None = None,
        backend: Literal["auto", "finufft", "torch"] = "auto",
    ) -> None:
        super().__init__()
        points = as_constant("points", points)
        if points.ndim != 2 or points.shape[0] != 3 or not points.is_floating_point() or points.numel() == 0:
            raise ValueError(f"points: expected floating radians per voxel (3, M), got {tuple(points.shape)}")
        if not bool(torch.isfinite(points).all()):
            raise ValueError("points: hold NaN or infinite values")
        if norm not in (None, "ortho"):
            raise ValueError(f"norm: expected None or 'ortho', got {norm!r}")
        if len(image_shape) != 3 or min(image_shape) < 1 or channels < 1:
            raise ValueError(f"image_shape: expected positive (D, H, W), got {image_shape!r}")
        if backend not in ("auto", "finufft", "torch"):
            raise ValueError(f"backend: expected auto, finufft or torch, got {backend!r}")
        self.register_buffer("points", points.detach().double(), persistent=False)
        self.volume: tuple[int, ...] = tuple(int(n) for n in image_shape)
        self.in_shape, self.out_shape = (channels, *self.volume), (channels, points.shape[1])
        self.scale = 1 / math.sqrt(math.prod(self.volume)) if norm == "ortho" else 1.0
        self.eps, self.backend = eps, backend
        self._engines: dict[Any, TorchTransform] = {}
        self._spectra: dict[Any, Tensor] = {}

    def _apply(self, fn: Callable[..., Tensor], recurse: bool = True) -> "NUFFT3D":
        exact = self.points
        super()._apply(fn, recurse)
        with lasting():
            self.points = exact.to(self.points.device)  # .float() leaves the points in double precision
        self._engines.clear()
        self._spectra.clear()
        return self

    def _sums(self, v: Tensor, kind: int, shape: tuple[int, ...]) -> Tensor:
        """Type 2 (volumes to samples) or 1 (its adjoint) of a stack of volumes or rows of samples."""
        v = v.detach().to(v.real.dtype.to_complex()).contiguous().resolve_conj()
        eps = self.eps or (1e-12 if v.dtype == torch.complex128 else 1e-6)
        if engine_for(self.backend, v.device) == "finufft":
            return self._by_finufft(v, kind, shape, eps)
        key = (v.device, eps, shape)
        if key not in self._engines:
            self._engines[key] = constant(lambda: TorchTransform(self.points.to(v.device), shape, eps))
        return self._engines[key].forward(v) if kind == 2 else self._engines[key].adjoint(v)

    def _by_finufft(self, v: Tensor, kind: int, shape: tuple[int, ...], eps: float) -> Tensor:
        import finufft

        if v.device.type != "cpu":
            raise ValueError(f"backend: finufft works on the CPU, the data are on {v.device}; 'torch' works there")
        double = v.dtype == torch.complex128
        # coordinates as finufft wants them: within a period
        points = [p.numpy() for p in torch.remainder(self.points.cpu() + math.pi, 2 * math.pi) - math.pi]
        plan: Any = finufft.Plan(kind, shape, len(v), eps, -1 if kind == 2 else 1,
                                 dtype="complex128" if double else "complex64",
                                 nthreads=torch.get_num_threads())  # fmt: skip
        plan.setpts(*(p.astype("float64" if double else "float32") for p in points))
        out = torch.from_numpy(plan.execute(v.numpy() if len(v) > 1 else v[0].numpy()))
        return out.reshape(len(v), *(shape if kind == 1 else (self.points.shape[1],)))

    def _forward(self, x: Tensor) -> Tensor:
        return self.scale * self._sums(x.flatten(0, 1), 2, self.volume).unflatten(0, tuple(x.shape[:2]))

    def _back(self, y: Tensor) -> Tensor:
        return self.scale * self._sums(y.flatten(0, 1), 1, self.volume).unflatten(0, tuple(y.shape[:2]))

    def A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        return linear_map(x.to(x.real.dtype.to_complex()), self._forward, self._back)

    def A_adjoint(self, y: Tensor) -> Tensor:
        check_precision("y", y)
        return linear_map(y.to(y.real.dtype.to_complex()), self._back, self._forward)

    def _spectrum(self, like: Tensor) -> Tensor:
        dtype, device = key = like.real.dtype, like.device
        if key not in self._spectra:
            self._spectra[key] = constant(lambda: self._transformed_kernel(device).to(dtype))
        return self._spectra[key]

    def _transformed_kernel(self, device: torch.device) -> Tensor:
        """Spectrum of the Toeplitz kernel on the doubled grid, real."""
        lags = tuple(2 * n - 1 for n in self.volume)
        ones = torch.full((1, self.points.shape[1]), self.scale**2, dtype=torch.complex128, device=device)
        kernel = self._sums(ones, 1, lags)[0]
        kernel = (kernel + kernel.flip(0, 1, 2).conj()) / 2
        padded = kernel.new_zeros([fast_length(n) for n in lags])
        padded[tuple(slice(n) for n in lags)] = kernel
        padded = padded.roll(tuple(1 - n for n in self.volume), (0, 1, 2))
        return torch.fft.fftn(padded).real

    def A_adjoint_A(self, x: Tensor) -> Tensor:
        check_precision("x", x)
        spectrum = self._spectrum(x)
        axes = (-3, -2, -1)
        full = torch.fft.ifftn(torch.fft.fftn(x, s=spectrum.shape, dim=axes) * spectrum, dim=axes)
        return full[(..., *(slice(n) for n in self.volume))]
