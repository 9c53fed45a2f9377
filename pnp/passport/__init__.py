"""Passport of a denoiser: what it does to noise, units, symmetries and small changes, measured."""

from .measure import jacobian_figures as jacobian_figures
from .measure import measure_passport as measure_passport
