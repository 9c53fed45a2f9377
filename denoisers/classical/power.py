"""Power spectra of isotropic images."""

import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["PowerTable"]


class PowerTable(torch.nn.Module):
    r"""Power spectrum of an isotropic map on the flat sky, :math:`C_\ell` at some multipoles, for maps of any size.

    Between the multipoles it is interpolated in logarithms; beyond the last ones it is constant.

    Args:
        ell: multipoles > 0, rising, (N,).
        power: :math:`C_\ell` > 0, (N,).
        pixel_scale: side of a pixel in arcmin; the pixels' footprint damps the power.

    Raises:
        ValueError: values do not fit.
    """

    ell: Tensor
    power: Tensor
    pixel_scale: Tensor

    def __init__(self, ell: Tensor, power: Tensor, pixel_scale: float) -> None:
        super().__init__()
        native = (v if isinstance(v, Tensor) else np.array(v, dtype=np.float64) for v in (ell, power))  # or big-endian
        ell, power = (torch.as_tensor(v, dtype=torch.float64) for v in native)
        if ell.ndim != 1 or ell.shape != power.shape or len(ell) < 2 or not bool((ell[0] > 0) & (ell.diff() > 0).all()):
            raise ValueError("ell: expected at least two rising positive values, as many as power")
        if not bool((power > 0).all() & torch.isfinite(power).all()) or not 0 < pixel_scale < math.inf:
            raise ValueError("power, pixel_scale: expected positive finite values")
        self.register_buffer("ell", ell)
        self.register_buffer("power", power)
        self.register_buffer("pixel_scale", torch.tensor(float(pixel_scale), dtype=torch.float64, device="cpu"))
        self._grids: dict[tuple[int, int], Tensor] = {}

    def variances(self, image_shape: tuple[int, int]) -> Tensor:
        r"""Variance of each coefficient of the orthonormal Fourier transform, :math:`C_\ell / A_\mathrm{pix}` times the
        footprint squared, (H, W) in double precision. The mean has none.

        >>> table = PowerTable(torch.tensor([10.0, 1e5]), torch.tensor([1e-8, 1e-8]), 1.0)
        >>> table.variances((4, 4)).shape, table.variances((4, 4))[0, 0].item()
        (torch.Size([4, 4]), 0.0)
        """
        key = (int(image_shape[0]), int(image_shape[1]))
        if key not in self._grids or self._grids[key].device != self.ell.device:
            self._grids[key] = self._variances(key)
        return self._grids[key]

    def _variances(self, shape: tuple[int, int]) -> Tensor:
        radians = math.radians(float(self.pixel_scale) / 60)
        cycles = [torch.fft.fftfreq(n, dtype=torch.float64, device=self.ell.device) for n in shape]
        k = 2 * math.pi * torch.hypot(cycles[0][:, None], cycles[1][None]) / radians
        x, xs, ys = (
            k.clamp(float(self.ell[0]), float(self.ell[-1])).log(),
            self.ell.double().log(),
            self.power.double().log(),
        )
        i = torch.searchsorted(xs, x.contiguous()).clamp(1, len(xs) - 1)
        share = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
        power = torch.exp(ys[i - 1] + share * (ys[i] - ys[i - 1])) / radians**2
        power = power * (torch.sinc(cycles[0])[:, None] * torch.sinc(cycles[1])[None]) ** 2
        power[0, 0] = 0.0
        return power
