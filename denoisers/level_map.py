"""Networks that are told the noise level by a map beside the image, or know one level alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .base import Denoiser, check_images, sigma_column
from .fold import Folded
from .weights import load_weights

__all__ = ["LevelMapDenoiser"]


class LevelMapDenoiser(Denoiser):
    """A network with its weights; one for all levels takes a constant map of the level as a further channel.

    A subclass writes ``estimate(x, level)``, which evaluates ``self.fast`` on ``self.seen(x, level)``.

    Args:
        family: kind of network, as in the card.
        weights: name of shipped weights or a file; ``None``: untrained, in training mode.
        channels: of an untrained network; weights bring their own.
        level: noise standard deviation of an untrained network for one level; ``None``: all levels up to 56/255.
        make: the network from the card, its number of channels and that of further ones.
    """

    def __init__(
        self,
        family: str,
        weights: str | None,
        channels: int,
        level: float | None,
        make: Callable[[dict[str, Any], int, int], nn.Module],
    ) -> None:
        super().__init__()
        if weights is not None and level is not None:
            raise ValueError(f"level: the weights {weights!r} have their own; weights=None makes an untrained network")
        state, self.card = (None, {}) if weights is None else load_weights(weights, family=family)
        self.channels = int(self.card.get("channels", channels))
        low, high = self.card.get("sigma_range", (0.0, 56 / 255) if level is None else (level, level))
        self.sigma_range = (float(low), float(high))
        self.told = low < high  # the network knows the level
        self.net = make(self.card, self.channels, int(self.told))
        if state is not None:
            self.load_state_dict(state)
            self.requires_grad_(False)
        self.train(weights is None)
        self.fast = Folded(self.net)

    def seen(self, x: Tensor, level: Tensor) -> Tensor:
        """What the network is given: images, and the map where it takes one."""
        return torch.cat((x, level.expand(-1, 1, *x.shape[-2:])), 1) if self.told else x

    def estimate(self, x: Tensor, level: Tensor) -> Tensor:
        """Denoised images (B, C, H, W), ``level`` (B, 1, 1, 1)."""
        raise NotImplementedError("a subclass writes estimate(x, level)")

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        check_images(x, self.channels)
        own = next(self.parameters()).dtype  # other precisions are converted, there and back
        if x.dtype != own:
            return self.forward(x.to(own), sigma).to(x.dtype)
        return self.estimate(x, sigma_column(sigma, x))
