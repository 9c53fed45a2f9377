"""Complex images for denoisers of real ones."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..base import Wrapper, sigma_column

__all__ = ["MagnitudePhase", "RealImaginary"]


class RealImaginary(Wrapper):
    """Real and imaginary part as two samples, which is what solvers do by themselves; real images pass as they are.

    ``sigma`` is the noise of each part.

    >>> RealImaginary(lambda x, sigma: x.clamp(0))(torch.tensor([[[[1 - 1j]]]]), 0.1).item()
    (1+0j)
    """

    def __init__(self, denoiser: Callable[..., Tensor]) -> None:
        super().__init__(denoiser)
        self.takes_complex = True

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W), complex or real; ``sigma`` a number or (B,)."""
        self.check(x)
        if not x.is_complex():
            return self.denoiser(x, sigma)
        level = sigma_column(sigma, x).flatten()
        return torch.complex(*self.denoiser(torch.cat((x.real, x.imag)), level.repeat(2)).chunk(2))


class MagnitudePhase(RealImaginary):
    """Magnitude denoised, phase kept: for images whose phase is not an image, such as MRI with a rough phase.

    Noise in the phase stays, and where the magnitude is below a few ``sigma`` its noise is not Gaussian any more; it is
    no proximal map, so solvers need not settle with it, and say so where they do not.

    >>> MagnitudePhase(lambda x, sigma: 2 * x)(torch.tensor([[[[3 - 4j]]]]), 0.1).item()
    (6-8j)
    """

    def __init__(self, denoiser: Callable[..., Tensor]) -> None:
        super().__init__(denoiser)
        self.caution = (
            "MagnitudePhase keeps the noise of the phase and is not a proximal map, so that iterates do not settle; "
            "give the denoiser itself, which sees real and imaginary part"
        )

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W), complex or real; ``sigma`` a number or (B,), the noise of each part."""
        self.check(x)
        if not x.is_complex():
            return self.denoiser(x, sigma)
        size = x.abs()
        phase = torch.where(size > 0, x / torch.where(size > 0, size, torch.ones_like(size)), torch.ones_like(x))
        return phase * self.denoiser(size, sigma)
