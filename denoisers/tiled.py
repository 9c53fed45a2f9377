"""Large images through any local denoiser, in tiles, with the result of the whole image."""

import math

from torch import Tensor

from .base import Denoiser, check_images
from .receptive_field import receptive_field, stride_of
from .tiles import run_in_tiles

__all__ = ["TiledDenoiser"]


class TiledDenoiser(Denoiser):
    """A denoiser in tiles of at most about ``pixels`` pixels: memory is bounded, the result that of the whole image.

    Tiles reach as far beyond what is kept of them as the denoiser looks, which is measured once
    (:func:`receptive_field`), and begin at multiples of its stride.

    Args:
        denoiser: a network that looks no further than some distance.
        pixels: of a tile of one image, halo included.
        halo: that distance in pixels, where it is known.

    Raises:
        ValueError: the denoiser sees the whole image (attention, instance normalisation, mixers), or ``pixels`` leaves
            nothing of a tile beside its halo.

    >>> import torch
    >>> from denoisers import DnCNN, CallableDenoiser
    >>> whole = CallableDenoiser(lambda x, sigma, net=DnCNN(1, width=4, depth=3).eval(): net(x))
    >>> x = torch.rand(1, 1, 50, 40)
    >>> torch.allclose(TiledDenoiser(whole, 400, halo=3)(x, 0.1), whole(x, 0.1), atol=1e-6)
    True
    """

    def __init__(self, denoiser: Denoiser, pixels: int = 1_000_000, *, halo: int | None = None) -> None:
        super().__init__()
        if halo is None:
            measured = receptive_field(denoiser)
            if math.isinf(measured):
                raise ValueError("denoiser: it sees the whole image, so tiles would change its result")
            halo = int(measured)
        self.denoiser, self.pixels, self.halo, self.step = denoiser, int(pixels), halo, stride_of(denoiser)
        if self.pixels < (2 * halo + 2 * self.step) ** 2:
            raise ValueError(f"pixels: {pixels} leave nothing of a tile beside a halo of {halo} pixels")
        self._stand_around(denoiser)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        return run_in_tiles(lambda tile: self.denoiser(tile, sigma), x, self.halo, self.pixels, step=self.step)
