"""Radio skies: unresolved bright sources taken out of the visibilities, and put back."""

from .beam_fit import Beam as Beam
from .beam_fit import beam_image as beam_image
from .beam_fit import fitted_beam as fitted_beam
from .peeled import Peeled as Peeled
from .peeled import PeeledResult as PeeledResult
from .points import Points as Points
from .points import find_points as find_points
from .restored import SkyImages as SkyImages
from .restored import restored as restored

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
