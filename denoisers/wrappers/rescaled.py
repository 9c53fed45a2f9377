"""One noise level made into all: intensities are scaled until the noise has the level that the network knows."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..base import Wrapper, sigma_column

__all__ = ["Rescaled"]


class Rescaled(Wrapper):
    r"""A denoiser of one level :math:`\sigma_0` for every level,

    .. math:: D_\sigma(x) = c + t\,\big(D_{\sigma_0}(c + (x - c) / t) - c\big), \qquad t = \sigma / \sigma_0

    around the intensity ``centre`` c, 0 in the usual formula. The image's own contrast changes with the scale, so far
    from :math:`\sigma_0` the network sees images unlike those of its training; :math:`\sigma = 0` gives x back.

    Args:
        denoiser: of one level; the middle of its ``sigma_range`` counts where it has several.
        level: :math:`\sigma_0`, where the denoiser does not say.
        centre: c, in the denoiser's intensities.

    Raises:
        ValueError: the level is unknown or not positive.

    >>> shrink = lambda x, sigma: torch.sign(x) * (x.abs() - 0.1).clamp(0)
    >>> Rescaled(shrink, level=0.1)(torch.ones(1, 1, 1, 1), 0.2).item()
    0.800000011920929
    """

    def __init__(self, denoiser: Callable[..., Tensor], *, level: float | None = None, centre: float = 0.0) -> None:
        super().__init__(denoiser)
        if level is None:
            if self.sigma_range is None:
                raise ValueError("level: this denoiser does not say which noise level it was trained for")
            level = sum(self.sigma_range) / 2
        if not level > 0:
            raise ValueError(f"level: expected a positive noise level, got {level}")
        self.level, self.centre = float(level), float(centre)
        self.sigma_range = None  # every level

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        self.check(x)
        factor = sigma_column(sigma, x) / self.level
        still = factor == 0
        safe = torch.where(still, torch.ones_like(factor), factor)
        out = self.denoiser(self.centre + (x - self.centre) / safe, self.level)
        return torch.where(still, x, self.centre + safe * (out - self.centre))
