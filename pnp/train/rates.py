"""Learning rates: factors of the base rate as functions of the step, for a training of ``steps`` steps in all."""

import math
from collections.abc import Callable

__all__ = ["RATES", "constant", "cosine", "one_cycle", "step_decay", "warmup_stable_decay"]

Rate = Callable[[int], float]


def constant(steps: int) -> Rate:
    """The base rate throughout.

    >>> constant(10)(3)
    1.0
    """
    return lambda step: 1.0


def warmup_stable_decay(steps: int, *, warmup: int = 100, decay: float = 0.4) -> Rate:
    """Linear rise, plateau, and half a cosine down over the last share ``decay`` of the steps.

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


def step_decay(steps: int, *, pieces: float = 1.2, factor: float = 0.5) -> Rate:
    """``factor`` times less after every ``steps / pieces`` steps (StepLR; 50 of 60 epochs: 1.2).

    >>> rate = step_decay(60)
    >>> rate(49), rate(50)
    (1.0, 0.5)
    """
    period = max(steps / pieces, 1)
    return lambda step: factor ** int(step / period + 1e-9)


def one_cycle(steps: int, *, peak: float = 0.1, start: float = 0.25, end: float = 1 / 36) -> Rate:
    """Straight up from ``start`` to 1 until the share ``peak`` of the steps, straight down to ``end`` after it.

    >>> rate = one_cycle(100)
    >>> rate(0), rate(10), round(rate(100), 4)
    (0.25, 1.0, 0.0278)
    """

    def factor(step: int) -> float:
        top = max(peak * steps, 1)
        if step <= top:
            return start + (1 - start) * step / top
        return 1 + (end - 1) * min((step - top) / max(steps - top, 1), 1.0)

    return factor


def cosine(steps: int, *, end: float = 0.0) -> Rate:
    """Half a cosine from 1 down to ``end``.

    >>> rate = cosine(100, end=0.1)
    >>> rate(0), round(rate(50), 3), round(rate(100), 3)
    (1.0, 0.55, 0.1)
    """
    return lambda step: end + (1 - end) * 0.5 * (1 + math.cos(math.pi * min(step / max(steps, 1), 1.0)))


RATES: dict[str, Callable[[int], Rate]] = {
    "constant": constant,
    "cosine": cosine,
    "cosine-to-tenth": lambda steps: cosine(steps, end=0.1),
    "late-decay": lambda steps: warmup_stable_decay(steps, decay=0.5),
    "one-cycle": one_cycle,
    "step": step_decay,
}
"""By name, as recipes have them."""
