"""A task of noisy images, with a penalty on the denoiser's derivative."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..losses import NonExpansive
from .base import Drawn, Task

__all__ = ["Penalised"]


class Penalised(Task):
    """The loss of a task whose model is given (noisy, sigma, ...), and a penalty on what it is not proven for."""

    def __init__(self, task: Task, penalty: NonExpansive) -> None:
        super().__init__(task.batch, task.criterion, seed=task.seed)
        self.task, self.penalty = task, penalty

    def onto(self, device: torch.device) -> None:
        self.task.onto(device)

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        drawn = self.task.draw(step, samples)
        return drawn._replace(given=(*drawn.given, step))

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        *given, step = drawn.given
        noisy, level = given[:2]
        more = self.penalty(lambda x: model(x, level), drawn.target, noisy, seed=self.seed + step)
        return self.task.loss(model, drawn._replace(given=tuple(given))) + more
