"""Levels of an iteration: how strongly the denoiser works, how far the data move; schedules of them, also by hand."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Expert", "Level", "Schedule", "falling", "log_schedule", "value_at"]

Number = float | Tensor
Schedule = Number | Callable[[int], Number]


class Level(NamedTuple):
    r"""What one iteration works at, made once and recorded as it is.

    Attributes:
        step: number of the iteration, from 0.
        sigma: standard deviation that the denoiser is told, in the units of the image, (B,).
        tau: length of a step, :math:`\tau = \sigma^2 / \lambda`, in squares of the image's unit, (B,).
    """

    step: int
    sigma: Tensor
    tau: Tensor


class Expert(NamedTuple):
    """Penalty and denoiser strength by hand, numbers or functions of the step, in the units of the image.

    ``sigma`` is the standard deviation handed to the denoiser; ``rho`` the penalty, 1 over the length of a step:
    Gaussian data have the weight gamma = 1 / (rho noise_std^2).
    """

    rho: Schedule
    sigma: Schedule

    def at(self, step: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """rho and sigma of a step, one per sample, as ``like`` (B,).

        Raises:
            TypeError: a value is not a number. ValueError: it is not positive (rho), negative (sigma), or not finite.
        """
        values = []
        for name, schedule, lowest in (("rho", self.rho, "> 0"), ("sigma", self.sigma, ">= 0")):
            value = value_at(schedule, step)
            try:
                tensor = torch.as_tensor(value, dtype=like.dtype, device=like.device).expand_as(like)
            except (TypeError, ValueError, RuntimeError) as error:
                raise TypeError(f"expert: {name}: expected a number or (B,) numbers, got {value!r}") from error
            fine = tensor > 0 if name == "rho" else tensor >= 0
            if not bool((fine & torch.isfinite(tensor)).all()):
                raise ValueError(f"expert: {name}: expected a finite number, {lowest}, got {value!r}")
            values.append(tensor)
        return values[0], values[1]

    def levels(self, like: Tensor, scale: Tensor) -> Callable[[int], Level]:
        """The :class:`Level` of each iteration, of samples such as ``like`` (B,) in units of ``scale`` (B,)."""

        def level(step: int) -> Level:
            rho, sigma = self.at(step, like)
            return Level(step, sigma, 1 / (rho * scale**2))

        return level


def falling(
    first: Tensor, last: Tensor, steps: int, weight: Tensor, limit: Tensor, scale: Tensor
) -> Callable[[int], Level]:
    """The :class:`Level` of each iteration where sigma falls in equal ratios and tau follows, see :func:`log_schedule`.

    All (B,), in units of ``scale``; ``weight``: lambda; ``limit``: the longest tau.
    """
    sigma = log_schedule(first, last, steps)

    @cache
    def values(step: int) -> tuple[Tensor, Tensor]:
        now = torch.as_tensor(sigma(step), device=scale.device)
        return now * scale, torch.minimum(now**2 / weight, limit)

    return lambda step: Level(step, *values(min(step, max(steps - 1, 1))))


def log_schedule(start: Number, end: Number, steps: int) -> Callable[[int], Number]:
    r"""From ``start`` to ``end`` in equal ratios over ``steps`` values, then constant; numbers, or one per sample (B,).

    .. math:: s_k = s_0 (s_1 / s_0)^{\min(k / (K - 1), 1)}

    Zhang et al. 2022 (DPIR), doi:10.1109/TPAMI.2021.3088914.

    Raises:
        ValueError: a value is not positive, or ``steps`` < 1.

    >>> [round(log_schedule(1.0, 0.01, 3)(k), 4) for k in range(5)]
    [1.0, 0.1, 0.01, 0.01, 0.01]
    """
    for name, value in (("start", start), ("end", end)):
        positive = value > 0
        if not (bool(positive.all()) if isinstance(positive, Tensor) else positive):
            raise ValueError(f"{name}: expected positive values, got {value}")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    return lambda step: start * (end / start) ** min(step / max(steps - 1, 1), 1.0)


def value_at(schedule: Schedule, step: int) -> Number:
    """The schedule's value at a step; a plain number is the same at every step.

    >>> value_at(0.5, 7), value_at(lambda k: 2.0 * k, 7)
    (0.5, 14.0)
    """
    return schedule(step) if callable(schedule) else schedule
