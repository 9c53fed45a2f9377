"""Thresholding of wavelet coefficients."""

import math

import torch
from torch import Tensor

from ..base import Denoiser, check_images, sigma_column
from ..modes import refuse_transforms

__all__ = ["WaveletDenoiser"]


class WaveletDenoiser(Denoiser):
    r"""Soft thresholds in an undecimated wavelet frame, chosen in each band from its own energy (BayesShrink),

    .. math:: \tau_b = \sigma^2 / \sqrt{\max(\overline{d_b^2} - \sigma^2, 0)}

    for coefficients d whose noise has the deviation of the image's. Wavelets are those of the package PyWavelets
    (extra ``bench``); it runs in numpy on the CPU and has no derivative. Commutes with changes of units.

    Args:
        wavelet: orthogonal, by the package's name.
        levels: number of scales.

    Chang, Yu, Vetterli 2000, doi:10.1109/83.862633; Coifman, Donoho 1995, doi:10.1007/978-1-4612-2544-7_9.

    Raises:
        ImportError: the package is not installed. ValueError: ``levels`` is below 1.
    """

    intensity_range = None
    radius = math.inf  # thresholds come from whole bands

    def __init__(self, wavelet: str = "sym4", levels: int = 4) -> None:
        super().__init__()
        try:
            import pywt  # noqa: F401 (not kept: a module can be neither copied nor saved)
        except ImportError as error:
            raise ImportError("WaveletDenoiser needs PyWavelets: pip install 'pnp-imaging[bench]'") from error
        if levels < 1:
            raise ValueError(f"levels: expected at least 1, got {levels}")
        self.wavelet, self.levels = wavelet, levels

    @torch.no_grad()
    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W), channel by channel; ``sigma`` a number or (B,)."""
        check_images(x)
        refuse_transforms("WaveletDenoiser")
        level = sigma_column(sigma, x)
        planes = x / torch.where(level > 0, level, torch.ones_like(level))
        out = torch.stack([torch.stack([self._plane(plane) for plane in image]) for image in planes])
        return torch.where(level > 0, level * out, x)

    def _plane(self, plane: Tensor) -> Tensor:
        """A plane whose noise has deviation 1."""
        import numpy as np
        import pywt

        step = 2**self.levels
        margins = [(step, step - size % step + step) for size in plane.shape]  # mirrored: the transform is periodic
        array = np.pad(plane.double().cpu().resolve_neg().numpy(), margins, mode="symmetric")
        bands = pywt.swt2(array, self.wavelet, self.levels, norm=True, trim_approx=True)
        shrunk = [bands[0]]
        for level, details in enumerate(bands[1:]):
            noise = 0.5 ** (self.levels - level)  # of normalised coefficients
            shrunk.append(tuple(self._shrink(d, noise) for d in details))
        out = pywt.iswt2(shrunk, self.wavelet, norm=True)
        inside = tuple(slice(a, -b) for a, b in margins)
        return torch.from_numpy(out[inside].copy()).to(plane)

    @staticmethod
    def _shrink(band, noise: float):
        import pywt

        signal = max(float((band**2).mean()) - noise**2, 0.0) ** 0.5
        threshold = noise**2 / signal if signal > 0 else float(abs(band).max())
        return pywt.threshold(band, threshold, "soft")
