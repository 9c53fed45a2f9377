"""Non-uniform Fourier sums in pure torch, on any device, in two dimensions or three."""

import math

import numpy as np
import torch
from torch import Tensor

from .spreading import Spreading
from .toeplitz import fast_length

__all__ = ["TorchTransform"]

_WORKING_ELSEWHERE = 2**27  # cells of grids at a time where the device is not the CPU


class TorchTransform:
    r"""Type 2, :math:`y_m = \sum_n x_n e^{-i \omega_m \cdot n}`, and its adjoint, type 1, for fixed points.

    The image, divided by the transform of the kernel, is put on a grid of twice its size; an FFT; interpolation at the
    points, with coordinates and weights computed in double precision. The adjoint takes the same steps back.

    Args:
        points: (d, M) in radians per pixel, doubles, taken modulo 2 pi; they say on which device.
        shape: of the image, d sizes; pixel n // 2 is the origin.
        eps: relative error wanted.

    Barnett, Magland, af Klinteberg 2019, doi:10.1137/18M120885X.
    """

    def __init__(self, points: Tensor, shape: tuple[int, ...], eps: float) -> None:
        width = max(2, math.ceil(-math.log10(eps) - 1e-9) + 2)
        self.shape = tuple(shape)
        self.grid = tuple(2 * fast_length(n) for n in shape)
        self.spreading = Spreading(points.detach().double() / (2 * math.pi), self.grid, width)
        factors = (_factor(n, a, width, self.spreading.beta) for n, a in zip(shape, self.grid))
        self.factors = [torch.from_numpy(f).to(points.device) for f in factors]

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, *shape), real or complex -> samples (n, M), complex, in the same precision."""
        return torch.cat([self._samples(part) for part in x.split(self._together(x))])

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M), complex -> images (n, *shape), complex."""
        return torch.cat([self._image(part) for part in y.split(self._together(y))])

    def _together(self, data: Tensor) -> int:
        """How many at a time; on the CPU one, so that the cache holds it."""
        return 1 if data.device.type == "cpu" else max(1, _WORKING_ELSEWHERE // math.prod(self.grid))

    def _samples(self, x: Tensor) -> Tensor:
        x = self._weighted(x)
        for k in range(len(self.shape), 0, -1):
            n, a = self.shape[k - 1], self.grid[k - 1]
            before, after = x.split((n // 2, n - n // 2), k)  # pixel n // 2 to index 0
            gap = x.new_zeros(*x.shape[:k], a - n, *x.shape[k + 1 :])
            x = torch.fft.fft(torch.cat((after, gap, before), k), dim=k)
        parts = self.spreading.interpolate(torch.view_as_real(x).movedim(-1, 0).flatten(0, 1).contiguous())
        return torch.complex(*parts.unflatten(0, (2, -1)))

    def _image(self, y: Tensor) -> Tensor:
        parts = self.spreading.spread(torch.cat((y.real, y.imag)))
        x = torch.complex(*parts.unflatten(0, (2, -1)))
        for k, (n, a) in enumerate(zip(self.shape, self.grid), 1):
            x = torch.fft.ifft(x, dim=k, norm="forward")
            x = torch.cat((x.narrow(k, a - n // 2, n // 2), x.narrow(k, 0, n - n // 2)), k)
        return self._weighted(x)

    def _weighted(self, x: Tensor) -> Tensor:
        for k, factor in enumerate(self.factors):
            x = x * factor.to(x.real.dtype).reshape(-1, *(1,) * (len(self.shape) - 1 - k))
        return x


def _factor(n: int, length: int, width: int, beta: float) -> np.ndarray:
    r"""One over the kernel's Fourier transform at the n pixels, by quadrature.

    With z = sin(t) the integrand :math:`e^{\beta(\cos t - 1)} \cos(\pi w p \sin(t) / a) \cos t` is smooth.
    """
    nodes, weights = np.polynomial.legendre.leggauss(96)
    t, weights = nodes * math.pi / 2, weights * math.pi / 2
    weights = width / 2 * weights * np.exp(beta * (np.cos(t) - 1)) * np.cos(t)
    pixels = np.arange(n) - n // 2
    return 1 / (np.cos(math.pi * width / length * pixels[:, None] * np.sin(t)) @ weights)
