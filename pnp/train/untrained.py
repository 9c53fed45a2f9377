"""Untrained fitting: a network's own preference for images, stopped early, reconstructs from one measurement."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from operators.adapt import as_operator

from .loop import Trainer
from .rates import step_decay
from .task import Drawn, Task

__all__ = ["Fit", "fit_untrained"]


class Fit(NamedTuple):
    """Where a fit stands: its step (from 1); the mean squared misfit of the data and the image, before the step."""

    step: int
    misfit: float
    x: Tensor


class _OneMeasurement(Task):
    def __init__(self, op: Any, y: Tensor, given: Tensor) -> None:
        super().__init__(1, self._misfit)
        self.op, self.y, self.given = op, y, given
        self.x = given

    def draw(self, step: int, samples: Any) -> Drawn:
        return Drawn((self.given,), self.y)

    def _misfit(self, x: Tensor, y: Tensor) -> Tensor:
        self.x = x.detach()
        return (self.op.A(x) - y).abs().square().mean()


def fit_untrained(
    network: nn.Module,
    y: Tensor,
    op: Any,
    *,
    given: Tensor | None = None,
    steps: int = 1500,
    rate: float = 1e-3,
    pieces: float = 3.0,
    seed: int = 1,
) -> Iterator[Fit]:
    r"""Adam on :math:`\|A f_\theta(z) - y\|^2` over the weights of a network, for a fixed random input z.

    Run to the end it fits the noise as well; the caller stops when it likes what it sees (a held-out part of the data,
    or the misfit of the noise level).

    Args:
        network: images (1, C', H, W) -> images of the operator; its weights change.
        y: one measurement, (1, ...).
        op: the operator; :class:`operators.Identity` for denoising.
        given: z; default uniform in [0, 1], of the image's shape, from ``seed``.
        rate, pieces: learning rate, halved after every ``steps / pieces`` steps.

    Ulyanov, Vedaldi, Lempitsky 2018, arXiv:1711.10925; for mixers Mansour, Lin, Heckel 2022, arXiv:2202.02018.

    >>> from operators import Identity
    >>> y = torch.rand(1, 1, 8, 8)
    >>> fits = list(fit_untrained(nn.Conv2d(1, 1, 3, padding=1), y, Identity((8, 8)), steps=50, rate=1e-2))
    >>> fits[-1].misfit < fits[0].misfit
    True
    """
    op = as_operator(op)
    if y.shape[0] != 1:
        raise ValueError(f"y: expected one measurement, got a batch of {y.shape[0]}")
    if given is None:
        shape = (1, *op.in_shape)
        given = torch.rand(shape, generator=torch.Generator().manual_seed(seed)).to(y.device, y.real.dtype)
    task = _OneMeasurement(op, y, given)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    trainer = Trainer(network, task, optimizer=optimizer, schedule=step_decay(steps, pieces=pieces), average=0.0)
    for record in trainer.run(steps):
        yield Fit(record.step, record.loss, task.x)
