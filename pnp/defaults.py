"""Levels and the end of a solve where the user does not say, for each field."""

from collections.abc import Mapping
from typing import Any, ClassVar

from .stopping import Stop

__all__ = ["Defaults"]


class Defaults:
    """What a method does where the user does not say; a class that says one of them itself has it for every field."""

    annealing: int = 24  # iterations over which sigma falls
    usual: Stop = Stop()  # what ends a solve
    fields: ClassVar[Mapping[str, tuple[int, Stop]]] = {}  # the same two for operators of a field, where they differ

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if {"annealing", "usual"} & vars(cls).keys() and "fields" not in vars(cls):
            cls.fields = {}

    @classmethod
    def of_field(cls, field: str) -> tuple[int, Stop]:
        """Levels and end for operators of a field.

        >>> from pnp import PnPADMM
        >>> PnPADMM.of_field("natural")[0], PnPADMM.of_field("mri")[0]
        (8, 16)
        """
        return cls.fields.get(field, (cls.annealing, cls.usual))

    def anneal(self, levels: int) -> None:
        """Take so many levels; what the class says is not kept twice, so that saved solves need not tell it."""
        vars(self).pop("annealing", None)
        if levels != self.annealing:
            self.annealing = levels
