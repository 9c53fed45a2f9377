"""How noisy are the data: an estimate where the user gives none."""

from .estimate import estimate_noise as estimate_noise

__all__ = ["estimate_noise"]
