"""Operators."""

import torch

from operators import Radon

from .fault import fault


@fault("B6", "angles as a reversed view of an array", before="expected a tensor or a list of numbers, got array",
       right="the sinogram of those angles")  # fmt: skip
def _reversed_angles() -> tuple[str, bool]:
    angles = torch.linspace(0, 170, 18)
    x = torch.rand(1, 1, 32, 32)
    y = Radon(32, angles.numpy()[::-1]).A(x)
    error = float((y - Radon(32, angles).A(x).flip(-2)).abs().max() / y.abs().max())
    return f"error {error:.0e}", error < 1e-5
