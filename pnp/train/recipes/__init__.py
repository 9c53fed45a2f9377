"""One file per set of shipped weights: everything that it takes to train them again."""

from .lofi import LOFI
from .mixer import MIXER
from .recipe import DenoiserRecipe
from .xdncnn import XDNCNN

__all__ = ["RECIPES", "DenoiserRecipe"]

RECIPES: dict[str, DenoiserRecipe] = {r.name: r for r in (*LOFI, *XDNCNN, *MIXER)}
