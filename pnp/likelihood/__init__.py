"""How data scatter around what an operator gives: a file for each kind of noise."""

from .ball import Ball as Ball
from .base import Likelihood as Likelihood
from .gaussian import Exact as Exact
from .gaussian import Gaussian as Gaussian
from .gaussian import as_likelihood as as_likelihood
from .huber import Huber as Huber
from .poisson import Poisson as Poisson
from .poisson import PoissonRoots as PoissonRoots
from .transmission import Transmission as Transmission

__all__ = [
    "Ball", "Exact", "Gaussian", "Huber", "Likelihood", "Poisson", "PoissonRoots", "Transmission", "as_likelihood",
]  # fmt: skip
