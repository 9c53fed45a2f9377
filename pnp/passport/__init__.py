"""Passport of a denoiser: what it does to noise, units, symmetries and small changes, measured."""

from .measure import jacobian_figures as jacobian_figures
from .measure import measure_passport as measure_passport

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
