"""Numbers that change with the iteration: any scalar of a solver may be a function of the step."""

import math
from collections.abc import Callable

from torch import Tensor

__all__ = ["Schedule", "log_schedule", "value_at"]

Schedule = float | Tensor | Callable[[int], float | Tensor]


def log_schedule(start: float, end: float, steps: int) -> Callable[[int], float]:
    r"""From ``start`` to ``end`` in equal ratios over ``steps`` values, then constant.

    .. math:: s_k = s_0 (s_1 / s_0)^{\min(k / (K - 1), 1)}

    Zhang et al. 2022 (DPIR), doi:10.1109/TPAMI.2021.3088914.

    >>> [round(log_schedule(1.0, 0.01, 3)(k), 4) for k in range(5)]
    [1.0, 0.1, 0.01, 0.01, 0.01]
    """
    if not (start > 0 and end > 0):
        raise ValueError(f"start, end: expected positive numbers, got {start} and {end}")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    ratio = math.log(end / start)

    def value(step: int) -> float:
        return start * math.exp(ratio * min(step / max(steps - 1, 1), 1.0))

    return value


def value_at(schedule: Schedule, step: int) -> float | Tensor:
    """The schedule's value at a step; a plain number is the same at every step.

    >>> value_at(0.5, 7), value_at(lambda k: 2.0 * k, 7)
    (0.5, 14.0)
    """
    return schedule(step) if callable(schedule) else schedule
