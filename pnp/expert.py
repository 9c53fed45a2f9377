"""Penalty and denoiser strength by hand."""

from typing import NamedTuple

import torch
from torch import Tensor

from .levels import Schedule, value_at

__all__ = ["Expert"]


class Expert(NamedTuple):
    """Penalty and denoiser strength by hand, numbers or functions of the step, in the units of the image.

    ``sigma`` is the standard deviation handed to the denoiser; ``rho`` the penalty, gamma = 1 / (rho noise_std^2).
    """

    rho: Schedule
    sigma: Schedule

    def at(self, step: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """rho and sigma of a step, one a sample, as ``like`` (B,).

        Raises:
            TypeError: a value is no number. ValueError: it is not positive (rho), negative (sigma), or not finite.
        """
        values = []
        for name, schedule, lowest in (("rho", self.rho, "> 0"), ("sigma", self.sigma, ">= 0")):
            value = value_at(schedule, step)
            try:
                tensor = torch.as_tensor(value).to(like).expand_as(like)
            except (TypeError, ValueError, RuntimeError) as error:
                raise TypeError(f"expert: {name} has to be a number or (B,) numbers, got {value!r}") from error
            fine = tensor > 0 if name == "rho" else tensor >= 0
            if not bool((fine & torch.isfinite(tensor)).all()):
                raise ValueError(f"expert: {name} has to be finite and {lowest}, got {value!r}")
            values.append(tensor)
        return values[0], values[1]
