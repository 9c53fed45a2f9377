"""Radio interferometry: visibilities, coverage of the uv plane, weights."""

from .interferometry import RadioInterferometry as RadioInterferometry
from .uv import uv_coverage as uv_coverage
from .weighting import visibility_weights as visibility_weights

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
