"""What shear needs before it is solved: biases, signs, a prior that fits."""

from .calibration import calibrated as calibrated
from .prior import prior_doubts as prior_doubts
from .signs import checked_signs as checked_signs

__all__ = ["calibrated", "checked_signs", "prior_doubts"]
