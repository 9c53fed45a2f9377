"""Gradients of the losses against finite differences, for a network that is not linear."""

import pytest
import torch

from operators import MRI, Identity, Inpainting, RadioInterferometry, Radon, gaussian_noise, poisson_noise
from pnp.likelihood import Gaussian, Poisson
from pnp.train.losses import (
    SURE,
    UNSURE,
    Augmented,
    BlindSpot,
    Equivariant,
    EquivariantSplitting,
    Noise2Noise,
    Noisier2Inverse,
    Recorrupted,
    Splitting,
    Together,
    UnknownNoise,
    smeared_noise,
)
from pnp.train.losses.moves import Move, Moved
from tests.contracts import adjoint_law, batch_law, normal_law, prox_law

from .linear import image

LEVEL = UnknownNoise(torch.nn.Identity(), 0.2)
IDENTITY = Identity((8, 8))
MASKED = Inpainting(torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) < 0.7)
TOMOGRAPHY = Radon(8, torch.arange(8) * 0.4)
FOURIER = MRI(torch.rand(8, 8, generator=torch.Generator().manual_seed(0)) < 0.7)
SKY = RadioInterferometry(torch.rand(2, 40, generator=torch.Generator().manual_seed(0)) * 3, (8, 8), unit="rad/pixel")
CASES = {
    "sure": (SURE(), IDENTITY),
    "sure, masked": (SURE(), MASKED),
    "sure, mri": (SURE(), FOURIER),
    "sure, counts": (SURE(), Poisson(IDENTITY, 20.0)),
    "unsure": (UNSURE(LEVEL), IDENTITY),
    "recorrupted": (Recorrupted(), MASKED),
    "noisier2inverse": (Noisier2Inverse(smeared_noise(0.2)), TOMOGRAPHY),
    "angles": (Splitting(), TOMOGRAPHY),
    "angles, images": (Splitting(domain="image"), TOMOGRAPHY),
    "sure, filtered": (SURE(domain="filtered"), TOMOGRAPHY),
    "augmented": (Augmented(Recorrupted(mirrored=True, domain="filtered")), TOMOGRAPHY),
    "k-space": (Splitting(), FOURIER),
    "visibilities": (Splitting(), SKY),
    "equivariant": (Together((1.0, SURE()), (0.5, Equivariant(["shifts"]))), MASKED),
    "equivariant splitting": (EquivariantSplitting(["quarters", "flips"]), MASKED),
    "blind spot": (BlindSpot(), IDENTITY),
    "noise2noise": (Noise2Noise(), MASKED),
}


def setup(name: str):
    loss, op = CASES[name]
    likelihood = op if isinstance(op, Poisson) else Gaussian(op, 0.2)
    inner = likelihood.op
    clean = inner.A(image(torch.complex128 if inner.in_dtype.is_complex else torch.float64))
    y = poisson_noise(clean, 20.0) if isinstance(op, Poisson) else gaussian_noise(clean, 0.2, seed=1)
    y = y if inner.measured is None else torch.where(inner.measured, y, clean)
    other = (gaussian_noise(clean, 0.2, seed=2), likelihood) if isinstance(loss, Noise2Noise) else None

    def value(weights: torch.Tensor) -> torch.Tensor:
        def f(data, its):
            its_op = its.measured if isinstance(its, Gaussian) else its.op
            x = its_op.fbp(data) if hasattr(its_op, "fbp") and its_op.field == "ct" else its_op.A_adjoint(data) / 4
            parts = torch.cat((x.real, x.imag), 1) if x.is_complex() else x
            count = parts.shape[1]
            out = torch.tanh(torch.conv2d(parts, weights[:count, :count], padding=1)) + 0.1 * parts
            return torch.complex(*out.chunk(2, 1)) if x.is_complex() else out

        return loss(f, y, likelihood, [11], other).sum()

    weights = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return value, weights.requires_grad_()


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name):
    value, weights = setup(name)
    assert torch.autograd.gradcheck(value, (weights,), eps=1e-5, atol=1e-5, rtol=1e-4, fast_mode=True)
    (slope,) = torch.autograd.grad(value(weights), weights)
    assert slope.abs().max() > 1e-4


def test_the_unknown_level_rises_where_the_divergence_is_positive():
    """Its slope is that of -2 eta / M div h, so that an optimiser that descends lets it rise."""
    y, like = gaussian_noise(image(), 0.2), Gaussian(IDENTITY)
    value = UNSURE(LEVEL)(lambda z, _: 0.5 * z, y, like, [0]).sum()
    (slope,) = torch.autograd.grad(value, LEVEL.log_level)
    assert slope.item() == pytest.approx(-2 * 2 * 0.5, rel=1e-5)  # d/d log level: two from the square


@pytest.mark.parametrize("op", [TOMOGRAPHY, MASKED, FOURIER], ids=["ct", "masked", "mri"])
def test_operators_of_moved_images_obey_the_laws(op):
    moved = Moved(op, Move(shift=(2, 3), flip=True, quarters=1, angle=0.3))
    for law in (adjoint_law, normal_law, prox_law, batch_law):
        law(moved)
    if op.field == "ct":
        y = op.A(image())
        assert torch.equal(moved.move(moved.fbp(y)), moved.move(moved.move.back(op.fbp(y))))
