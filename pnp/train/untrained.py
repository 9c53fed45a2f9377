"""Untrained fitting: a network's own preference for images, stopped early, reconstructs from one measurement."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from operators.adapters.incoming import as_operator
from operators.linalg import dot
from operators.shapes import check_batch

from ..arguments import check_values
from .loop import Trainer
from .rates import step_decay
from .tasks.base import Drawn, Task

__all__ = ["Fit", "fit_untrained"]


class Fit(NamedTuple):
    """Where a fit stands: its step (from 1); the mean squared misfit of the data and the image, before the step."""

    step: int
    misfit: float
    x: Tensor


class _OneMeasurement(Task):
    def __init__(self, op: Any, y: Tensor, given: Tensor, scale: Tensor) -> None:
        super().__init__(1, F.mse_loss)
        self.op, self.y, self.given, self.scale = op, y / scale, given, scale
        self.x = given

    def draw(self, step: int, samples: Any) -> Drawn:
        return Drawn((self.given,), self.y)

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        x = model(*drawn.given)
        x = x.to(self.y.dtype.to_complex() if x.is_complex() else self.y.real.dtype)
        self.x = self.scale * x.detach()
        return (self.op.A(x) - drawn.target).abs().square().mean()


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
    r"""Adam on :math:`\|s A f_\theta(z) - y\|^2` over the weights of a network, for a fixed random input z.

    Run to the end it fits the noise as well; the caller stops when it likes what it sees (a held-out part of the data,
    or the misfit of the noise level). The unit s of the network's images is the largest magnitude of
    :math:`t A^* y`, with t the length of the steepest descent's first step, so that the fit follows the data's units;
    it is a constant (1 for y = 0).

    Args:
        network: images (1, C', H, W) -> images of the operator, over s; its weights change. Its precision may differ
            from that of the data.
        y: one measurement, (1, ...).
        op: the operator; :class:`operators.Identity` for denoising.
        given: z; default uniform in [0, 1], of the image's shape, from ``seed``.
        rate, pieces: learning rate, halved after every ``steps / pieces`` steps.

    Raises:
        ValueError: y has another shape, holds NaN, or is more than one measurement. TypeError: its type does not fit.

    Ulyanov, Vedaldi, Lempitsky 2018, arXiv:1711.10925; for mixers Mansour, Lin, Heckel 2022, arXiv:2202.02018.

    >>> from operators import Identity
    >>> y = torch.rand(1, 1, 8, 8)
    >>> fits = list(fit_untrained(nn.Conv2d(1, 1, 3, padding=1), y, Identity((8, 8)), steps=50, rate=1e-2))
    >>> fits[-1].misfit < fits[0].misfit
    True
    """
    op = as_operator(op)
    check_batch("y", y, op.out_shape, op.out_dtype.is_complex)
    check_values("y", y)
    if y.shape[0] != 1:
        raise ValueError(f"y: expected one measurement, got a batch of {y.shape[0]}")
    own = next((p.dtype for p in network.parameters()), y.real.dtype)
    if given is None:
        given = torch.rand((1, *op.in_shape), generator=torch.Generator().manual_seed(seed), device="cpu")
    task = _OneMeasurement(op, y, given.to(y.device, own), _unit(op, y).to(y.real.dtype))
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    trainer = Trainer(network, task, optimizer=optimizer, schedule=step_decay(steps, pieces=pieces), average=0.0)
    for record in trainer.run(steps):
        yield Fit(record.step, record.loss * float(task.scale) ** 2, task.x)


@torch.no_grad()
def _unit(op: Any, y: Tensor) -> Tensor:
    """What the network's images are counted in."""
    y = y.to(torch.complex128 if y.is_complex() else torch.float64)  # squares of single precision leave its range
    image = op.A_adjoint(y)
    again = op.A(image)
    up, down = dot(image, image).sum(), dot(again, again).sum()
    return torch.where(down > 0, image.abs().amax() * up / down, 1.0)
