"""xDnCNN for natural images: one noise level each, as the paper has it, and one network for all."""

from denoisers.xdncnn import XDnCNNDenoiser

from .recipe import DenoiserRecipe

__all__ = ["XDNCNN"]


def _recipe(channels: int, level: int | None) -> DenoiserRecipe:
    name = f"xdncnn-natural-{'gray' if channels == 1 else 'rgb'}"
    if level is None:
        return DenoiserRecipe(
            name=name, family="xdncnn", build=lambda: XDnCNNDenoiser(channels=channels), preset="released",
            channels=channels, rate=1e-3, batch=8, steps=16_000,
        )  # fmt: skip
    sigma = level / 255
    return DenoiserRecipe(
        name=f"{name}-{level}", family="xdncnn", build=lambda: XDnCNNDenoiser(channels=channels, level=sigma),
        preset="released", channels=channels, sigmas=(sigma, sigma), rate=1e-3, batch=8, steps=16_000,
    )  # fmt: skip


XDNCNN = tuple(_recipe(channels, level) for channels in (1, 3) for level in (25, 50, None))
"""Gray and colour, each for sigma = 25, 50 and all levels up to 56."""
