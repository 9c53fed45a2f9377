"""Fast evaluation of networks: folded layers, strips, tiles, precision, receptive fields."""

from .fold import folded as folded
from .receptive_field import convolution_field as convolution_field
from .receptive_field import receptive_field as receptive_field
