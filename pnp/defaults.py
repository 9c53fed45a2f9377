"""Levels and the end of a solve where the user does not say, for each field."""

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from .stopping import Stop

__all__ = ["Defaults", "Usual"]


class Usual(NamedTuple):
    """What a method does for operators of one field.

    Attributes:
        levels: iterations over which sigma falls.
        stop: what ends a solve.
        reach: the first sigma is so many times higher where the denoiser commutes with changes of units: how far the
            brightest values are beyond the range, which calibration takes from nearly all of an image.
        least: of the range, below which sigma does not fall where the data hold less than 0.3 of the image.
        most: the same where they hold a quarter and less.
        slowest: the least share of an iteration that is made where the residual stalls.
    """

    levels: int
    stop: Stop
    reach: float = 1.0
    least: float = 0.1
    most: float = 0.1
    slowest: float = 1 / 16


class Defaults:
    """What a method does where the user does not say; a class that says one of them itself has it for every field."""

    stop: Stop
    annealing: int = 24  # iterations over which sigma falls
    usual: Stop = Stop()  # what ends a solve
    share: float = 1.0  # of a step that is made; inner solves are as much more accurate
    fields: ClassVar[Mapping[str, Usual]] = {}  # for operators of a field, where they differ

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        if {"annealing", "usual"} & vars(cls).keys() and "fields" not in vars(cls):
            cls.fields = {}

    @classmethod
    def of_field(cls, field: str) -> Usual:
        """What is usual for operators of a field.

        >>> from pnp import PnPADMM
        >>> PnPADMM.of_field("natural").levels, PnPADMM.of_field("mri").levels
        (8, 16)
        """
        return cls.fields.get(field, Usual(cls.annealing, cls.usual))

    def copied(self) -> Self:
        """Another one with the same modules, whose settings are its own."""
        other = copy.copy(self)
        vars(other)["_modules"] = dict(vars(self)["_modules"])
        return other

    def anneal(self, levels: int) -> None:
        """Take so many levels; what the class says is not kept twice, so that saved solves need not tell it."""
        vars(self).pop("annealing", None)
        if levels != self.annealing:
            self.annealing = levels

    def follow(self, old: Usual, new: Usual) -> None:
        """Take what is usual for another field in place of what is as usual."""
        self.anneal(new.levels if self.annealing == old.levels else self.annealing)
        self.stop = new.stop if self.stop == old.stop else self.stop
