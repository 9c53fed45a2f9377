"""Local fields: the shipped denoisers of natural images, and the networks of the paper's experiments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from denoisers.networks.lofi import LoFi
from denoisers.trained.drunet import DRUNetDenoiser
from denoisers.trained.lofi import LoFiDenoiser

from ..drawing import Drawing
from ..muon import Muon
from ..tasks.base import Task
from ..tasks.taught import Taught
from .recipe import DenoiserRecipe, PixelRecipe, Recipe
from .simulate import low_dose_ct, mass_map, with_noise

__all__ = ["LOFI"]

_PAPER = Drawing(orientations=1, fixed=True, shared=True, repeat=3)


@dataclass(frozen=True, kw_only=True)
class TaughtRecipe(DenoiserRecipe):
    """A cascade of local fields that learns the answers of ``teacher``, a shipped :class:`denoisers.DRUNetDenoiser`
    (accurate), in place of the images: for the images of the teacher, or such as these.

    ``rate`` is Muon's, for the patches of all fields but the first; all else has a tenth of it, by Adam.
    """

    teacher: str
    steps: int = 46_000
    batch: int = 8
    crop: int = 64
    rate: float = 0.015
    precision: str = "auto"

    _TINY: ClassVar[dict[str, Any]] = {"steps": 4, "batch": 2, "crop": 16}

    def task(self, images: Sequence[Tensor]) -> Task:
        return Taught(super().task(images), DRUNetDenoiser(self.teacher, preset="accurate"))

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        named = dict(model.named_parameters())
        patches = [n for n in named if n.endswith(".weight") and "head" not in n and not n.startswith("fields.0.")]
        others = [weight for name, weight in named.items() if name not in patches]
        return Muon([named[name] for name in patches], others, lr=self.rate, others_lr=self.rate / 10)


def _field(
    name: str,
    preset: str,
    build: Callable[[], nn.Module],
    corrupt: Callable[[Tensor, Generator], Tensor],
    **others: Any,
) -> PixelRecipe:
    settings = {"size": 128, "steps": 90_000, "average": 0.0, "drawing": _PAPER, "small": {"size": 16}} | others
    return PixelRecipe(name=name, family="local-field", preset=preset, build=build, corrupt=corrupt, **settings)


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
    *(
        TaughtRecipe(
            name=f"lofi-natural-{c}-taught", family="lofi", build=lambda n=n: LoFiDenoiser(None, channels=n),
            preset="accurate", channels=n, teacher=f"natural-{c}",
        )
        for c, n in (("gray", 1), ("rgb", 3))
    ),
    _field(
        "lofi-faces", "RGB, filter", lambda: LoFi.paper(3, filtered="real"), with_noise(0.15), channels=3,
        steps=3 * 200 * 468,
    ),
    _field("lofi-ten", "RGB, no filter", lambda: LoFi.paper(3), with_noise(0.15), channels=3, batch=9),
    _field(
        "lofi-galaxies", "gray, filter", lambda: LoFi.paper(1, filtered="real"), with_noise(0.15, relative=True),
        any_units=True,
    ),
    _field(
        "lofi-ct", "gray, filter", lambda: LoFi.paper(1, filtered="real"), low_dose_ct, normalise=True,
        steps=3 * 200 * 16,
    ),
    _field(
        "lofi-mass", "2 to 1, filter", lambda: LoFi.paper(2, 1, filtered="pair"), mass_map,
        drawing=_PAPER._replace(fixed=False),
    ),
    _field("lofi-warped", "gray, coordinate network", lambda: LoFi.paper(1, warped=True), with_noise(0.15)),
)  # fmt: skip
"""The paper's: faces and bedrooms (sigma = 0.15), nine pictures, galaxies as the prior for radio data, low-dose CT,
Kaiser-Squires to mass, a learned warp (INR-LoFi).

As in its code: L1, Adam at 1e-4 throughout, 64 images, 512 coordinates drawn with replacement and shared by them, three
steps for the same images (its text says two), images as they are, and noise that is fixed for each image except for
mass. Ours: images of a step are drawn with replacement and not in epochs, so 200 epochs are 200 x 3 steps for each 64
images (29,900 faces, 1,000 slices; 90,000 steps where the number is not printed); images are averaged down to 128
pixels without a pass through bytes; slices are mapped to [0, 1]; mass maps are whole, with the noise of their pixels.
"""
