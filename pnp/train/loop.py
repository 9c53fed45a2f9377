"""The training loop: a generator of records; the caller's ``for`` body logs, evaluates, saves, stops."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["Record", "Trainer", "warmup_stable_decay"]


class Record(NamedTuple):
    """What happened in one step: its number (from 1), the loss, the learning rate, the gradient's norm."""

    step: int
    loss: float
    rate: float
    gradient: float


def warmup_stable_decay(steps: int, *, warmup: int = 100, decay: float = 0.4) -> Callable[[int], float]:
    """Factor of the learning rate at a step: linear rise, plateau, and half a cosine down over the last ``decay``.

    The plateau does not know how long it is, so a run may be stopped and continued with more ``steps``.

    >>> rate = warmup_stable_decay(1000)
    >>> rate(0), rate(500), rate(1000)
    (0.01, 1.0, 0.0)
    """
    begin = steps * (1 - decay)

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / max(warmup, 1))
        fraction = min(max((step - begin) / max(steps - begin, 1), 0.0), 1.0)
        return rise * 0.5 * (1 + math.cos(math.pi * fraction))

    return factor


class Trainer:
    """Adam with a moving average of the weights; steps are numbered, so that a run can stop and go on bit for bit.

    Args:
        model: trained in place.
        loss: ``loss(model, step) -> scalar``; everything random in it follows from ``step`` (see
            :func:`pnp.train.tasks.step_generator`), so nothing but the step has to be remembered.
        rate: learning rate.
        schedule: factor of the rate at a step.
        clip: largest norm of the gradient.
        average: decay of the moving average, which :attr:`averaged` holds; it starts fast and slows down to this.

    >>> layer = nn.Linear(1, 1)
    >>> target = lambda model, step: (model(torch.ones(1, 1)) - 3).square().mean()
    >>> records = list(Trainer(layer, target, rate=0.1).run(300))
    >>> records[-1].step, records[-1].loss < 1e-3
    (300, True)
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[nn.Module, int], Tensor],
        *,
        rate: float = 1e-3,
        schedule: Callable[[int], float] = lambda step: 1.0,
        clip: float = math.inf,
        average: float = 0.999,
    ) -> None:
        self.model, self.loss, self.rate, self.schedule, self.clip, self.decay = (
            model, loss, rate, schedule, clip, average,
        )  # fmt: skip
        self.optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
        self.averaged = {name: value.detach().clone() for name, value in model.state_dict().items()}
        self.step = 0

    def run(self, steps: int) -> Iterator[Record]:
        """Train until ``steps`` steps have been made in all, giving a record of each."""
        self.model.train()
        while self.step < steps:
            rate = self.rate * self.schedule(self.step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.model, self.step)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            if not torch.isfinite(norm):
                raise FloatingPointError(f"loss or gradient is not finite in step {self.step + 1}; lower the rate")
            self.optimizer.step()
            self.step += 1
            self._average()
            yield Record(self.step, loss.item(), rate, norm.item())

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            kept = self.averaged[name]
            if kept.is_floating_point():
                kept.lerp_(value, 1 - decay)
            else:
                kept.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a later run needs to go on: weights, their average, the optimiser, the step."""
        return {
            "model": self.model.state_dict(),
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from :meth:`state_dict`."""
        self.model.load_state_dict(state["model"])
        self.averaged = {name: value.clone() for name, value in state["averaged"].items()}
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
