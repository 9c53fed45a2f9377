"""The shipped LoFi denoisers: natural images, gray and colour, one network for every noise level up to 56/255."""

from denoisers.cascade import LoFiDenoiser

from .recipe import DenoiserRecipe

__all__ = ["LOFI"]

LOFI = (
    DenoiserRecipe(
        name="lofi-natural-gray", family="lofi", build=lambda: LoFiDenoiser(None), preset="accurate", channels=1
    ),
    DenoiserRecipe(
        name="lofi-natural-rgb", family="lofi", build=lambda: LoFiDenoiser(None, channels=3), preset="accurate",
        channels=3,
    ),
    DenoiserRecipe(
        name="lofi-natural-gray-fast", family="lofi", build=lambda: LoFiDenoiser(None, preset="fast"), preset="fast",
        channels=1,
    ),
)  # fmt: skip
