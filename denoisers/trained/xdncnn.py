"""xDnCNN as a denoiser: trained for one noise level, or conditioned on it by a constant input channel."""

from typing import Any

import torch
from torch import Tensor, nn

from ..evaluation.tiles import run_in_tiles
from ..networks.xunit import Layout, XDnCNN
from ..wrappers.level_map import LevelMapDenoiser

__all__ = ["XDnCNNDenoiser"]

_FLOATS = 200  # a pixel, at the widest point
_PRESETS: dict[str, Layout] = {"released": "conv-unit-norm", "paper": "conv-norm-unit"}


class XDnCNNDenoiser(LevelMapDenoiser):
    """:class:`XDnCNN` with weights, images (B, C, H, W) in [0, 1].

    A network for one level denoises at that level whatever ``sigma`` says; its ``sigma_range`` holds this level
    only, so that solvers, which keep to the range, use it right. One for all levels takes a map of ``sigma``.

    Args:
        weights: name of shipped weights or a file, see :func:`denoisers.weights.load_weights`; ``None``: untrained.
        preset: where the batch normalisation stands: ``"released"``, as in the authors' code, in front of inner
            convolutions, or ``"paper"``, as in their text, between a convolution and its unit; ``None``: that of the
            weights, else ``"released"``.
        channels: of the image; ``None``: those of the weights, else 1.
        level: noise standard deviation of an untrained network for one level; ``None``: for all levels up to 56/255.
        max_memory: bytes that an evaluation without gradients may use beyond its input and output; larger images
            are done in tiles, with the same result.

    Raises:
        ValueError, TypeError, FileNotFoundError: an argument does not fit, or contradicts the weights; the message
            names it.

    Kligvasser, Rott Shaham, Michaeli 2018, doi:10.1109/CVPR.2018.00258, section 4.1.

    >>> XDnCNNDenoiser()(torch.zeros(1, 1, 16, 16), 25 / 255).shape
    torch.Size([1, 1, 16, 16])
    """

    def __init__(
        self,
        weights: str | None = "natural-gray",
        *,
        preset: str | None = None,
        channels: int | None = None,
        level: float | None = None,
        max_memory: float = 2e9,
    ) -> None:
        if not max_memory > 0:
            raise ValueError(f"max_memory: expected a positive number of bytes, got {max_memory}")

        def make(known: dict[str, Any], channels: int, extra: int) -> XDnCNN:
            kind = known.get("preset", "released")
            if kind not in _PRESETS:
                raise ValueError(f"preset: expected one of {sorted(_PRESETS)}, got {kind!r}")
            return XDnCNN(channels, extra=extra, layout=_PRESETS[kind])

        super().__init__("xdncnn", weights, make, level=level, channels=channels, preset=preset)
        self.max_memory = float(max_memory)
        sizes = [m.kernel_size for m in self.net.modules() if isinstance(m, nn.Conv2d)]  # one after the other
        self.radius = sum(size[0] // 2 for size in sizes)  # of the receptive field in pixels
        self.to(memory_format=torch.channels_last)

    def estimate(self, x: Tensor, level: Tensor) -> Tensor:
        """The network in tiles, which change nothing."""
        pixels = self.max_memory / (_FLOATS * x.element_size() * len(x))
        return run_in_tiles(self.fast, self.seen(x, level), self.radius, pixels)
