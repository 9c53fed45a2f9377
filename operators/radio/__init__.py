"""Radio interferometry: visibilities, coverage of the uv plane, weights."""

from .beam import PrimaryBeam as PrimaryBeam
from .beam import airy_beam as airy_beam
from .beam import gaussian_beam as gaussian_beam
from .frequencies import in_wavelengths as in_wavelengths
from .frequencies import spectral_gain as spectral_gain
from .interferometry import RadioInterferometry as RadioInterferometry
from .uv import uv_coverage as uv_coverage
from .weighting import visibility_weights as visibility_weights

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
