"""Where non-Cartesian scans sample k-space: points (2, M) in radians per pixel, rows first."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["load_trajectory", "radial_trajectory", "spiral_trajectory"]

_GOLDEN = math.pi * (math.sqrt(5) - 1) / 2  # 111.25 degrees


def radial_trajectory(spokes: int, samples: int, *, golden: bool = False) -> Tensor:
    r"""Straight lines through the centre, spoke by spoke: radius :math:`2\pi (j - \lfloor n/2 \rfloor) / n`.

    Args:
        spokes: number of lines, evenly over half a turn, or each 111.25 degrees on from the last.
        samples: n on a line; twice the image's side samples as densely as a scanner does.
        golden: golden-angle order.

    Winkelmann, Schaeffter, Koehler, Eggers, Doessel 2007, doi:10.1109/TMI.2006.885337.

    >>> radial_trajectory(3, 4).shape
    torch.Size([2, 12])
    """
    _positive(spokes=spokes, samples=samples)
    step = _GOLDEN if golden else math.pi / spokes
    angle = step * torch.arange(spokes, dtype=torch.float64, device="cpu")[:, None]
    radius = 2 * math.pi / samples * (torch.arange(samples, dtype=torch.float64, device="cpu") - samples // 2)
    return torch.stack((radius * angle.sin(), radius * angle.cos())).flatten(1)


def spiral_trajectory(interleaves: int, samples: int, turns: float) -> Tensor:
    """Archimedean spirals from the centre to the edge, evenly turned against each other; even steps of radius.

    Args:
        interleaves: number of spirals.
        samples: on each.
        turns: of each; interleaves * turns = side / 2 samples fully.

    >>> spiral_trajectory(2, 50, 8.0).norm(dim=0).max() < torch.pi
    tensor(True)
    """
    _positive(interleaves=interleaves, samples=samples)
    if not 0 < turns < math.inf:
        raise ValueError(f"turns: expected a positive number, got {turns}")
    t = torch.arange(samples, dtype=torch.float64, device="cpu") / samples
    starts = torch.arange(interleaves, dtype=torch.float64, device="cpu")[:, None] / interleaves
    angle = 2 * math.pi * (turns * t + starts)
    return torch.stack((math.pi * t * angle.sin(), math.pi * t * angle.cos())).flatten(1)


def load_trajectory(path: str | Path, *, scale: float = 1.0) -> Tensor:
    """Points from a ``.npy`` file (2, ...) or (..., 2), or a text file of two columns, times ``scale``.

    Scanners count cycles per field of view; ``scale`` = 2 pi / side makes radians per pixel of them.

    Raises:
        ValueError: neither the first nor the last axis has two entries, or values exceed pi after scaling.
    """
    path = Path(path)
    values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path, delimiter=_mark(path))
    if values.shape[0] != 2 and values.shape[-1] == 2:
        values = np.moveaxis(values, -1, 0)
    if values.shape[0] != 2 or values.ndim < 2:
        raise ValueError(f"{path.name}: expected points (2, ...) or (..., 2), got {values.shape}")
    points = scale * torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64)).flatten(1)
    largest = float(points.abs().max())
    if not largest <= math.pi * (1 + 1e-6):
        raise ValueError(f"{path.name}: values up to {largest:.4g} exceed pi radians per pixel; give scale=2 pi / side")
    return points


def _mark(path: Path) -> str | None:
    return "," if "," in path.read_text().split("\n", 1)[0] else None


def _positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: expected an integer >= 1, got {value!r}")
