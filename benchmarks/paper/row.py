"""A claim of a paper, how it is measured here, and the rule by which the two agree."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pnp.train import ImageFolder

__all__ = ["Effort", "Figures", "Row", "judged", "told"]


class Figures(dict[str, float]):
    """Figures by name; one that was not measured, as with a small budget, is not a number, and no rule holds for it."""

    def __missing__(self, name: str) -> float:
        return float("nan")


@dataclass(frozen=True)
class Effort:
    """Where the data lie, how much work is spent, and where networks are kept between runs.

    Attributes:
        data: folder of the data sets.
        scale: steps of trainings and numbers of test images, as a share of the usual ones.
        kept: folder of trained networks.
        pictures: folder of the rows' pictures.
    """

    data: Path
    scale: float = 1.0
    kept: Path = Path("figures/paper")
    pictures: Path = Path("figures/paper")

    def steps(self, usual: int) -> int:
        """Steps of a training that usually takes ``usual``."""
        return max(2, round(self.scale * usual))

    def some(self, usual: int) -> int:
        """Test images, at most ``usual``."""
        return max(1, round(min(self.scale, 1.0) * usual))

    def images(self, name: str, channels: int = 1) -> ImageFolder:
        """The images of a folder of the data sets."""
        return _images(self.data / name, channels)

    def place(self, *settings: object) -> Path:
        """File in which a network of these settings is kept."""
        told = "-".join(str(s) for s in settings)
        return self.kept / f"{settings[0]}-{hashlib.sha256(told.encode()).hexdigest()[:10]}.pt"

    def picture(self, name: str) -> Path:
        """File of the picture of a row of this name."""
        self.pictures.mkdir(parents=True, exist_ok=True)
        return self.pictures / f"{name}.png"


@lru_cache(maxsize=4)
def _images(folder: Path, channels: int) -> ImageFolder:
    return ImageFolder(folder, channels=channels)


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        name: on the command line.
        claim: what the paper says, and where.
        printed: its figure, as printed.
        budget: data and work of this measurement, in words.
        measure: makes the figures.
        shown: the figures as text, a format string of their names.
        rule: of the verdict, in words.
        verdict: the same in code: figures to (reproduced, same trend).
        why: where the claim is not reached: what a figure says about it, a format string as well.
        seconds: of one idle core, about.
    """

    name: str
    claim: str
    printed: str
    budget: str
    measure: Callable[[Effort], Mapping[str, float]]
    shown: str
    rule: str
    verdict: Callable[[Figures], tuple[bool, bool]]
    why: str = ""
    seconds: float = 1.0


def judged(row: Row, figures: Mapping[str, float]) -> str:
    """The verdict in words, by the row's rule.

    >>> row = Row("a", "", "", "", dict, "", "", lambda f: (f["x"] > 2, f["x"] > 1))
    >>> [judged(row, {"x": x}) for x in (3.0, 1.5, 0.0)]
    ['reproduced', 'same trend', 'not reached']
    """
    reproduced, trend = row.verdict(Figures(figures))
    return "reproduced" if reproduced else "same trend" if trend else "not reached"


def told(text: str, figures: Mapping[str, float]) -> str:
    """A row's text with its figures.

    >>> told("{a:.1f} and {b:.1f}", {"a": 1.0})
    '1.0 and nan'
    """
    return text.format_map(Figures(figures))
