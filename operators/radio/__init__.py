"""Radio interferometry: visibilities, coverage of the uv plane, weights."""

from .interferometry import RadioInterferometry as RadioInterferometry
from .uv import uv_coverage as uv_coverage
from .weighting import visibility_weights as visibility_weights
