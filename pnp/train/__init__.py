"""Training: a loop that is a generator, seeded tasks, whole checkpoints, one recipe per shipped network."""

from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .images import ImageFolder as ImageFolder
from .images import random_crops as random_crops
from .loop import Record as Record
from .loop import Trainer as Trainer
from .loop import warmup_stable_decay as warmup_stable_decay
from .tasks import denoise_crops as denoise_crops
from .tasks import denoise_pixels as denoise_pixels
