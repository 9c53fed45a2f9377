"""Shapes of pixels and bins, and their spectra."""

import torch
from torch import Tensor

__all__ = ["disc", "sinc"]


def sinc(k: Tensor) -> Tensor:
    """Mean of exp(i k t) over a cell of width one."""
    return torch.sinc(k / (2 * torch.pi))


def disc(height: int, width: int) -> Tensor:
    """One in the largest disc of an image, (H, W)."""
    y = torch.arange(height, dtype=torch.float64, device="cpu") - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64, device="cpu") - (width - 1) / 2
    return (y[:, None].square() + x.square() <= (min(height, width) / 2) ** 2).double()
