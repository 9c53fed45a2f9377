"""Sample images and measurements that ship with the package."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["sample"]

_FOLDER = Path(__file__).parent / "samples"
_NAMES = ("astronaut", "brain", "camera", "coffee")


def sample(name: str) -> Tensor:
    """A shipped sample; origin and terms of each stand in ``pnp/samples/SOURCES.md``.

    ``"camera"`` (1, 1, 512, 512), ``"astronaut"`` (1, 3, 512, 512), ``"coffee"`` (1, 3, 400, 600): photographs,
    float32 in [0, 1]. ``"brain"`` (1, 8, 230, 180): measured k-space of eight coils, complex64, zero but for 12 % of
    the samples (a Poisson disc around a full centre of 24 x 24),
    scaled so that the combined image reaches about 1.

    Raises:
        ValueError: no such sample; the message lists them.

    >>> sample("camera").shape
    torch.Size([1, 1, 512, 512])
    """
    if name not in _NAMES:
        raise ValueError(f"name: expected one of {_NAMES}, got {name!r}")
    if name == "brain":
        return torch.from_numpy(np.load(_FOLDER / "brain.npy"))[None]
    with np.load(_FOLDER / f"{name}.npz") as file:
        return torch.from_numpy(file["image"])[None].float() / 255
