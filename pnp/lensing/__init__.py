"""Weak lensing: convergence power, random maps, what is counted in maps, the Wiener filter of masked shear, FITS."""

from .convergence import Cosmology as Cosmology
from .convergence import convergence_power as convergence_power
from .fits import read_map as read_map
from .fits import write_map as write_map
from .maps import LognormalMaps as LognormalMaps
from .maps import convergence_table as convergence_table
from .maps import correlation as correlation
from .maps import gaussian_map as gaussian_map
from .maps import lognormal_map as lognormal_map
from .maps import peak_counts as peak_counts
from .maps import radial_power as radial_power
from .reconstruct import smoothed_kaiser_squires as smoothed_kaiser_squires
from .reconstruct import wiener_reconstruction as wiener_reconstruction

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
