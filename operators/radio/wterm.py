"""The w-term: visibilities of wide fields and baselines that do not lie in a plane, by w-stacking."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..fourier.sums import Transform

__all__ = ["WStack", "curvature"]

_KEPT = 2**28  # bytes of plans that are kept; more are made whenever they are needed
_A_SAMPLE = 48  # bytes of a plan
_PLANES_A_PERIOD = 2


def curvature(image_shape: tuple[int, int], side: float) -> Tensor:
    r""":math:`\sqrt{1 - l^2 - m^2} - 1` of each pixel, (H, W), double precision, ``side`` of a pixel in radians.

    Pixels beyond the horizon have that of the horizon, -1.

    >>> [round(t, 3) + 0.0 for t in curvature((1, 3), 0.6)[0].tolist()]
    [-0.2, 0.0, -0.2]
    """
    rows, columns = ((torch.arange(n, dtype=torch.float64, device="cpu") - n // 2) * side for n in image_shape)
    square = (rows[:, None] ** 2 + columns**2).clamp_max(1)
    return -square / (1 + (1 - square).sqrt())


class WStack:
    r"""Fourier sums with a phase screen that depends on the sample,
    :math:`y_j = \sum_p x_p\, e^{-i \omega_j \cdot p - 2 \pi i w_j t_p}`, and their adjoint.

    Planes of equal distance h in w hold the image times :math:`e^{-2 \pi i w_k t} / \hat\varphi(h t)`; each sample is
    interpolated between the planes around it by the kernel :math:`\varphi` that non-uniform FFTs use along other axes,
    so that the error falls by ten with each further plane that a sample needs. There are two planes for each period
    that the screen has between the least and the largest w and the least and the largest t, and those that the kernel
    covers. One plane is in memory at a time.

    Args:
        engine: Fourier sums of complex images at points (2, m).
        points: (2, M).
        w: (M,), in wavelengths, double precision.
        t: (H, W), as :func:`curvature` has it.
        eps: relative error wanted.
        real: images are real; samples of negative w are conjugates of those opposite, which halves the planes.

    Arras, Reinecke, Westermann, Ensslin 2021, doi:10.1051/0004-6361/202039723; Offringa et al. 2014,
    doi:10.1093/mnras/stu1368.
    """

    def __init__(
        self, engine: Callable[[Tensor], Transform], points: Tensor, w: Tensor, t: Tensor, eps: float, *, real: bool
    ) -> None:
        self.engine, self.real = engine, real
        side = torch.where(w < 0, -1.0, 1.0) if real else torch.ones_like(w)
        w, self.order = torch.sort(side * w, stable=True)
        self.side, self.points = side[self.order], (side * points)[:, self.order]
        low, high = float(w[0]), float(w[-1])
        middle, spread = float(t.amin() + t.amax()) / 2, float(t.amax() - t.amin())
        self.t = t - middle
        if (high - low) * spread < eps / math.pi:
            self.at, self.values = [(low + high) / 2], [torch.ones_like(w)]
            self.slices, self.correction = [slice(0, len(w))], torch.ones_like(t)
        else:
            width = math.ceil(-math.log10(eps) - 1e-9) + 2
            step = 1 / (_PLANES_A_PERIOD * spread)
            place = (w - low) / step + width / 2  # the planes are 0, 1, 2 ...
            count = math.floor((high - low) / step) + width + 1
            edges = torch.arange(count, dtype=w.dtype, device=w.device)
            first = torch.searchsorted(place, edges - width / 2, right=True).tolist()
            last = torch.searchsorted(place, edges + width / 2).tolist()
            self.at = [low + (k - width / 2) * step for k in range(count) if last[k] > first[k]]
            self.slices = [slice(a, b) for a, b in zip(first, last) if b > a]
            inside = [k for k in range(count) if last[k] > first[k]]
            self.values = [_kernel(place[part] - k, width) for k, part in zip(inside, self.slices)]
            self.correction = _correction(self.t * step, width)
        self.turn = torch.polar(torch.ones_like(w), -2 * math.pi * middle * w)
        total = sum(len(v) for v in self.values)
        self._engines: list[Transform] | None = None
        if total * _A_SAMPLE <= _KEPT:
            self._engines = [engine(self.points[:, part]) for part in self.slices]

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(self.at)

    def forward(self, x: Tensor) -> Tensor:
        """Images (n, H, W) -> samples (n, M)."""
        kind = x.real.dtype
        x = x * self.correction.to(kind)
        y = torch.zeros(len(x), len(self.order), dtype=kind.to_complex(), device=x.device)
        for k, part in enumerate(self.slices):
            y[:, part] += self.values[k].to(kind) * self._plane(k).forward(x * self._screen(k, kind))
        y = y * self.turn.to(y.dtype)
        out = torch.empty_like(y)
        out[:, self.order] = self._sided(y)
        return out

    def adjoint(self, y: Tensor) -> Tensor:
        """Samples (n, M) -> images (n, H, W), complex, or real ones where images are real."""
        kind = y.real.dtype
        y = self._sided(y[:, self.order]) * self.turn.conj().to(y.dtype)
        out = torch.zeros(len(y), *self.t.shape, dtype=kind if self.real else y.dtype, device=y.device)
        for k, part in enumerate(self.slices):
            seen = self._plane(k).adjoint(self.values[k].to(kind) * y[:, part]) * self._screen(k, kind).conj()
            out += seen.real if self.real else seen
        return out * self.correction.to(kind)

    def _sided(self, y: Tensor) -> Tensor:
        return torch.complex(y.real, y.imag * self.side.to(y.real.dtype)) if self.real else y

    def _plane(self, k: int) -> Transform:
        return self.engine(self.points[:, self.slices[k]]) if self._engines is None else self._engines[k]

    def _screen(self, k: int, kind: torch.dtype) -> Tensor:
        phase = self.t * (-2 * math.pi * self.at[k])
        phase = phase if kind == torch.float64 else torch.remainder(phase, 2 * math.pi).to(kind)
        return torch.polar(torch.ones_like(phase), phase)


def _kernel(x: Tensor, width: int) -> Tensor:
    z = (2 / width * x).square_()
    return ((1 - z).clamp_min_(0).sqrt_() - 1).mul_(2.3 * width).exp_()


def _correction(xi: Tensor, width: int) -> Tensor:
    """One over the kernel's Fourier transform at ``xi`` periods per plane, by an even polynomial."""
    nodes, weights = np.polynomial.legendre.leggauss(96)
    angle = nodes * math.pi / 2
    weights = math.pi / 2 * weights * width / 2 * np.exp(2.3 * width * (np.cos(angle) - 1)) * np.cos(angle)
    largest = float(xi.abs().max())

    def inverse(q: np.ndarray) -> np.ndarray:
        xi = largest * np.sqrt((q + 1) / 2)
        return 1 / (np.cos(math.pi * width * xi[:, None] * np.sin(angle)) @ weights)

    even: Any = np.polynomial.chebyshev.Chebyshev.interpolate(inverse, 16).coef  # type: ignore[arg-type]
    q = 2 * (xi / largest).square() - 1
    before, value = torch.zeros_like(q), torch.zeros_like(q)  # Clenshaw's recurrence
    for c in even[:0:-1]:
        before, value = value, 2 * q * value - before + float(c)
    return q * value - before + float(even[0])
