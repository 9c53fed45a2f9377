"""Tomography: parallel beams, fan beams, filtered back projection."""

from .attenuation import BeerLambert as BeerLambert
from .fanbeam import FanBeam as FanBeam
from .radon import Radon as Radon
