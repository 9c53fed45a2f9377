"""Fast evaluation of networks: folded layers, strips, tiles, precision, receptive fields."""

from .fold import folded as folded
from .receptive_field import convolution_field as convolution_field
from .receptive_field import receptive_field as receptive_field

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
