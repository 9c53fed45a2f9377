"""Image-to-Image Mixer as a denoiser of images of any size."""

import math

import torch
from torch import Tensor

from .base import Denoiser, check_images, sigma_column
from .fold import Folded
from .mixer import Img2ImgMixer
from .tiles import run_blended
from .weights import load_weights

__all__ = ["MixerDenoiser"]

_PRESETS = {  # side of the image, width, depth, factor
    "paper": (256, 128, 16, 4),
    "half": (128, 128, 16, 4),
    "small": (64, 64, 8, 4),
}


class MixerDenoiser(Denoiser):
    r"""x - :class:`Img2ImgMixer` (x, sigma), images (B, C, H, W) in [0, 1].

    The network's weights belong to squares of one side. Smaller images are continued by mirroring and cut back; larger
    ones are covered by overlapping squares, averaged with weights that fall linearly towards their borders; an image
    of that very size goes through once.

    Args:
        weights: name of shipped weights or a file, see :func:`denoisers.weights.load_weights`; ``None``: untrained.
        preset: of an untrained network, ``"paper"`` (256 pixels), ``"half"`` (128) or ``"small"`` (64).
        channels: of an untrained network.
        level: noise standard deviation of an untrained network for one level; ``None``: for all levels up to 56/255,
            which it is told by a map.

    Raises:
        ValueError, TypeError, FileNotFoundError: an argument does not fit; the message names it.

    Mansour, Lin, Heckel 2022, arXiv:2202.02018.

    >>> MixerDenoiser(None, preset="small")(torch.zeros(1, 1, 70, 20), 0.1).shape
    torch.Size([1, 1, 70, 20])
    """

    radius = math.inf  # squares are laid out by the image's size

    def __init__(
        self, weights: str | None = None, *, preset: str = "half", channels: int = 1, level: float | None = None
    ) -> None:
        super().__init__()
        state, card = (None, {}) if weights is None else load_weights(weights, family="mixer")
        self.card = card
        preset, channels = card.get("preset", preset), int(card.get("channels", channels))
        if preset not in _PRESETS:
            raise ValueError(f"preset: expected one of {sorted(_PRESETS)}, got {preset!r}")
        self.channels = channels
        low, high = card.get("sigma_range", (0.0, 56 / 255) if level is None else (level, level))
        self.sigma_range = (float(low), float(high))
        self.told = low < high  # the network knows the level
        side, width, depth, factor = _PRESETS[preset]
        self.net = Img2ImgMixer(side, channels, width=width, depth=depth, factor=factor, extra=int(self.told))
        if state is not None:
            self.load_state_dict(state)
            self.requires_grad_(False)
        self.train(weights is None)
        self._fast = Folded(self.net)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        own = next(self.parameters()).dtype  # other precisions are converted, there and back
        if x.dtype != own:
            return self.forward(x.to(own), sigma).to(x.dtype)
        level = sigma_column(sigma, x)
        return run_blended(
            lambda tile: self._square(tile, level), x, self.net.image_shape, self.net.image_shape[0] // 4
        )

    def _square(self, x: Tensor, level: Tensor) -> Tensor:
        seen = torch.cat((x, level.expand(-1, 1, *x.shape[-2:])), 1) if self.told else x
        return x - self._fast(seen)
