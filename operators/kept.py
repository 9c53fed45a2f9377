"""What is made of a constant once and used many times, such as the spectrum of a kernel."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from .modes import constant, tracked

__all__ = ["Kept"]

Made = TypeVar("Made")


class Kept:
    """What was last made of a tensor, kept while that is the same tensor with the same values and the same is wanted.

    It is made anew each time where a change would not be noticed (inference tensors), where a derivative by the tensor
    may be asked for, and within ``torch.compile``. Copies and pickles of what holds it begin empty.

    >>> kept, ones = Kept(), torch.ones(2)
    >>> first = kept(ones, "sum", ones.sum)
    >>> kept(ones, "sum", ones.sum) is first, kept(ones.mul_(2), "sum", ones.sum).item()
    (True, 4.0)
    """

    def __init__(self) -> None:
        self._made: tuple[tuple[Any, ...], Tensor, Any] | None = None

    def __call__(self, of: Tensor, wanted: Any, make: Callable[[], Made]) -> Made:
        """``make()``, or what it gave when asked for the same. ``wanted`` is compared: a name, a dtype, a shape."""
        if torch.compiler.is_compiling() or tracked(of) or of.is_inference():
            return make()
        made, stamp = self._made, (of._version, of.data_ptr(), wanted)
        if made is None or made[1] is not of or made[0] != stamp:
            made = self._made = (stamp, of, constant(make))  # at once: threads may ask at the same time
        return made[2]

    def __getstate__(self) -> dict[str, Any]:
        return {"_made": None}
