"""Words and lists where numbers, tensors and functions belong: told by the argument's name."""
# pyright: reportArgumentType=false

import math

import numpy as np
import pytest
import torch

import operators as ops
from operators import FanBeam, Gradient, Identity, Inpainting, KaiserSquires, Radon

OP, X, P = Identity((4, 5)), torch.ones(1, 1, 4, 5), torch.linspace(-1, 1, 12).reshape(2, 6)
TYPES = {
    "x as a list": (lambda: OP.A([1.0]), "x: expected a torch.Tensor"),
    "x as an array": (lambda: Inpainting(torch.ones(4, 5)).A(X.numpy()), "x: expected a torch.Tensor"),
    "y as nothing": (lambda: Radon(4, P[0]).A_adjoint(None), "y: expected a torch.Tensor"),
    "integers": (lambda: OP.A_adjoint_A(X.int()), "x: expected floating point"),
    "gamma": (lambda: OP.prox_l2(X, X, "strong"), "gamma: expected a number"),
    "no gamma": (lambda: OP.prox_l2(X, X, None), "gamma: expected a number"),
    "noise": (lambda: ops.gaussian_noise(X, "loud"), "std: expected a number"),
    "complex noise": (lambda: ops.gaussian_noise(X, 1j), "std: expected a number"),
    "decibels": (lambda: ops.gaussian_noise_snr(X, [10.0, 20.0]), "snr_db"),
    "share of noise": (lambda: ops.gaussian_noise_relative(X, None), "delta"),
    "photons": (lambda: ops.poisson_noise(X, "many"), "photons"),
    "line integrals": (lambda: ops.transmission_noise([1.0], 10.0), "y: expected a torch.Tensor"),
    "seed": (lambda: ops.gaussian_noise(X, 1.0, seed=1.5), "seed"),
    "seed of a mask": (lambda: ops.random_mask((4, 5), 0.5, seed="a"), "seed"),
    "share": (lambda: ops.random_mask((4, 5), "half"), "keep"),
    "acceleration": (lambda: ops.poisson_disc((8, 8), None), "acceleration"),
    "kernel": (lambda: ops.gaussian_kernel("wide"), "std"),
    "source": (lambda: FanBeam(8, P[0], None, 10.0), "source_distance"),
    "complex angles": (lambda: Radon(8, P[0] + 0j), "angles"),
    "pixels": (lambda: KaiserSquires((4, 5), pixel_scale="small"), "pixel_scale"),
    "robust": (lambda: ops.visibility_weights(P, (8, 8), "briggs", robust="CASA"), "robust"),
    "hours": (lambda: ops.uv_coverage("vla-a", hours=3.0), "hours"),
    "shear": (lambda: ops.shear_signs(X), "y: expected complex shear"),
    "adjoint": (lambda: ops.as_operator(lambda v: v, in_shape=(1, 4, 5), adjoint="A.T"), "adjoint"),
    "shape": (lambda: ops.as_operator(lambda v: v, in_shape=8), "in_shape"),
    "kind": (lambda: ops.as_operator(lambda v: v, in_shape=(1, 4, 5), in_dtype="float32"), "in_dtype"),
}  # fmt: skip
VALUES = {
    "sides of a fan": (lambda: FanBeam("8x", P[0], 20.0, 10.0), "image_shape"),
    "sides of half pixels": (lambda: Gradient((4.5, 4)), "image_shape"),
    "robust that is no number": (lambda: ops.visibility_weights(P, (8, 8), "briggs", robust=math.nan), "robust"),
    "data with NaN": (lambda: ops.least_squares(OP, X * math.nan), "y: holds NaN"),
    "tolerance": (lambda: ops.least_squares(OP, X, rtol="tight"), "rtol"),
}


@pytest.mark.parametrize("name", TYPES | VALUES)
def test_wrong_arguments(name):
    call, words = (TYPES | VALUES)[name]
    with pytest.raises(TypeError if name in TYPES else ValueError, match=words):
        call()


def test_numbers_of_any_kind_are_numbers():
    wanted = ops.gaussian_noise_snr(X, 20.0)
    for decibels in (20, np.float32(20), torch.tensor(20.0)):
        assert torch.equal(ops.gaussian_noise_snr(X, decibels), wanted)


def test_seeds_are_whole_numbers_of_any_kind():
    for kind in (np.int64, np.uint8, torch.tensor):
        assert torch.equal(ops.gaussian_noise(X, 1.0, seed=kind(3)), ops.gaussian_noise(X, 1.0, seed=3))
        assert torch.equal(ops.random_mask((4, 5), 0.5, seed=kind(3)), ops.random_mask((4, 5), 0.5, seed=3))
        assert torch.equal(
            ops.poisson_disc((16, 16), 2.0, calibration=4, seed=kind(3)),
            ops.poisson_disc((16, 16), 2.0, calibration=4, seed=3),
        )
