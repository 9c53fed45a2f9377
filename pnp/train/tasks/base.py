"""What is learned: numbered samples, each drawn from its own random stream, and a loss on some of them."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..drawing import sample_generator

__all__ = ["Drawn", "Task", "device_of", "moved"]


class Drawn(NamedTuple):
    """Samples to learn from: the arguments of the model, what it ought to give, and a weight for each sample."""

    given: tuple[Any, ...]
    target: Any
    weight: Tensor | None = None


def device_of(module: Any, default: torch.device) -> torch.device:
    """Where the tensors of a module are; ``default`` where it has none."""
    tensors = [] if not isinstance(module, nn.Module) else [*module.parameters(), *module.buffers()]
    return tensors[0].device if tensors else default


def moved(value: Any, device: torch.device) -> Any:
    """Tensors, modules and lists of them on a device; a copy from pinned memory need not be waited for."""
    if isinstance(value, Drawn):
        return Drawn(*(moved(part, device) for part in value))
    if isinstance(value, list | tuple):
        return type(value)(moved(part, device) for part in value)
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    return value.to(device) if isinstance(value, nn.Module) else value


class Task:
    """Samples and loss; a subclass writes ``draw``, and ``loss`` where it is not criterion(model(*given), target).

    Args:
        batch: samples a step, in all processes together.
        criterion: ``criterion(estimate, target) -> scalar``, a mean over the samples.
        seed: of everything random.

    Raises:
        ValueError: an empty batch; in ``loss``: the model's answer has not the shape of the target.
    """

    def __init__(self, batch: int, criterion: Callable[[Tensor, Tensor], Tensor], *, seed: int = 0) -> None:
        if batch < 1:
            raise ValueError(f"batch: expected at least one sample, got {batch}")
        self.batch, self.criterion, self.seed = batch, criterion, seed

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        """The samples of these numbers (0 ... batch - 1) of a step."""
        raise NotImplementedError("a task writes draw(step, samples)")

    def onto(self, device: torch.device) -> None:
        """Draw samples on a device from now on, where the task can: crops, levels and places are those of the CPU, the
        noise is of the device's own streams, numbered by sample and step as well. By default they stay on the CPU."""

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        """Mean over the drawn samples."""
        return self.criterion(self.answer(model, drawn), drawn.target)

    @staticmethod
    def answer(model: nn.Module, drawn: Drawn) -> Tensor:
        """What the model makes of the samples, of the shape of the target: losses would stretch another one to it."""
        answer = model(*drawn.given)
        if answer.shape != drawn.target.shape:
            shapes = tuple(answer.shape), tuple(drawn.target.shape)
            raise ValueError(f"model: answers with shape {shapes[0]} where the target has {shapes[1]}")
        return answer

    def generators(self, step: int, samples: Iterable[int]) -> list[torch.Generator]:
        """One random stream for each sample."""
        return [sample_generator(self.seed, step, i) for i in samples]
