"""Trainings on pairs of images, from two folders or made of single ones."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from ...io import image_files, read_images
from ..images import check_least, check_units, unit_range
from ..tasks.base import Drawn, Task
from ..tasks.supervised import Pairs, factor_between
from .recipe import Loss, Recipe

__all__ = ["PairRecipe"]


@dataclass(frozen=True, kw_only=True)
class PairRecipe(Recipe):
    """Pairs of images: files of the same names in the folders ``given`` and ``wanted`` below that of the data; or, with
    ``make``, pairs made of single images."""

    make: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    crop: int | None = None
    criterion: Loss = F.mse_loss

    _TINY: ClassVar[dict[str, Any]] = {"steps": 4, "batch": 2, "crop": 8}

    def read(
        self, folder: str | Path | None, *, skip_broken: bool = False, whole: bool = False
    ) -> Sequence[tuple[Tensor, Tensor]]:
        if folder is None:
            images = super().read(folder)
            return images if self.make is None else [self.make(x) for x in images]
        places = [Path(folder) / name for name in ("given", "wanted")] if self.make is None else [Path(folder)]
        pairs: list[tuple[Tensor, Tensor]] = []
        for name in _common_names(places, recursive=self.recursive):
            try:
                pairs += self._pairs([place / name for place in places], 1 if whole else self.crop or 1)
            except ValueError as error:
                if not skip_broken:
                    raise
                warnings.warn(f"left out: {error}", RuntimeWarning, stacklevel=2)
        if not pairs:
            raise FileNotFoundError(f"no images in {folder}")
        return pairs

    def _pairs(self, files: list[Path], least: int) -> list[tuple[Tensor, Tensor]]:
        """The pairs of a pair of files, or those made of the images of one."""
        found = [[unit_range(x, self.normalise) for x in read_images(file, self.channels)] for file in files]
        if self.make is not None:
            pairs = [self.make(x) for x in found[0]]
        elif len(found[0]) != len(found[1]):
            raise ValueError(f"{files[0]}: {len(found[0])} images, {len(found[1])} in {files[1]}")
        else:
            pairs = list(zip(*found))
        for given, wanted in pairs:
            check_units([given, wanted], [str(files[0]), str(files[-1])])
            check_least(files[0], [given], least)
            try:
                factor_between(given, wanted)
            except ValueError as error:
                raise ValueError(f"{files[0]}: {error}") from error
        return pairs

    def task(self, images: Sequence[tuple[Tensor, Tensor]]) -> Task:
        return Pairs(
            images, batch=self.batch, crop=self.crop, criterion=self.criterion, drawing=self.drawing, seed=self.seed
        )

    def examples(self, images: Sequence[tuple[Tensor, Tensor]]) -> Iterator[Drawn]:
        """Whole images."""
        return Recipe.examples(replace(self, crop=None), images)


def _common_names(places: list[Path], *, recursive: bool) -> list[str]:
    """Names of the images that lie in all of the folders."""
    names = [{str(f.relative_to(place)) for f in image_files(place, recursive=recursive)} for place in places]
    if names[0] != names[-1]:
        raise ValueError(
            f"{places[0].parent}: names differ between given and wanted: {sorted(names[0] ^ names[-1])[:4]}"
        )
    if not names[0]:
        raise FileNotFoundError(f"no images in {places[0]}")
    return sorted(names[0])
