"""Operators made of others: what is inside of them, and where."""

from typing import Any

from torch import nn

from .base import LinearOperator
from .nonlinear import Operator

__all__ = ["Made"]


class Made(LinearOperator):
    """Base of operators that hold others: a name that only those have is an error that says where it is.

    >>> from operators import Radon
    >>> (2.0 * Radon(8, [0.0])).fbp
    Traceback (most recent call last):
    AttributeError: Scaled has no fbp; .operator.fbp is that of the Radon inside, for its own data
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            found = None if name.startswith("_") else _inside(self, name)
            if found is None:
                raise
        path, owner = found
        raise AttributeError(
            f"{type(self).__name__} has no {name}; {path}.{name} is that of the {owner} inside, for its own data"
        )


def _inside(module: nn.Module, name: str) -> tuple[str, str] | None:
    """The path to an operator within ``module`` that has ``name``, and its kind."""
    for key, child in module.__dict__.get("_modules", {}).items():
        step = f"[{key}]" if key.isdigit() else f".{key}"
        if isinstance(child, Operator) and not isinstance(child, Made) and hasattr(child, name):
            return step, type(child).__name__
        if isinstance(child, (Made, nn.ModuleList)) and (found := _inside(child, name)):
            return step + found[0], found[1]
    return None
