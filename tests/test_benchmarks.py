"""What the benchmarks' command lines accept, and what they print that others copy."""

import re
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

import denoisers.weights
import pnp.train.evaluation
from benchmarks import radio_points, self_supervised
from benchmarks.card import cards
from benchmarks.common import shipped
from benchmarks.denoising import knows, make
from benchmarks.self_supervised_radio import with_flux
from benchmarks.superres import scores
from benchmarks.uncertainty import HEAD, SHEAR, row, run
from denoisers import XSRCNN, SRResNet
from pnp import RadioInterferometry, Stop, data
from pnp.corrections.radio import remove_gains
from pnp.io.visibilities import measured_visibilities
from pnp.superres import luma, superres_inputs, superres_psnr


@pytest.mark.parametrize("colour", [False, True])
def test_every_method_of_the_table_is_there(colour):
    x = torch.rand(1, 3 if colour else 1, 20, 24)
    for name in ("lofi", "xdncnn", "mixer", "tv", "tv-oracle"):
        denoiser, method = make(name, colour)
        assert method(x, 30 / 255, x).shape == x.shape and knows(denoiser, 30 / 255)
    assert knows(make("mixer", colour)[0], 25 / 255) != colour  # the colour Mixer is for one level


@pytest.mark.parametrize("name", ["lofy", "tv:natural-gray", "lofi:natural-blue", "mixer:natural-rgb-30-small"])
def test_unknown_methods_end_with_a_message(name):
    with pytest.raises(SystemExit, match=name):
        make(name, False)


def test_headings_of_the_cards_are_calls():
    headings = [line.removeprefix("## ") for line in cards().splitlines() if line.startswith("## ")]
    assert len(headings) == len({*headings})
    names = {"pnp": pnp, "denoisers": denoisers, **vars(denoisers)}
    kinds = {heading.partition('"')[0]: heading for heading in headings}
    assert len(kinds) == 7
    for heading in kinds.values():
        eval(heading, names)


def test_superres_scores_follow_the_protocol():
    x = data.sample("astronaut")[..., 60:161, 180:280]
    truth, small, large = superres_inputs(x, 4)
    net, wide = XSRCNN().eval(), SRResNet(depth=1).eval()
    with torch.no_grad():
        assert scores([x], 4) == [float(superres_psnr(large, truth, 4))]
        assert scores([x], 4, net) == [float(superres_psnr(net(luma(large)), luma(truth), 4))]
        assert scores([x], 4, wide) == [float(superres_psnr(wide(small), truth, 4))]
        with pytest.raises(ValueError, match="scale"):
            scores([x], 3, wide)


@pytest.mark.parametrize("name", ["ct", "mri", "radio", "reconstruction", "robustness"])
def test_default_priors_are_shipped(name):
    """Each benchmark runs as its docstring says, without options beside the data."""
    text = (Path(__file__).parent.parent / "benchmarks" / f"{name}.py").read_text()
    (defaults,) = re.findall(r'"--priors", nargs="\+", default=\[(.*?)\]', text)
    for prior in re.findall(r'"(.*?)"', defaults):
        assert shipped(prior).channels == 1


@pytest.mark.parametrize("name", ["downsampling 2, noise 0.01", SHEAR])
def test_coverage_is_that_of_images_left_out(name):
    images = [torch.rand(1, 1, 12, 12) for _ in range(10)]
    smooth = denoisers.as_denoiser(lambda x, sigma: 0.5 * (x + x.mean((-2, -1), keepdim=True)))
    figures = run(name, images, smooth, Namespace(method="bootstrap", draws=3, folds=10))
    assert len(row(name, figures)) == len(HEAD)
    for kind in ("additive", "multiplicative", "constant"):  # nine images: the largest of their errors
        assert 90 < figures[kind] <= 100 and figures[f"{kind}, least"] <= figures[kind]
    assert figures["constant, width"] == pytest.approx(100) and 0 <= figures["as they come"] <= 100


def test_unknown_fields_end_with_a_message(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["self_supervised", "--fields", "CT"])
    with pytest.raises(SystemExit):
        self_supervised.main()
    assert "invalid choice: 'CT'" in capsys.readouterr().err


def test_the_total_flux_has_no_gain():
    uvw, numbers = np.arange(9.0).reshape(3, 3) + 1, np.array([2**16 + 2, 2**16 + 3, 2 * 2**16 + 3])
    m = measured_visibilities(uvw, np.ones(3), np.full(3, 4.0), cell=1e3, baseline=numbers, scan=np.full(3, 5))
    found = with_flux(m)
    assert found.operator()(torch.ones(1, 1, 256, 256))[0, 0, -1].real.item() == pytest.approx(256**2, rel=1e-5)
    found = remove_gains(found, torch.full((1, 4), 2.0))  # of antennas 0 to 3
    assert torch.allclose(found.y.real.flatten(), torch.tensor([0.25, 0.25, 0.25, 0.6]))
    assert torch.allclose(torch.as_tensor(found.noise_std).flatten(), torch.tensor([0.125, 0.125, 0.125, 0.01]))


def test_points_over_a_sky_are_judged_by_their_fluxes_and_by_the_rest(monkeypatch):
    monkeypatch.setattr(radio_points, "STRENGTHS", (0.1,))
    monkeypatch.setattr(radio_points, "TV_STEPS", (5, 10))
    monkeypatch.setattr(radio_points.PnPADMM, "usual", Stop(max_iter=4))
    axis, uv = torch.arange(32) - 16.0, 3 * torch.randn(2, 300, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    emission = torch.exp(-(axis[:, None] ** 2 + axis**2) / 40)[None, None]
    found = radio_points.run(uv, emission, 100.0, 30.0, 0.5)
    assert len(found.images) == 4 and all(v.shape == emission.shape for v in found.images.values())
    at = found.sources.position.long()
    sky = found.diffuse.clone()
    sky[0, 0, at[:, 0], at[:, 1]] += 0.9 * found.sources.flux
    whole = found.sources._replace(position=at.double())
    quality, fluxes, empty, _ = radio_points.judged(sky, found.diffuse, whole)
    assert quality == float("inf") and fluxes == pytest.approx([-10.0] * 4, abs=1e-3) and empty == 0
    op = RadioInterferometry(uv, (32, 32), unit="rad/pixel")
    assert torch.allclose(radio_points.direct(op, whole).to(torch.complex64), op(sky - found.diffuse) / 0.9, atol=1e-4)
    signs = (-1.0) ** torch.arange(8)
    flat, noise = torch.ones(8, 8), torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    for pattern in (signs[:, None] * signs, signs[:, None] * flat, signs * flat):  # boards, and stripes of either kind
        assert radio_points.checkerboard(pattern[None, None]) > 5
    assert radio_points.checkerboard(flat[None, None]) == 0
    assert radio_points.checkerboard(noise) == pytest.approx(1, abs=0.2)
