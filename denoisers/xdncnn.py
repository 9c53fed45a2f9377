"""xDnCNN as a denoiser: trained for one noise level, or told the level by a map."""

import torch
from torch import Tensor

from .level_map import LevelMapDenoiser
from .tiles import run_in_tiles
from .xunit import XDnCNN

__all__ = ["XDnCNNDenoiser"]

_FLOATS = 200  # a pixel, at the widest point


class XDnCNNDenoiser(LevelMapDenoiser):
    """:class:`XDnCNN` with weights, images (B, C, H, W) in [0, 1].

    A network for one level denoises at that level whatever ``sigma`` says; its ``sigma_range`` holds this level
    alone, so that solvers, which keep to the range, use it right. One for all levels takes a map of ``sigma``.

    Args:
        weights: name of shipped weights or a file, see :func:`denoisers.weights.load_weights`; ``None``: untrained.
        channels: of an untrained network; weights bring their own.
        level: noise standard deviation of an untrained network for one level; ``None``: for all levels up to 56/255.
        max_memory: bytes that an evaluation without gradients may use beyond its input and output; larger images
            are done in tiles, with the same result.

    Raises:
        ValueError, TypeError, FileNotFoundError: an argument does not fit; the message names it.

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258, section 4.1.

    >>> XDnCNNDenoiser()(torch.zeros(1, 1, 16, 16), 25 / 255).shape
    torch.Size([1, 1, 16, 16])
    """

    radius = 9 + 8 * 4  # of the receptive field: nine convolutions and eight gates

    def __init__(
        self,
        weights: str | None = "natural-gray",
        *,
        channels: int = 1,
        level: float | None = None,
        max_memory: float = 2e9,
    ) -> None:
        if not max_memory > 0:
            raise ValueError(f"max_memory: expected a positive number of bytes, got {max_memory}")
        super().__init__("xdncnn", weights, channels, level, lambda _, c, extra: XDnCNN(c, extra=extra))
        self.max_memory = float(max_memory)
        self.to(memory_format=torch.channels_last)

    def estimate(self, x: Tensor, level: Tensor) -> Tensor:
        """The network in tiles, which change nothing."""
        pixels = self.max_memory / (_FLOATS * x.element_size() * len(x))
        return run_in_tiles(self.fast, self.seen(x, level), self.radius, pixels)
