"""Weak lensing: shear of a convergence map, reduced shear, catalogues of galaxies."""

from .catalogue import ShearMap as ShearMap
from .catalogue import bin_shear as bin_shear
from .catalogue import shape_noise_std as shape_noise_std
from .catalogue import shape_noise_std_map as shape_noise_std_map
from .kaiser_squires import KaiserSquires as KaiserSquires
from .kaiser_squires import LensingConvention as LensingConvention
from .reduced_shear import ReducedShear as ReducedShear
from .signs import ShearSigns as ShearSigns
from .signs import shear_signs as shear_signs

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
