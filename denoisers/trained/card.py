"""What a weight file says of its network, beside what the user says."""

from typing import Any

__all__ = ["settled"]


def settled(card: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    """The card, with what the user wants where it says nothing; ``None`` wants nothing.

    Raises:
        ValueError: the user wants something else than the card says.

    >>> settled({"preset": "small"}, preset=None, channels=3)
    {'channels': 3, 'preset': 'small'}
    """
    for name, value in wanted.items():
        if value is not None and card.get(name, value) != value:
            raise ValueError(
                f"{name}: the weights have {card[name]!r}, got {value!r}; weights=None makes a new network"
            )
    return {**{name: value for name, value in wanted.items() if value is not None}, **card}
