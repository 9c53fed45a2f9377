"""Tomography: parallel beams, fan beams, filtered back projection."""

from .attenuation import BeerLambert as BeerLambert
from .fanbeam import FanBeam as FanBeam
from .radon import Radon as Radon

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
