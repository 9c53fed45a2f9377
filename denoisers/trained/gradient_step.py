"""A gradient step whose network was trained for it."""

from typing import Any

import torch
from torch import Tensor

from ..modes import is_plain
from ..weights import family_of, load_weights
from ..weights.filling import fill
from ..wrappers.gradient_step import GradientStep
from .drunet import DRUNetDenoiser

__all__ = ["GradientStepDenoiser"]


class GradientStepDenoiser(GradientStep):
    r""":class:`GradientStep` of a DRUNet that was trained as such: a prior whose objective solvers take down.

    :class:`pnp.PnPDescent` minimises :math:`f(Ax, y) + g_\sigma(x) / \tau` with it, and its objective falls in every
    iteration. The network inside by itself is no good denoiser: x - N(x) is a gradient, not the noise.

    Args:
        weights: name of shipped weights, or a file of the recipe ``drunet-natural-gray-gradient-step``.

    Raises:
        ValueError, FileNotFoundError: no such weights. WeightFileError: they do not fit.

    Hurault, Leclaire, Papadakis 2022, arXiv:2110.03220.

    >>> import torch
    >>> GradientStepDenoiser()(torch.rand(1, 1, 16, 16), 0.1).shape
    torch.Size([1, 1, 16, 16])
    """

    card: dict[str, Any]

    def __init__(self, weights: str = "natural-gray") -> None:
        recipe_made = str(weights).endswith(".safetensors") and family_of(weights) == "drunet"
        state, card = load_weights(str(weights), family="drunet" if recipe_made else "gradient-step")
        inner = DRUNetDenoiser(None, preset=card.get("preset"), channels=card.get("channels"))
        fill(inner, state, str(weights))
        inner.eval().requires_grad_(False)
        inner.card, inner.sigma_range = card, tuple(card["sigma_range"])
        super().__init__(inner)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise images (B, C, H, W); ``sigma`` a number or (B,)."""
        known = [x, *self.parameters(), *([sigma] if isinstance(sigma, Tensor) else [])]
        if is_plain(known):  # the slope's own graph must not outlive it where nobody asked for derivatives
            with torch.no_grad():
                return super().forward(x, sigma)
        return super().forward(x, sigma)
