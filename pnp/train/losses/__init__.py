"""Losses: of an estimate and its target, and of data alone, one file each."""

from .assumptions import doubts_of as doubts_of
from .assumptions import useless_moves as useless_moves
from .augmented import Augmented as Augmented
from .blind_spot import BlindSpot as BlindSpot
from .equivariant import Equivariant as Equivariant
from .equivariant import EquivariantSplitting as EquivariantSplitting
from .measured import MeasuredLoss as MeasuredLoss
from .moves import Move as Move
from .noise2noise import Noise2Noise as Noise2Noise
from .nonexpansive import NonExpansive as NonExpansive
from .nonexpansive import reflected_norm as reflected_norm
from .recorrupted import Noisier2Inverse as Noisier2Inverse
from .recorrupted import Recorrupted as Recorrupted
from .recorrupted import smeared_noise as smeared_noise
from .splits import angles as angles
from .splits import blocks as blocks
from .splits import columns as columns
from .splits import halves as halves
from .splits import samples as samples
from .splitting import Splitting as Splitting
from .supervised import Clamped as Clamped
from .supervised import FourierLoss as FourierLoss
from .supervised import PerceptualLoss as PerceptualLoss
from .supervised import SSIMLoss as SSIMLoss
from .supervised import WeightedSum as WeightedSum
from .supervised import vgg_features as vgg_features
from .sure import SURE as SURE
from .together import Together as Together
from .unsure import UNSURE as UNSURE
from .unsure import UnknownNoise as UnknownNoise

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
