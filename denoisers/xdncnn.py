"""xDnCNN as a denoiser: trained for one noise level, or told the level by a map."""

import torch
from torch import Tensor

from .base import Denoiser, check_images, sigma_column
from .fold import Folded
from .tiles import run_in_tiles
from .weights import load_weights
from .xunit import XDnCNN

__all__ = ["XDnCNNDenoiser"]

_FLOATS = 200  # a pixel, at the widest point


class XDnCNNDenoiser(Denoiser):
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

    >>> XDnCNNDenoiser(None, level=25 / 255)(torch.zeros(1, 1, 16, 16), 25 / 255).shape
    torch.Size([1, 1, 16, 16])
    """

    radius = 9 + 8 * 4  # of the receptive field: nine convolutions and eight gates

    def __init__(
        self,
        weights: str | None = None,
        *,
        channels: int = 1,
        level: float | None = None,
        max_memory: float = 2e9,
    ) -> None:
        super().__init__()
        if not max_memory > 0:
            raise ValueError(f"max_memory: expected a positive number of bytes, got {max_memory}")
        self.max_memory = float(max_memory)
        state, card = (None, {}) if weights is None else load_weights(weights, family="xdncnn")
        self.card = card
        channels = int(card.get("channels", channels))
        self.channels = channels
        low, high = card.get("sigma_range", (0.0, 56 / 255) if level is None else (level, level))
        self.sigma_range = (float(low), float(high))
        self.told = low < high  # the network knows the level
        self.net = XDnCNN(channels, extra=int(self.told))
        if state is not None:
            self.load_state_dict(state)
            self.requires_grad_(False)
        self.to(memory_format=torch.channels_last).train(weights is None)
        self._fast = Folded(self.net)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        own = next(self.parameters()).dtype  # other precisions are converted, there and back
        if x.dtype != own:
            return self.forward(x.to(own), sigma).to(x.dtype)
        level = sigma_column(sigma, x)
        if self.told:
            x = torch.cat((x, level.expand(-1, 1, *x.shape[-2:])), 1)
        pixels = self.max_memory / (_FLOATS * x.element_size() * len(x))
        return run_in_tiles(self._fast, x, self.radius, pixels)
