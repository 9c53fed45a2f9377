"""Local fields: the shipped denoisers of natural images, and the networks of the paper's experiments."""

from denoisers.cascade import LoFiDenoiser
from denoisers.lofi import LoFi

from .recipe import DenoiserRecipe, PixelRecipe, Recipe
from .simulate import low_dose_ct, mass_map, with_noise

__all__ = ["LOFI"]

LOFI: tuple[Recipe, ...] = (
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
    PixelRecipe(
        name="lofi-faces", family="local-field", preset="RGB, filter", channels=3, size=128, steps=90_000,
        build=lambda: LoFi.paper(3, filtered="real"), corrupt=with_noise(0.15),
    ),
    PixelRecipe(
        name="lofi-ten", family="local-field", preset="RGB, no filter", channels=3, size=128, steps=90_000, batch=9,
        build=lambda: LoFi.paper(3), corrupt=with_noise(0.15),
    ),
    PixelRecipe(
        name="lofi-galaxies", family="local-field", preset="gray, filter", size=128, steps=90_000,
        build=lambda: LoFi.paper(1, filtered="real"), corrupt=with_noise(0.15, relative=True),
    ),
    PixelRecipe(
        name="lofi-ct", family="local-field", preset="gray, filter", size=128, steps=90_000, normalise=True,
        build=lambda: LoFi.paper(1, filtered="real"), corrupt=low_dose_ct,
    ),
    PixelRecipe(
        name="lofi-mass", family="local-field", preset="2 to 1, filter", size=128, steps=90_000,
        build=lambda: LoFi.paper(2, 1, filtered="pair"), corrupt=mass_map,
    ),
    PixelRecipe(
        name="lofi-warped", family="local-field", preset="gray, coordinate network", size=128, steps=90_000,
        build=lambda: LoFi.paper(1, warped=True), corrupt=with_noise(0.15),
    ),
)  # fmt: skip
"""The paper's: faces and bedrooms (sigma = 0.15), nine pictures, galaxies as the prior for radio data, low-dose CT,
Kaiser-Squires to mass, a learned warp (INR-LoFi); noise is fresh every time, steps and batches as in its code."""
