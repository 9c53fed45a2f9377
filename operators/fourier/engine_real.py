"""The CPU engine for real images: half of the Fourier plane holds everything."""

import numpy as np
import torch
from torch import Tensor

from .engine_finufft import WIDEST, FinufftTransform

__all__ = ["RealFinufftTransform"]

_MARGIN = WIDEST // 2


class RealFinufftTransform(FinufftTransform):
    r""":class:`FinufftTransform` of real images, whose adjoint gives the real part.

    A sample at :math:`-\omega` is the conjugate of the one at :math:`\omega`: points move to the half plane
    :math:`v \ge 0`, where a real FFT gives the grid. What the kernel reaches beyond its two edges is the conjugate of
    what lies opposite within, and a margin holds it.
    """

    signs = (-1.0, 1.0)

    def __init__(self, points: np.ndarray, shape: tuple[int, int], eps: float, *, threads: int = 0) -> None:
        super().__init__(points, shape, eps, threads=threads)
        a, b = self.grid
        u, v = self.points[0], np.remainder(self.points[1] + np.pi, 2 * np.pi) - np.pi
        self.side = torch.from_numpy(np.where(v < 0, -1.0, 1.0))
        columns = b // 2 + 1 + 2 * _MARGIN
        self.cells = a, columns + columns % 2
        at = np.abs(v) * b / (2 * np.pi) + _MARGIN  # in columns
        v = 2 * np.pi * (at / self.cells[1] - 0.5)
        self.points = np.ascontiguousarray(np.stack((np.where(self.side < 0, -u, u), v)))

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        y.imag.mul_(self.side)
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        return super().adjoint(torch.complex(y.real, y.imag * self.side.to(y.real.dtype)))

    def _spectrum(self, padded: Tensor) -> Tensor:
        half = torch.fft.rfft2(padded)
        inner = half.shape[1]
        cells = torch.zeros(self.cells, dtype=torch.complex128, device="cpu")
        cells[:, _MARGIN : _MARGIN + inner] = half
        for margin, opposite in self._margins(cells, inner):
            margin.copy_(_conjugate(opposite))
        return cells

    def _image(self, cells: Tensor, dtype: torch.dtype) -> Tensor:
        inner = self.grid[1] // 2 + 1
        for margin, opposite in self._margins(cells, inner):
            opposite += _conjugate(margin)
        half = cells[:, _MARGIN : _MARGIN + inner].to(dtype)
        half[:, 1:-1] /= 2  # the inverse counts these columns and their conjugates
        return torch.fft.irfft2(half, s=self.grid, norm="forward")

    @staticmethod
    def _margins(cells: Tensor, inner: int) -> list[tuple[Tensor, Tensor]]:
        """Either margin, and the columns within that are its mirror image, as views."""
        end = _MARGIN + inner
        return [
            (cells[:, :_MARGIN], cells[:, _MARGIN + 1 : 2 * _MARGIN + 1]),
            (cells[:, end : end + _MARGIN], cells[:, end - 1 - _MARGIN : end - 1]),
        ]


def _conjugate(columns: Tensor) -> Tensor:
    """At each frequency the conjugate of the opposite one; rows have the frequency zero in their middle."""
    return columns.flip(0, 1).roll(1, 0).conj()
