"""Data of a wrong size never pass for right ones, also where the methods are called past the checked call."""

import math

import pytest
import torch

from operators import Blur, FanBeam, Radon, gaussian_kernel

ANGLES = torch.linspace(0, math.pi, 7)[:-1]
OPERATORS = {
    "blur": Blur(gaussian_kernel(1.0), (8, 9)),
    "blur-zero": Blur(gaussian_kernel(1.0), (8, 9), boundary="zero"),
    "fan": FanBeam(9, 2 * ANGLES, 30.0, 20.0),
    "radon": Radon((8, 9), ANGLES),
    "radon-short": Radon((8, 9), ANGLES, 5),
}


def test_degrees_are_suspected():
    with pytest.warns(UserWarning, match="deg2rad"):
        Radon(8, torch.arange(0.0, 180.0, 30.0))


@pytest.mark.parametrize("change", [(0, -1), (0, 1), (-1, 0), (1, 0)])
@pytest.mark.parametrize("name", OPERATORS)
def test_wrong_sizes_raise(name, change):
    op = OPERATORS[name]
    for method, shape in ((op.A, op.in_shape), (op.A_adjoint, op.out_shape)):
        wrong = torch.zeros(1, *shape[:-2], shape[-2] + change[0], shape[-1] + change[1])
        with pytest.raises((ValueError, RuntimeError)):
            method(wrong)
