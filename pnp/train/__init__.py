"""Training: numbered samples with their own random streams, a loop that is a generator, whole checkpoints, recipes."""

from ..io import read_fastmri as read_fastmri
from ..io import read_images as read_images
from ..io import read_measurements as read_measurements
from .adapting import Adaptation as Adaptation
from .adapting import adapt as adapt
from .by_recipe import train as train
from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .drawing import Drawing as Drawing
from .evaluation import evaluate as evaluate
from .images import ImageFolder as ImageFolder
from .images import random_crop as random_crop
from .loop import Record as Record
from .loop import Trainer as Trainer
from .losses import SURE as SURE
from .losses import UNSURE as UNSURE
from .losses import Augmented as Augmented
from .losses import BlindSpot as BlindSpot
from .losses import Clamped as Clamped
from .losses import Equivariant as Equivariant
from .losses import EquivariantSplitting as EquivariantSplitting
from .losses import FourierLoss as FourierLoss
from .losses import MeasuredLoss as MeasuredLoss
from .losses import Noise2Noise as Noise2Noise
from .losses import Noisier2Inverse as Noisier2Inverse
from .losses import NonExpansive as NonExpansive
from .losses import PerceptualLoss as PerceptualLoss
from .losses import Recorrupted as Recorrupted
from .losses import Splitting as Splitting
from .losses import SSIMLoss as SSIMLoss
from .losses import Together as Together
from .losses import UnknownNoise as UnknownNoise
from .losses import WeightedSum as WeightedSum
from .losses import reflected_norm as reflected_norm
from .one_device import OneDevice as OneDevice
from .primal_dual import PrimalDual as PrimalDual
from .rates import cosine as cosine
from .rates import one_cycle as one_cycle
from .rates import step_decay as step_decay
from .rates import warmup_stable_decay as warmup_stable_decay
from .tasks.base import Drawn as Drawn
from .tasks.base import Task as Task
from .tasks.self_supervised import NoisyCrops as NoisyCrops
from .tasks.self_supervised import SelfSupervised as SelfSupervised
from .tasks.supervised import DenoiseCrops as DenoiseCrops
from .tasks.supervised import DenoisePixels as DenoisePixels
from .tasks.supervised import Measured as Measured
from .tasks.supervised import Pairs as Pairs
from .unrolled import FixedPoint as FixedPoint
from .unrolled import Unrolled as Unrolled
from .untrained import fit_untrained as fit_untrained

# a star import brings no modules
__all__ = [n for n, v in [*globals().items()] if n[0] != "_" and hasattr(v, "__module__")]  # pyright: ignore[reportUnsupportedDunderAll]
