"""The settings of one denoiser training, as a plain record."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

__all__ = ["DenoiserRecipe"]


@dataclass(frozen=True)
class DenoiserRecipe:
    """Settings of a denoiser training on crops of natural images.

    Attributes:
        name: of the recipe and of the weights.
        family: kind of network, for the card.
        build: makes the untrained network.
        preset: of the network, for the card.
        channels: 1 (gray) or 3 (colour).
        version: of the weights.
        sigmas: lowest and highest noise standard deviation, images in [0, 1].
        steps, crop, batch, rate, clip, decay, average, seed: of the training; ``decay`` is the share of steps in
            which the learning rate falls.
    """

    name: str
    family: str
    build: Callable[[], nn.Module]
    preset: str
    channels: int
    version: int = 1
    sigmas: tuple[float, float] = (0.5 / 255, 56 / 255)
    steps: int = 36_000
    crop: int = 48
    batch: int = 12
    rate: float = 4e-3
    clip: float = 0.1
    decay: float = 0.5
    average: float = 0.999
    seed: int = 0

    def with_steps(self, steps: int) -> "DenoiserRecipe":
        """The same recipe, longer or shorter."""
        return replace(self, steps=steps)

    def tiny(self) -> "DenoiserRecipe":
        """The same recipe cut down to seconds, for tests."""
        return replace(self, name=f"{self.name}-tiny", steps=4, crop=16, batch=2)

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for the card."""
        return {k: v for k, v in asdict(self).items() if k not in ("build", "family", "preset", "channels", "name")}
