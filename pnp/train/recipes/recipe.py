"""The settings of one training, as a plain record; kinds of trainings say what is learned from the images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..drawing import USUAL, Drawing
from ..images import ImageFolder, Normalise, check_units, squared
from ..losses import NonExpansive
from ..rates import RATES
from ..tasks.base import Drawn, Task
from ..tasks.penalised import Penalised
from ..tasks.supervised import DenoiseCrops, DenoisePixels, Measured

__all__ = ["DenoiserRecipe", "MeasuredRecipe", "PixelRecipe", "Recipe"]

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings that every training has; a kind of training writes ``task``.

    Attributes:
        name: of the recipe and of the weights.
        family: kind of network, for the card.
        build: makes the untrained model.
        preset: of the network, for the card.
        channels: 1 (gray) or 3 (colour).
        version: of the weights.
        steps, batch, rate, betas, schedule, clip, average, seed: of the training; ``schedule`` is a name in
            :data:`pnp.train.rates.RATES`.
        precision: of the training, where the user names none: in Fabric's words, or ``"auto"``, bfloat16 where the
            processor has instructions for it.
        size: side of the training images, central squares scaled to it; ``None``: as they are.
        normalise, recursive: see :class:`pnp.train.ImageFolder`.
        any_units: images need not be in [0, 1], as the noise follows them.
        drawing: how samples are drawn, where it is not the tasks' default.
        simulate: makes the images, which no folder has then.
        small: settings of :meth:`tiny` beside its own, for networks that are too large or belong to one size.
    """

    name: str
    family: str
    build: Callable[[], nn.Module]
    preset: str = ""
    channels: int = 1
    version: int = 1
    steps: int = 36_000
    batch: int = 12
    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    clip: float | tuple[float, float] = float("inf")
    average: float = 0.999
    seed: int = 0
    precision: str = "32-true"
    size: int | None = None
    normalise: Normalise = False
    recursive: bool = False
    any_units: bool = False
    drawing: Drawing = USUAL
    simulate: Callable[[], Sequence[Tensor]] | None = None
    small: Mapping[str, Any] = field(default_factory=dict)

    _TINY: ClassVar[dict[str, Any]] = {"steps": 4, "batch": 2}

    def read(self, folder: str | Path | None, *, skip_broken: bool = False, whole: bool = False) -> Sequence[Any]:
        """What the task is made of: the images of a folder, or simulated ones. Images that are smaller than a crop
        count as broken, unless they are taken ``whole``, as for scores."""
        if folder is None and self.simulate is not None:
            return self.simulate()
        if folder is None:
            raise ValueError("data: this recipe needs a folder of images")
        found = ImageFolder(
            folder, channels=self.channels, normalise=self.normalise, skip_broken=skip_broken,
            least=1 if whole else self._least(), recursive=self.recursive,
        )  # fmt: skip
        if not self.any_units and self.simulate is None:
            check_units(found.images, [f"{folder}/{name}" for name in found.names])
        if self.size is None or self.simulate is not None:
            return found.images
        return [squared(found[i], self.size) for i in range(len(found))]

    def _least(self) -> int:
        """Pixels that the shorter side of a training image has at least."""
        return 1

    def task(self, images: Sequence[Any]) -> Task:
        """What is learned from the images."""
        raise NotImplementedError("a kind of recipe writes task(images)")

    def examples(self, images: Sequence[Any]) -> Iterator[Drawn]:
        """One example of each image, for validation: always the same."""
        for i, image in enumerate(images):
            yield replace(self, batch=1, seed=self.seed + 1).task([image]).draw(i, [0])

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Adam, as all seeds have it."""
        return torch.optim.Adam(model.parameters(), lr=self.rate, betas=self.betas)

    def rates(self) -> Callable[[int], float]:
        """Factor of the rate at a step."""
        return RATES[self.schedule](self.steps)

    def judge(self, model: nn.Module, images: Sequence[Any]) -> dict[str, float]:
        """Further scores of a checkpoint on validation images, by name; ``"solver"`` decides which one is the best."""
        return {}

    def tiny(self) -> Self:
        """The same recipe cut down to seconds, for tests."""
        return replace(self, name=f"{self.name}-tiny", **{**self._TINY, **self.small})

    def describe(self) -> dict[str, Any]:
        """The settings as plain values, for the card."""
        hidden = (
            "build",
            "family",
            "preset",
            "channels",
            "name",
            "drawing",
            "small",
            "precision",
            "recursive",
            "any_units",
        )
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}
        usual = USUAL._asdict()
        drawn = {k: v for k, v in self.drawing._asdict().items() if v != usual[k]}
        return {k: list(v) if isinstance(v, tuple) else _plain(v) for k, v in values.items()} | drawn

    def card(self) -> dict[str, Any]:
        """What the card says of the network, without data."""
        return {
            "family": self.family,
            "name": self.name,
            "preset": self.preset,
            "channels": self.channels,
            "recipe": self.describe(),
        }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return getattr(value, "__name__", type(value).__name__)


@dataclass(frozen=True, kw_only=True)
class DenoiserRecipe(Recipe):
    """Noisy crops; ``sigmas``: lowest and highest noise standard deviation, images in [0, 1]; ``penalty``: weight of
    :class:`pnp.train.NonExpansive`, 0: none."""

    sigmas: tuple[float, float] = (0.5 / 255, 56 / 255)
    crop: int = 48
    rate: float = 4e-3
    betas: tuple[float, float] = (0.9, 0.99)
    schedule: str = "late-decay"
    clip: float | tuple[float, float] = 0.1
    criterion: Loss | None = None
    penalty: float = 0.0

    _TINY: ClassVar[dict[str, Any]] = {"steps": 4, "batch": 2, "crop": 16}

    def task(self, images: Sequence[Tensor]) -> Task:
        return self.penalised(DenoiseCrops(
            images, crop=self.crop, batch=self.batch, sigmas=self.sigmas, criterion=self.criterion,
            drawing=self.drawing, seed=self.seed,
        ))  # fmt: skip

    def penalised(self, task: Task) -> Task:
        """The task, with the penalty where there is one."""
        return Penalised(task, NonExpansive(self.penalty)) if self.penalty else task

    def describe(self) -> dict[str, Any]:
        return {name: value for name, value in super().describe().items() if name != "penalty" or value}

    def examples(self, images: Sequence[Tensor]) -> Iterator[Drawn]:
        """Whole images at the middle of the range."""
        middle = sum(self.sigmas) / 2
        drawing = self.drawing._replace(fixed=False)  # one image at a time would have the noise of the first
        for i, image in enumerate(images):
            task = DenoiseCrops(
                [image], crop=None, batch=1, sigmas=(middle, middle), drawing=drawing, seed=self.seed + 1
            )
            yield task.draw(i, [0])

    def _least(self) -> int:
        return self.crop

    def card(self) -> dict[str, Any]:
        low, high = self.sigmas
        told = {"sigma_range": [0.0 if low < high else low, high]}
        return super().card() | told | {"pixels_seen": self.steps * self.batch * self.crop**2}


@dataclass(frozen=True, kw_only=True)
class PixelRecipe(Recipe):
    """A local field at ``pixels`` coordinates of ``batch`` images, corrupted by ``corrupt``; L1, as in the paper."""

    corrupt: Callable[[Tensor, torch.Generator], Tensor]
    pixels: int = 512
    criterion: Loss = F.l1_loss
    batch: int = 64
    rate: float = 1e-4

    _TINY: ClassVar[dict[str, Any]] = {"steps": 2, "batch": 2, "pixels": 16}

    def task(self, images: Sequence[Tensor]) -> Task:
        return DenoisePixels(
            images, batch=self.batch, pixels=self.pixels, corrupt=self.corrupt, criterion=self.criterion,
            drawing=self.drawing, seed=self.seed,
        )  # fmt: skip

    def examples(self, images: Sequence[Tensor]) -> Iterator[Drawn]:
        """Whole images."""
        for i, image in enumerate(images):
            task = DenoisePixels([image], batch=1, pixels=1, corrupt=self.corrupt, seed=self.seed + 1)
            yield task.draw_whole(i)


@dataclass(frozen=True, kw_only=True)
class MeasuredRecipe(Recipe):
    """A :class:`pnp.Reconstructor` on simulated measurements: ``measure(size)`` gives the operator, or a function of
    random numbers that makes one, and ``noise(y, seed)`` adds noise."""

    measure: Callable[[int], Any]
    noise: Callable[[Tensor, int], Tensor]
    size: int | None = 128
    criterion: Loss = F.mse_loss
    prepare: Callable[[Tensor, torch.Generator], Tensor] | None = None

    _TINY: ClassVar[dict[str, Any]] = {"steps": 2, "batch": 2}

    def task(self, images: Sequence[Tensor]) -> Task:
        return Measured(
            images, self.measure(self.size or min(images[0].shape[-2:])), self.noise, batch=self.batch,
            criterion=self.criterion, prepare=self.prepare, seed=self.seed,
        )  # fmt: skip
