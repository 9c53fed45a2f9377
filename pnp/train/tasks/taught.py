"""A task of noisy images whose targets are the answers of a better denoiser."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .base import Drawn, Task

__all__ = ["Taught"]


class Taught(Task):
    r"""The loss of a task whose model is given (noisy, sigma), with another denoiser's answer in place of the image.

    .. math:: \|D(x + \sigma n, \sigma) - T(x + \sigma n, \sigma)\|^2

    What is left of an image's error is mostly what nobody can know of it, and only makes gradients noisy; the distance
    from a better denoiser has less of it, and on average the same least value of a network that sees less.

    Hinton, Vinyals, Dean 2015, arXiv:1503.02531.
    """

    def __init__(self, task: Task, teacher: nn.Module) -> None:
        super().__init__(task.batch, task.criterion, seed=task.seed)
        self.task, self.teacher = task, teacher.eval().requires_grad_(False)

    def onto(self, device: torch.device) -> None:
        self.task.onto(device)
        self.teacher.to(device)

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        return self.task.draw(step, samples)

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        with torch.no_grad():
            target = self.teacher(*drawn.given[:2])
        return self.task.loss(model, drawn._replace(target=target))
