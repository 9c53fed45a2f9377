"""Corrections of measured CT: counts, centre of rotation, rings, beam hardening."""

from .centre import centred as centred
from .centre import find_offset as find_offset
from .hardening import correct_hardening as correct_hardening
from .hardening import fit_hardening as fit_hardening
from .rings import remove_stripes as remove_stripes
from .transmission import LineIntegrals as LineIntegrals
from .transmission import transmission as transmission

__all__ = [
    "LineIntegrals",
    "centred",
    "correct_hardening",
    "find_offset",
    "fit_hardening",
    "remove_stripes",
    "transmission",
]
