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

    Args:
        values: whether all values are compared, for small tensors: writing through ``.data``, numpy or shared memory
            leaves no other trace. On a device, which would have to be waited for, nothing is kept then.

    >>> kept, ones = Kept(), torch.ones(2)
    >>> first = kept(ones, "sum", ones.sum)
    >>> kept(ones, "sum", ones.sum) is first, kept(ones.mul_(2), "sum", ones.sum).item()
    (True, 4.0)
    """

    def __init__(self, *, values: bool = False) -> None:
        self.values = values
        self._made: tuple[Any, Tensor, Any] | None = None

    def __call__(self, of: Tensor, wanted: Any, make: Callable[[], Made]) -> Made:
        """``make()``, or what it gave when asked for the same. ``wanted`` is compared: a name, a dtype, a shape."""
        if torch.compiler.is_compiling() or tracked(of) or of.is_inference():
            return make()
        if self.values and of.device.type != "cpu":
            return make()
        made, stamp = self._made, wanted if self.values else (of._version, of.data_ptr(), wanted)
        if made is None or made[0] != stamp or not self._same(made[1], of):
            like = constant(lambda: of.detach().clone()) if self.values else of
            made = self._made = (stamp, like, constant(make))  # at once: threads may ask at the same time
        return made[2]

    def _same(self, before: Tensor, now: Tensor) -> bool:
        return before.dtype == now.dtype and torch.equal(before, now) if self.values else before is now

    def __getstate__(self) -> dict[str, Any]:
        return {"values": self.values, "_made": None}
