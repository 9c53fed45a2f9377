"""The operator doctor: laws that an operator has to obey, and what breaks them."""

from .check import check as check
from .findings import Finding as Finding
from .findings import Report as Report

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
