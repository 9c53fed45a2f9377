"""What reports say of scales and noise."""

import pytest
import torch

from denoisers import LoFiDenoiser
from operators import (
    MRI,
    Blur,
    Identity,
    Inpainting,
    KaiserSquires,
    RadioInterferometry,
    Radon,
    as_operator,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    poisson_disc,
    random_mask,
    uv_coverage,
)
from pnp import PnPADMM, PnPHQS, Stop, data
from pnp.problem import data_gain
from pnp.report.measured import unseen_scales


def scales(op) -> str:
    x = torch.zeros(1, *op.in_shape, dtype=op.in_dtype)
    return unseen_scales(op, data_gain(op, x), x)


def ring(inner: float, outer: float) -> RadioInterferometry:
    """Samples of an annulus of the uv plane, radii in radians per pixel."""
    g = torch.Generator().manual_seed(0)
    radius = inner + (outer - inner) * torch.rand(4000, generator=g, dtype=torch.float64)
    angle = 2 * torch.pi * torch.rand(4000, generator=g, dtype=torch.float64)
    return RadioInterferometry(torch.stack((radius * angle.cos(), radius * angle.sin())), (64, 64), unit="rad/pixel")


@pytest.mark.parametrize(
    ("inner", "outer", "told"),
    [
        (0.0, 3.1, ""),
        (2 * torch.pi / 8, 3.1, "wider than 16 pixels"),  # waves of 8 pixels are there, those of 8 to 16 in part
        (2 * torch.pi / 4, 3.1, "wider than 8 pixels"),
        (0.0, 2 * torch.pi / 16, "finer than 8 pixels"),
    ],
)
def test_scales_without_data_are_named(inner, outer, told):
    assert told in scales(ring(inner, outer)) if told else not scales(ring(inner, outer))


@pytest.mark.parametrize(("shortest", "told"), [(0.03, ""), (0.05, "wider than 45"), (0.07, "wider than 32")])
def test_missing_short_baselines_are_named_before_whole_octaves_are(shortest, told):
    uv = uv_coverage("meerkat", samples=4)
    length = uv.norm(dim=0)
    cell = 0.9 * 206265 / (2 * float(length.max()))
    op = RadioInterferometry(uv[:, length > shortest * length.max()], (96, 96), cell=cell)
    assert told in scales(op) if told else not scales(op)


def test_scales_of_healthy_operators():
    for op in (Identity((64, 64)), Inpainting(random_mask((64, 64), 0.2, seed=0)), KaiserSquires((64, 64))):
        assert not scales(op)
    assert not scales(MRI(poisson_disc((64, 64), 4.0, seed=0)))
    assert not scales(Identity((6, 6)))  # too small to tell
    signals = as_operator(lambda v: v.cumsum(-1), in_shape=(64,))
    assert not unseen_scales(signals, torch.ones(2), torch.zeros(2, 64))  # no images
    assert "finer than 4 pixels" in scales(Blur(gaussian_kernel(2.0), (64, 64)))


def test_noise_in_the_answer_of_low_strengths():
    x = data.sample("camera")[..., 100:164, 180:244]
    op = Blur(motion_kernel(15, 30.0), (64, 64))
    y = gaussian_noise(op(x), 0.01)
    with pytest.warns(RuntimeWarning, match=r"raise strength, which is 0\.1"):
        told = PnPHQS(op, LoFiDenoiser(), noise_std=0.01, strength=0.1).solve(y).report
    assert told["answer misfit"].item() < 0.4 * 0.01
    tomography = Radon(64, torch.arange(30) * (torch.pi / 30))
    with pytest.warns(RuntimeWarning, match=r"takes 0\.\d+ of it away still; raise strength, which is 0\.1"):
        PnPADMM(tomography, LoFiDenoiser(), noise_std=0.4, strength=0.1).solve(gaussian_noise(tomography(x), 0.4))
    kept = Inpainting(random_mask((64, 64), 0.3, seed=0))  # healthy answers fit what is kept of the image
    PnPADMM(kept, LoFiDenoiser(), noise_std=0.02, strength=0.3).solve(gaussian_noise(kept(x), 0.02))
    healthy = PnPADMM(op, LoFiDenoiser(), noise_std=0.01, strength=0.5, stop=Stop(max_iter=20)).solve(y).report
    assert "noise in the answer" not in healthy and healthy["answer misfit"].item() > 0.4 * 0.01
