"""Denoisers around denoisers: levels, symmetries, tiles, complex images, fixed sizes."""

from .averaged import Averaged as Averaged
from .complex_images import MagnitudePhase as MagnitudePhase
from .complex_images import RealImaginary as RealImaginary
from .equivariant import EquivariantDenoiser as EquivariantDenoiser
from .fixed_size import InSquares as InSquares
from .gradient_step import GradientStep as GradientStep
from .level_map import LevelMap as LevelMap
from .level_map import Residual as Residual
from .rescaled import Rescaled as Rescaled
from .tiled import TiledDenoiser as TiledDenoiser

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
