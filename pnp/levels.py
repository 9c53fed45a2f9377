"""Numbers that change with the iteration: any scalar of a solver may be a function of the step."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Schedule", "log_schedule", "value_at"]

Number = float | Tensor
Schedule = Number | Callable[[int], Number]


def log_schedule(start: Number, end: Number, steps: int) -> Callable[[int], Number]:
    r"""From ``start`` to ``end`` in equal ratios over ``steps`` values, then constant; numbers, or one a sample (B,).

    .. math:: s_k = s_0 (s_1 / s_0)^{\min(k / (K - 1), 1)}

    Zhang et al. 2022 (DPIR), doi:10.1109/TPAMI.2021.3088914.

    Raises:
        ValueError: a value is not positive, or ``steps`` < 1.

    >>> [round(log_schedule(1.0, 0.01, 3)(k), 4) for k in range(5)]
    [1.0, 0.1, 0.01, 0.01, 0.01]
    """
    for name, value in (("start", start), ("end", end)):
        if not bool(torch.as_tensor(value > 0).all()):
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
