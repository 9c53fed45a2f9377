"""Image-to-Image Mixer as a denoiser of images of any size."""

import math
from typing import Any

from torch import Tensor

from ..networks.mixer import Img2ImgMixer
from ..wrappers.fixed_size import in_squares
from ..wrappers.level_map import LevelMapDenoiser

__all__ = ["MixerDenoiser"]

_PRESETS = {  # side of the image, width, depth, factor
    "paper": (256, 128, 16, 4),
    "half": (128, 128, 16, 4),
    "small": (64, 64, 8, 4),
}


class MixerDenoiser(LevelMapDenoiser):
    r"""x - :class:`Img2ImgMixer` (x, sigma), images (B, C, H, W) in [0, 1].

    The network's weights belong to squares of one side; other images are done in such squares, as :class:`InSquares`
    says. One for all levels is told ``sigma`` by a map, see :class:`LevelMap`.

    Args:
        weights: name of shipped weights or a file, see :func:`denoisers.weights.load_weights`; ``None``: untrained.
        preset: ``"paper"`` (256 pixels), ``"half"`` (128) or ``"small"`` (64); ``None``: that of the weights, else
            ``"half"``.
        channels: of the image; ``None``: those of the weights, else 1.
        level: noise standard deviation of an untrained network for one level; ``None``: for all levels up to 56/255.

    Raises:
        ValueError, TypeError, FileNotFoundError: an argument does not fit, or contradicts the weights; the message
            names it.

    Mansour, Lin, Heckel 2022, arXiv:2202.02018.

    >>> import torch
    >>> MixerDenoiser()(torch.zeros(1, 1, 70, 20), 0.1).shape
    torch.Size([1, 1, 70, 20])
    """

    net: Img2ImgMixer
    radius = math.inf  # squares are laid out by the image's size

    def __init__(
        self,
        weights: str | None = "natural-gray-small",
        *,
        preset: str | None = None,
        channels: int | None = None,
        level: float | None = None,
    ) -> None:
        def make(known: dict[str, Any], channels: int, extra: int) -> Img2ImgMixer:
            kind = known.get("preset", "half")
            if kind not in _PRESETS:
                raise ValueError(f"preset: expected one of {sorted(_PRESETS)}, got {kind!r}")
            side, width, depth, factor = _PRESETS[kind]
            return Img2ImgMixer(side, channels, width=width, depth=depth, factor=factor, extra=extra)

        super().__init__("mixer", weights, make, level=level, channels=channels, preset=preset)

    def estimate(self, x: Tensor, level: Tensor) -> Tensor:
        """The network on one square or on overlapping ones."""
        return in_squares(lambda square: square - self.fast(self.seen(square, level)), x, self.net.image_shape)
