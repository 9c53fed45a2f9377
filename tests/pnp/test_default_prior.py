"""Solvers without a denoiser: the shipped prior for what the operator images, named in the report."""

import pytest
import torch

from denoisers import Bounded, DRUNetDenoiser, LoFiDenoiser, MassDenoiser, default_denoiser
from denoisers.weights import available
from operators import (
    MRI,
    Blur,
    FanBeam,
    Identity,
    Inpainting,
    KaiserSquires,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    Weighted,
    as_operator,
    gaussian_kernel,
    radial_trajectory,
    stack,
)
from pnp import PnPADMM, PnPHQS, Stop

ANGLES = torch.arange(6) * (torch.pi / 6)


def test_operators_say_what_they_image():
    shape = (16, 16)
    radon = Radon(16, ANGLES)
    fields = {
        "natural": [
            Identity(shape),
            Blur(gaussian_kernel(1.0), shape),
            as_operator(torch.nn.Identity(), in_shape=(1, 16, 16)),
        ],
        "ct": [radon, Weighted(torch.ones(radon.out_shape)) @ radon, 2.0 * radon, stack(radon, radon), radon + radon],
        "mri": [MRI(torch.ones(shape)), NonCartesianMRI(radial_trajectory(4, 16), shape)],
        "radio": [RadioInterferometry(torch.rand(2, 9), shape, unit="rad/pixel")],
        "kappa": [KaiserSquires(shape)],
    }
    for field, operators in fields.items():
        for op in operators:
            assert op.field == field, type(op).__name__
    assert (radon @ Blur(gaussian_kernel(1.0), shape)).field == "ct"
    assert FanBeam.field == "ct"


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
def test_the_report_names_the_prior(method):
    op = Inpainting(torch.ones(16, 16))
    result = method(op, noise_std=0.1, stop=Stop(max_iter=2)).solve(torch.rand(1, 1, 16, 16))
    assert result.report["denoiser"].startswith(("DRUNetDenoiser, drunet-natural-gray", "LoFiDenoiser, lofi"))
    own = method(op, lambda x, sigma: x, noise_std=0.1, stop=Stop(max_iter=2)).solve(torch.rand(1, 1, 16, 16))
    assert own.report["denoiser"] == "CallableDenoiser"


@pytest.mark.parametrize(("field", "channels"), [("natural", 1), ("natural", 3), ("ct", 1), ("mri", 1), ("radio", 1)])
def test_the_prior_fits_field_and_channels(field, channels):
    denoiser = default_denoiser(field, channels)
    shipped = {name.rpartition("@")[0] for name in available("drunet")}
    wanted = [name for name in shipped if name.removesuffix("-fast") == field]
    inner = denoiser.denoiser if isinstance(denoiser, Bounded) else denoiser
    if wanted:
        assert isinstance(inner, DRUNetDenoiser) and inner.card["name"].startswith(f"drunet-{field}")
    assert denoiser.channels == channels
    if field == "radio":
        assert isinstance(denoiser, Bounded) and float(denoiser(-torch.ones(1, 1, 8, 8), 0.1).max()) == 0
        denoiser = default_denoiser(field, channels, complex=True)
    assert isinstance(denoiser, DRUNetDenoiser | LoFiDenoiser)
    if field == "radio" and isinstance(denoiser, DRUNetDenoiser):
        assert "natural" in denoiser.card["name"]  # the radio prior knows skies that are not negative


def test_mass_maps_two_channels_and_unknown_fields():
    assert isinstance(default_denoiser("kappa"), MassDenoiser)
    assert default_denoiser("natural", 2).channels == 1  # channel by channel
    with pytest.raises(ValueError, match="field"):
        default_denoiser("sonar")
