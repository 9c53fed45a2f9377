"""Large images through any local denoiser, in tiles, with the result of the whole image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..base import Wrapper
from ..evaluation.receptive_field import probe, receptive_field, stride_of
from ..evaluation.tiles import run_in_tiles, smallest_tile

__all__ = ["TiledDenoiser"]


class TiledDenoiser(Wrapper):
    """A denoiser in tiles of at most ``pixels`` pixels: memory is bounded, the result that of the whole image.

    Tiles reach as far beyond what is kept of them as the denoiser looks, which is measured once
    (:func:`receptive_field`), and begin at multiples of its stride. That a tile gives what the whole gives is tried on
    a small random image.

    Args:
        denoiser: a network that looks no further than some distance.
        pixels: of a tile of one image, halo included.
        halo: that distance in pixels, where it is known.
        step: pixels after which the network repeats itself; by default the product of the strides of all convolutions
            and poolings that are modules. What is done by functions (``F.max_pool2d``) must be stated.

    Raises:
        ValueError: the denoiser sees the whole image (attention, instance normalisation, mixers), ``pixels`` leaves
            little of a tile beside its halo, or a tile does not give what the whole image gives.

    >>> from denoisers import DnCNN
    >>> net, x = DnCNN(1, width=4, depth=3).eval(), torch.rand(1, 1, 50, 40)
    >>> torch.allclose(TiledDenoiser(lambda x, sigma: net(x), 400)(x, 0.1), net(x), atol=1e-6)
    True
    """

    def __init__(
        self,
        denoiser: Callable[..., Tensor],
        pixels: int = 1_000_000,
        *,
        halo: int | None = None,
        step: int | None = None,
    ) -> None:
        super().__init__(denoiser)
        for name, value, least in (("halo", halo, 0), ("step", step, 1)):
            if value is not None and value < least:
                raise ValueError(f"{name}: expected at least {least}, got {value}")
        if not isinstance(pixels, int | float):
            raise TypeError(f"pixels: expected a number, got {pixels!r}")
        self.pixels, self.step = int(pixels), step or stride_of(self.denoiser)
        if halo is None:
            measured = receptive_field(self.denoiser, step=self.step)
            if math.isinf(measured):
                raise ValueError("denoiser: it sees the whole image, so tiles would change its result")
            halo = int(measured)
        self.halo = halo
        if not hasattr(self, "radius"):
            self.radius = halo
        least = smallest_tile(halo, self.step)
        if self.pixels < least**2:
            raise ValueError(f"pixels: {pixels} leave little of a tile beside a halo of {halo} pixels; {least**2} do")
        self._try()

    @torch.no_grad()
    def _try(self) -> None:
        """Raise where a tile from the middle of a small image differs from the whole."""
        network, small = probe(self.denoiser)
        halo = self.step * math.ceil(self.halo / self.step)
        side = 2 * halo + self.step * math.ceil(16 / self.step)
        before, behind = self.step, 1  # the whole is not a multiple of the step, the tile is
        shape = (1, small.shape[1], *[before + side + behind] * 2)
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0), device="cpu").to(small)
        tile, kept = slice(before, before + side), slice(halo, side - halo)
        whole = network(x)[..., tile, tile][..., kept, kept]
        error = (network(x[..., tile, tile])[..., kept, kept] - whole).abs().max()
        if not bool(error <= torch.finfo(small.dtype).eps ** 0.5 * whole.abs().max()):
            raise ValueError(
                f"denoiser: tiles with a halo of {self.halo} pixels, at multiples of {self.step}, do not give what the "
                f"whole image gives (they differ by {float(error):.2g}); say step=, how many pixels it pools into one, "
                "or halo="
            )

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        self.check(x)
        return run_in_tiles(lambda tile: self.denoiser(tile, sigma), x, self.halo, self.pixels, step=self.step)
