"""One file per family of networks: everything that it takes to train them again."""

from .course import COURSE
from .lofi import LOFI
from .mass import MASS
from .mixer import MIXER
from .pairs import PairRecipe as PairRecipe
from .prior import DRUNET
from .prior import PriorRecipe as PriorRecipe
from .recipe import DenoiserRecipe as DenoiserRecipe
from .recipe import MeasuredRecipe as MeasuredRecipe
from .recipe import PixelRecipe as PixelRecipe
from .recipe import Recipe as Recipe
from .unrolled import UNROLLED
from .unseen import UNSEEN
from .unseen import DataRecipe as DataRecipe
from .unseen import NoisyRecipe as NoisyRecipe
from .xunit import XUNIT

__all__ = [
    "RECIPES",
    "DataRecipe",
    "DenoiserRecipe",
    "MeasuredRecipe",
    "NoisyRecipe",
    "PairRecipe",
    "PixelRecipe",
    "PriorRecipe",
    "Recipe",
]

RECIPES: dict[str, Recipe] = {r.name: r for r in (*DRUNET, *LOFI, *MASS, *XUNIT, *MIXER, *COURSE, *UNSEEN, *UNROLLED)}
