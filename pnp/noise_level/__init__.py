"""How noisy are the data: an estimate where the user gives none."""

from .estimate import estimate_noise as estimate_noise
from .estimate import noise_doubt as noise_doubt

__all__ = ["estimate_noise", "noise_doubt"]
