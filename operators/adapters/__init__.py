"""Operators of others as ours, and ours for others."""

from .function import FunctionOperator as FunctionOperator
from .incoming import DeepinvOperator as DeepinvOperator
from .incoming import as_operator as as_operator
from .matrix import MatrixOperator as MatrixOperator
from .outgoing import to_deepinv as to_deepinv
from .outgoing import to_scipy as to_scipy

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
