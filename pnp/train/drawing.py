"""How samples of a training are drawn: a random stream for each sample of each step, and where papers differ."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

__all__ = ["USUAL", "Drawing", "log_uniform", "sample_generator", "white_noise"]


def sample_generator(seed: int, step: int, sample: int) -> torch.Generator:
    """Random numbers of one sample of one step: a stream of its own, so that training can resume anywhere, and a
    batch is the same whether one process draws it or several.

    >>> torch.equal(*(torch.rand(3, generator=sample_generator(0, 5, 1)) for _ in range(2)))
    True
    """
    return torch.Generator().manual_seed(((seed * 1_000_003 + step) * 100_003 + sample) % 2**64)


def log_uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A number between two, every ratio alike."""
    return low * (high / low) ** float(torch.rand((), generator=generator, device="cpu"))


def white_noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Noise of unit standard deviation per real component, of the shape of ``like``, real or complex, and on its
    device: there it is drawn by a stream of the device's own, which ``generator`` gives a seed."""
    if like.device != generator.device:
        seed = int(torch.randint(2**62, (), generator=generator, device="cpu"))
        generator = torch.Generator(like.device).manual_seed(seed)
    if not like.is_complex():
        return torch.randn(like.shape, generator=generator, device=like.device)
    return torch.view_as_complex(torch.randn((*like.shape, 2), generator=generator, device=like.device))


class Drawing(NamedTuple):
    r"""How a task draws samples, where papers differ.

    Attributes:
        orientations: 8: crops are turned and flipped; 4: flipped (2: sideways only); 1: as they are.
        fixed: every image always gives the same sample, its central crop with a fixed noise realisation.
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
