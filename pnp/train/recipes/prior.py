"""DRUNet: the priors that are trained for solvers, natural images and fields."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from denoisers.trained.drunet import DRUNetDenoiser
from denoisers.wrappers.gradient_step import GradientStep

from ..drawing import Drawing
from ..images import as_float
from ..in_solver import in_solver
from ..muon import Muon
from ..tasks.base import Task
from ..tasks.equilibrium import USUAL, EquilibriumCrops
from .fields import ct_slices, magnitudes, real_part, skies, stretched
from .recipe import DenoiserRecipe

__all__ = ["DRUNET", "PriorRecipe"]

_RATIO = Drawing(levels="ratio")


@dataclass(frozen=True, kw_only=True)
class PriorRecipe(DenoiserRecipe):
    """A denoiser for solvers, see :class:`pnp.train.tasks.equilibrium.EquilibriumCrops` for ``share`` to ``noise``.

    Checkpoints of natural gray images are chosen by what :func:`pnp.train.in_solver.in_solver` says. ``rate`` is
    Muon's; first and last layers have a tenth of it, by Adam. ``load`` reads a folder of a field, ``prepare`` changes
    crops, ``complex`` says that it makes them complex.
    """

    share: float = 0.25
    solved: int = 2
    kinds: tuple[str, ...] = USUAL
    noise: tuple[float, float] = (0.004, 0.1)
    load: Callable[[Path], Sequence[Tensor]] | None = None
    prepare: Callable[[Tensor, Generator], Tensor] | None = None
    complex: bool = False
    sigmas: tuple[float, float] = (1 / 255, 80 / 255)
    drawing: Drawing = _RATIO
    crop: int = 96
    batch: int = 16
    rate: float = 0.01
    clip: float | tuple[float, float] = 0.5
    precision: str = "auto"

    def read(self, folder: str | Path | None, *, skip_broken: bool = False, whole: bool = False) -> Sequence[Tensor]:
        if self.load is None or folder is None:
            return super().read(folder, skip_broken=skip_broken, whole=whole)
        return [x for x in self.load(Path(folder)) if whole or min(x.shape[-2:]) >= self.crop]

    def task(self, images: Sequence[Tensor]) -> Task:
        return self.penalised(EquilibriumCrops(
            images, solved=self.solved, kinds=self.kinds, noise=self.noise, share=self.share, crop=self.crop,
            batch=self.batch, sigmas=self.sigmas, criterion=self.criterion, drawing=self.drawing,
            prepare=self.prepare, seed=self.seed,
        ))  # fmt: skip

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        named = dict(model.named_parameters())
        ends = [name for name in named if name.removeprefix("denoiser.").startswith(("net.head", "net.tail"))]
        inner = [w for name, w in named.items() if name not in ends]
        return Muon(inner, [named[name] for name in ends], lr=self.rate, others_lr=self.rate / 10)

    def judge(self, model: nn.Module, images: Sequence[Any]) -> dict[str, float]:
        if self.channels != 1 or self.load is not None:
            return {}
        scores = in_solver(model, [as_float(x) for x in images[:6]])
        mean = sum(scores.values()) / len(scores)
        return {name.partition(",")[0]: score for name, score in scores.items()} | {"solver": mean}

    def card(self) -> dict[str, Any]:
        return super().card() | ({"complex": True} if self.complex else {})


def _prior(
    name: str, preset: str, channels: int = 1, *, steps: int, complex: bool = False, **others: Any
) -> PriorRecipe:
    return PriorRecipe(
        name=f"drunet-{name}", family="drunet", preset=preset, channels=channels, steps=steps, complex=complex,
        build=lambda: DRUNetDenoiser(None, preset=preset, channels=channels, complex=complex), **others,
    )  # fmt: skip


_FIELDS: dict[str, dict[str, Any]] = {
    "ct": {"load": ct_slices, "sigmas": (0.002, 0.4), "kinds": ("tomography",), "noise": (0.003, 0.2)},
    "mri": {
        "load": magnitudes,
        "prepare": real_part,
        "sigmas": (0.002, 0.3),
        "kinds": ("columns",),
        "noise": (0.002, 0.1),
    },
    "radio": {
        "load": skies,
        "prepare": stretched,
        "sigmas": (5e-4, 0.3),
        "kinds": ("tomography", "missing"),
        "noise": (5e-4, 0.1),
    },
}

# what solvers are proven to converge with, from the weights of natural-gray-fast (--start)
_PROVEN = (
    PriorRecipe(
        name="drunet-natural-gray-gradient-step", family="drunet", preset="fast", steps=4000, rate=0.002, solved=0,
        build=lambda: GradientStep(DRUNetDenoiser(None, preset="fast")),
    ),
    _prior("natural-gray-non-expansive", "fast", steps=4000, rate=0.002, solved=0, penalty=0.01),
)  # fmt: skip

DRUNET: tuple[PriorRecipe, ...] = (
    *(_prior(f"natural-{c}-accurate", "accurate", n, steps=60_000) for c, n in (("gray", 1), ("rgb", 3))),
    *(_prior(f"natural-{c}-fast", "fast", n, steps=40_000) for c, n in (("gray", 1), ("rgb", 3))),
    *(_prior(f"{field}-accurate", "accurate", steps=20_000, **others) for field, others in _FIELDS.items()),
    *(_prior(f"{field}-fast", "fast", steps=20_000, **others) for field, others in _FIELDS.items()),
    *_PROVEN,
)
