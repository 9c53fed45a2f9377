"""What is learned: samples and losses, one task each."""

from ..drawing import Drawing as Drawing
from .base import Drawn as Drawn
from .base import Task as Task
from .self_supervised import NoisyCrops as NoisyCrops
from .self_supervised import SelfSupervised as SelfSupervised
from .supervised import DenoiseCrops as DenoiseCrops
from .supervised import DenoisePixels as DenoisePixels
from .supervised import Measured as Measured
from .supervised import Pairs as Pairs

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
