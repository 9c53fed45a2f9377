"""What looks wrong about data, in a word that names the cause and a sentence that says what to do."""

from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from .base import LinearOperator

__all__ = ["Doubt", "Variant"]


class Doubt(NamedTuple):
    """A likely mistake.

    Attributes:
        cause: its kind in a word or two: ``"centre of rotation"``, ``"coil maps"``, ``"geometry"``, ...
        words: what is seen, and what to do.
        sure: whether nothing else is likely to look like it; solvers warn then.
    """

    cause: str
    words: str
    sure: bool = True


class Variant(NamedTuple):
    """What a measurement would be if a mistake had been made, to see whether it fits better.

    Attributes:
        doubt: the mistake.
        op: an operator without it.
        y: the data for that operator.
    """

    doubt: Doubt
    op: "LinearOperator"
    y: Tensor
