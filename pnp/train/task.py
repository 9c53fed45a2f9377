"""What is learned: numbered samples, each drawn from its own random stream, and a loss on some of them."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["USUAL", "Drawing", "Drawn", "Task", "log_uniform", "sample_generator", "white_noise"]


def sample_generator(seed: int, step: int, sample: int) -> torch.Generator:
    """Random numbers of one sample of one step: a stream of its own, so that training can resume anywhere, and a
    batch is the same whether one process draws it or several.

    >>> torch.equal(*(torch.rand(3, generator=sample_generator(0, 5, 1)) for _ in range(2)))
    True
    """
    return torch.Generator().manual_seed(((seed * 1_000_003 + step) * 100_003 + sample) % 2**64)


def log_uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A number between two, every ratio alike."""
    return low * (high / low) ** float(torch.rand((), generator=generator))


def white_noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of unit standard deviation per real component, of the shape of ``like``, real or complex."""
    if not like.is_complex():
        return torch.randn(like.shape, generator=generator)
    return torch.view_as_complex(torch.randn((*like.shape, 2), generator=generator))


class Drawing(NamedTuple):
    r"""How a task draws samples, where papers differ.

    Attributes:
        orientations: 8: crops are turned and flipped; 4: flipped (2: sideways only); 1: as they are.
        fixed: an image makes the same sample every time, its middle as it is with the same noise.
        clipped: noisy images are cut to [0, 1].
        shared: all images of a step are seen at the same coordinates.
        repeat: steps that learn from the same images, at new coordinates.
        levels: how noise levels are drawn between the lowest and the highest: ``"uniform"``, or ``"ratio"``,
            :math:`\sigma_0 (\sigma_1 / \sigma_0)^{\sqrt u}`, u uniform, with more of the low ones.
    """

    orientations: int = 8
    fixed: bool = False
    clipped: bool = False
    shared: bool = False
    repeat: int = 1
    levels: Literal["uniform", "ratio"] = "uniform"


USUAL = Drawing()


class Drawn(NamedTuple):
    """Samples to learn from: the arguments of the model, what it ought to give, and a weight for each sample."""

    given: tuple[Any, ...]
    target: Any
    weight: Tensor | None = None


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
