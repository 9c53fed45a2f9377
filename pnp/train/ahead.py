"""Samples that are drawn while a device learns from those before them."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from .tasks.base import Drawn, Task

__all__ = ["Ahead"]


class Ahead:
    """Draws a task's samples in a thread, one share ahead; they are numbered, so these are what would be drawn later.

    >>> class Ones(Task):
    ...     def draw(self, step, samples):
    ...         return Drawn((torch.full((len(samples), 1), float(step)),), None)
    >>> ahead = Ahead(Ones(2, torch.nn.functional.mse_loss))
    >>> [ahead.draw(k, range(2), k + 1, range(2)).given[0].mean().item() for k in range(3)]
    [0.0, 1.0, 2.0]
    """

    def __init__(self, task: Task) -> None:
        self.task, self.thread = task, ThreadPoolExecutor(1)
        self.coming: tuple[int, Iterable[int], Future[Drawn]] | None = None

    def draw(self, step: int, samples: Iterable[int], next_step: int, next_samples: Iterable[int]) -> Drawn:
        """The samples of a step; those of the next one are begun."""
        coming, self.coming = self.coming, None
        if coming is not None and coming[:2] == (step, samples):
            drawn = coming[2].result()
        else:
            drawn = self._drawn(step, samples)
        self.coming = next_step, next_samples, self.thread.submit(self._drawn, next_step, next_samples)
        return drawn

    def _drawn(self, step: int, samples: Iterable[int]) -> Drawn:
        drawn = self.task.draw(step, samples)
        return Drawn(tuple(map(_pinned, drawn.given)), _pinned(drawn.target), _pinned(drawn.weight))


def _pinned(value: Any) -> Any:
    """Tensors of the CPU in memory from which a GPU copies while it works."""
    on_cpu = isinstance(value, Tensor) and value.device.type == "cpu" and torch.cuda.is_available()
    return value.pin_memory() if on_cpu else value
