"""A fault: what was seen, what is right, and how to try it again."""

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["FAULTS", "Fault", "fault"]


class Fault(NamedTuple):
    """One line of the table; ``now`` tries it and says what is seen, and whether that is right."""

    name: str
    what: str
    before: str
    right: str
    now: Callable[[], tuple[str, bool]]


FAULTS: list[Fault] = []


def fault(name: str, what: str, *, before: str, right: str) -> Callable:
    """Decorator: enter a function without arguments that returns ``(seen, is_right)`` into the table."""

    def enter(now: Callable[[], tuple[str, bool]]) -> Callable[[], tuple[str, bool]]:
        FAULTS.append(Fault(name, what, before, right, now))
        return now

    return enter
