"""Training: numbered samples with their own random streams, a loop that is a generator, whole checkpoints, recipes."""

from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .files import read_fastmri as read_fastmri
from .files import read_images as read_images
from .images import ImageFolder as ImageFolder
from .images import random_crop as random_crop
from .loop import Record as Record
from .loop import Trainer as Trainer
from .losses import Clamped as Clamped
from .losses import FourierLoss as FourierLoss
from .losses import PerceptualLoss as PerceptualLoss
from .losses import SSIMLoss as SSIMLoss
from .losses import WeightedSum as WeightedSum
from .rates import cosine as cosine
from .rates import one_cycle as one_cycle
from .rates import step_decay as step_decay
from .rates import warmup_stable_decay as warmup_stable_decay
from .run import train as train
from .task import Drawn as Drawn
from .task import Task as Task
from .tasks import DenoiseCrops as DenoiseCrops
from .tasks import DenoisePixels as DenoisePixels
from .tasks import Measured as Measured
from .tasks import Pairs as Pairs
