"""Image-to-Image Mixer for natural images: the paper's colour network for one level, and gray ones for all."""

from denoisers.mixer_denoiser import MixerDenoiser

from .recipe import DenoiserRecipe

__all__ = ["MIXER"]

MIXER = (
    DenoiserRecipe(
        name="mixer-natural-rgb-30", family="mixer", preset="paper", channels=3, sigmas=(30 / 255, 30 / 255),
        build=lambda: MixerDenoiser(preset="paper", channels=3, level=30 / 255), crop=256, batch=12, rate=1e-3,
    ),
    DenoiserRecipe(
        name="mixer-natural-gray", family="mixer", preset="half", channels=1, build=MixerDenoiser, crop=128,
        batch=12, rate=1e-3,
    ),
    DenoiserRecipe(
        name="mixer-natural-gray-small", family="mixer", preset="small", channels=1,
        build=lambda: MixerDenoiser(preset="small"), crop=64, batch=16, rate=1e-3, steps=30_000,
    ),
)  # fmt: skip
"""As the paper trains it, at 256 pixels; at 128 for all levels; and one small enough for a CPU."""
