"""The shipped LoFi denoisers: natural images, gray and colour, one network for every noise level up to 56/255."""

from denoisers.cascade import LoFiDenoiser

from .recipe import DenoiserRecipe

__all__ = ["LOFI_NATURAL_GRAY", "LOFI_NATURAL_RGB"]

LOFI_NATURAL_GRAY = DenoiserRecipe(
    name="lofi-natural-gray", family="lofi", build=lambda: LoFiDenoiser(None), preset="accurate", channels=1
)
LOFI_NATURAL_RGB = DenoiserRecipe(
    name="lofi-natural-rgb", family="lofi", build=lambda: LoFiDenoiser(None, channels=3), preset="accurate", channels=3
)
