"""Non-uniform Fourier sums on the CPU: finufft spreads and interpolates, torch does the FFT."""

import functools
import math
import os
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .toeplitz import fast_length

__all__ = ["WIDEST", "FinufftTransform"]

_OVERSAMPLING = 2
WIDEST = 16  # cells that a kernel covers at most


class FinufftTransform:
    r"""Type 2, :math:`y_m = \sum_n x_n e^{-i (u_m, v_m) \cdot n}`, and its adjoint, type 1, for fixed points.

    The image, divided by the transform of the kernel, is put on a grid of twice its size; an FFT in the precision of
    the image; interpolation at the points by finufft, always in double precision: points rounded to single precision
    would cost a relative error of about :math:`10^{-7} \max(H, W)`, where the FFT's rounding costs 2e-7.

    Plans are made on the first use in a process, so the object can be copied, pickled and forked. Calls from several
    threads take turns.

    Args:
        points: (2, M) in radians per pixel, doubles, taken modulo 2 pi.
        shape: (H, W) of the image; pixel n // 2 is the origin.
        eps: relative error wanted.
        threads: of finufft; 0: those of torch.

    Barnett, Magland, af Klinteberg 2019, doi:10.1137/18M120885X.
    """

    signs = (-1.0, -1.0)

    def __init__(self, points: np.ndarray, shape: tuple[int, int], eps: float, *, threads: int = 0) -> None:
        self.shape, self.eps, self.threads = shape, eps, threads
        self.points = np.ascontiguousarray(points, dtype=np.float64)
        a, b = (2 * fast_length(max(n, WIDEST)) for n in shape)
        self.grid = self.cells = a, b  # of the FFT, and those that finufft sees
        self._reset()

    def _reset(self) -> None:
        self._plan: Any = None
        self._process = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_plan", "_process", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    # ---- the transforms

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, H, W), real or complex -> samples (n, M), complex, in the same precision."""
        (h, w), (a, b) = self.shape, self.grid
        top, left = h // 2, w // 2
        padded = torch.zeros(a, b, dtype=x.dtype, device="cpu")  # pixel h // 2 to index 0, what is before it to the end
        y = torch.empty(len(x), self.points.shape[1], dtype=x.dtype.to_complex(), device="cpu")
        factor = self.factor(x.real.dtype)
        for image, row in zip(x, y):  # one by one: a grid holds four times an image
            image = image * factor
            padded[: h - top, : w - left] = image[top:, left:]
            padded[a - top :, : w - left] = image[:top, left:]
            padded[: h - top, b - left :] = image[top:, :left]
            padded[a - top :, b - left :] = image[:top, :left]
            row.copy_(torch.from_numpy(self._run(self._spectrum(padded).numpy(), "execute")))
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M), complex -> images (n, H, W), complex."""
        (h, w), (a, b) = self.shape, self.grid
        top, left = h // 2, w // 2
        images, factor = [], self.factor(y.real.dtype)
        for row in y.resolve_conj():
            padded = self._image(torch.from_numpy(self._run(row.numpy(), "execute_adjoint")), y.dtype)
            x = torch.empty(h, w, dtype=padded.dtype, device="cpu")
            x[top:, left:] = padded[: h - top, : w - left]
            x[:top, left:] = padded[a - top :, : w - left]
            x[top:, :left] = padded[: h - top, b - left :]
            x[:top, :left] = padded[a - top :, b - left :]
            images.append(x.mul_(factor))
        return torch.stack(images)

    def _spectrum(self, padded: Tensor) -> Tensor:
        """Padded image (a, b) -> what finufft interpolates, in double precision."""
        return torch.fft.fft2(padded).to(torch.complex128)

    def _image(self, cells: Tensor, dtype: torch.dtype) -> Tensor:
        """Adjoint of :meth:`_spectrum`, in the precision ``dtype``."""
        return torch.fft.ifft2(cells.to(dtype), norm="forward")

    def _run(self, data: np.ndarray, method: str) -> np.ndarray:
        data = np.ascontiguousarray(data, dtype=np.complex128)
        with self._lock:
            return getattr(self._ready(), method)(data)

    # ---- plan and kernel

    def _ready(self) -> Any:
        if self._plan is None or self._process != os.getpid():
            self._plan, self._process = self._make(self.cells), os.getpid()
            self._plan.setpts(*self.points)
        return self._plan

    def _make(self, grid: tuple[int, ...]) -> Any:
        import finufft

        forked = self._process not in (0, os.getpid())  # a second thread of OpenMP would wait for ever
        threads = 1 if forked else self.threads or torch.get_num_threads()
        return finufft.Plan(2, grid, 1, self.eps, -1, spreadinterponly=1, upsampfac=_OVERSAMPLING, nthreads=threads)

    def factor(self, dtype: torch.dtype) -> Tensor:
        """(-1)^n over the kernel's Fourier transform, (H, W): the grid's middle is the frequency zero."""
        axes = zip(self.shape, self.grid, self.signs)
        rows, columns = (_axis_factor(self.eps, size, length, sign) for size, length, sign in axes)
        return torch.from_numpy(rows[:, None] * columns).to(dtype)


@functools.lru_cache(maxsize=64)
def _axis_factor(eps: float, size: int, length: int, sign: float) -> np.ndarray:
    offsets, values = _kernel(eps)
    n = np.arange(size) - size // 2
    return sign**n / (values @ np.cos(2 * np.pi / length * offsets[:, None] * n))


@functools.lru_cache(maxsize=16)
def _kernel(eps: float, fine: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Offsets in grid cells and values of the interpolation kernel, ``fine`` a cell, as finufft has it."""
    import finufft

    size = 4 * WIDEST
    plan: Any = finufft.Plan(
        2, (size, size), 1, eps, -1, spreadinterponly=1, upsampfac=_OVERSAMPLING, nthreads=1
    )  # fmt: skip
    shifts = np.arange(fine) / fine
    plan.setpts(2 * np.pi / size * shifts, np.zeros(fine))
    grid = np.zeros((size, size), np.complex128)
    rows = []
    for k in range(size):
        grid[:] = 0
        grid[k, size // 2] = 1
        rows.append(plan.execute(grid).real)
    values = np.stack(rows)  # (k, shift): phi(k - size / 2 - shift) phi(0)
    offsets = np.arange(size)[:, None] - size // 2 - shifts
    return offsets.ravel(), values.ravel() / (fine * math.sqrt(values[size // 2, 0]))
