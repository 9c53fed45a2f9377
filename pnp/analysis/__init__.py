"""What can be said of a solve beyond its answer."""

from .certificate import Certificate as Certificate
from .certificate import certify as certify

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
