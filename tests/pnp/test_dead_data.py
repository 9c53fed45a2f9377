"""Dead detectors, lost views, data that were not measured: told, and not where nothing is wrong."""

import math
import warnings
from typing import Any

import pytest
import torch

from operators import MRI, Identity, Inpainting, RadioInterferometry, Radon, uv_coverage
from pnp import PnPADMM, Poisson, Stop, Transmission, data
from pnp.metrics import psnr
from pnp.report.exact_values import dead_lines, missing

N = 48


def phantom():
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, N)] * 2, indexing="ij")
    body = ((columns / 0.8) ** 2 + (rows / 0.6) ** 2 < 1) * 0.5
    return (body + (((columns - 0.2) / 0.2) ** 2 + (rows / 0.3) ** 2 < 1) * 0.3)[None, None]


def noisy(y, noise, seed=0):
    return y + noise * torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(seed))


CT = Radon(N, torch.linspace(0, math.pi, 46)[:-1])
LEVEL = 0.01 * float(CT(phantom()).max())


def solved(op, y, noise, **others):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return PnPADMM(op, noise_std=noise, stop=Stop(max_iter=30), **others).solve(y)


def causes(result: Any) -> list[str]:
    return result.health.causes


@pytest.mark.parametrize(
    ("axis", "numbers", "value"), [(-1, [30], 0.0), (-1, [33, 34, 40], 3.0), (-2, [0 + 9], 0.0), (-2, [11, 30], -1.0)]
)
def test_dead_detectors_and_lost_views_are_named_and_masked(axis, numbers, value):
    y = noisy(CT(phantom()), LEVEL)
    keep = torch.ones(y.shape[-2:], dtype=torch.bool)
    for k in numbers:
        y.select(axis, k)[...] = value
        keep.select(axis, k)[...] = False
    with pytest.warns(RuntimeWarning, match="dead detectors or lost views"):
        result = PnPADMM(CT, noise_std=LEVEL, stop=Stop(max_iter=30)).solve(y)
    assert causes(result)[0] == "dead data"
    assert f"number {', '.join(map(str, numbers))} of {y.shape[axis]} along axis {axis}" in str(result)
    masked = Inpainting(keep) @ CT
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mended = PnPADMM(masked, noise_std=LEVEL, stop=Stop(max_iter=30)).solve(keep * y)
    assert causes(mended) == [] and float(psnr(mended.x, phantom())) > 29


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_of_several_samples_in_any_unit(dtype):
    y = noisy(CT.to(dtype)(phantom().to(dtype).expand(2, -1, -1, -1)), LEVEL)
    y[1, ..., 25] = 0
    try:
        for unit in (1e-9, 1e9):
            assert causes(solved(CT, unit * y, unit * LEVEL))[0] == "dead data"
    finally:
        CT.to(torch.float32)


def test_healthy_data_have_none():
    """Air beside an object, a gap between two, masks, counts of a few photons, pictures with black bars."""
    clean = CT(phantom())
    assert dead_lines(clean) == "" and dead_lines(clean.round()) == ""
    gap = torch.zeros(1, 1, 32, 32)
    gap[..., 4:12, 5:20] = gap[..., 20:28, 8:30] = torch.rand(8, 1) + 0.1
    assert dead_lines(gap) == ""
    bars = torch.zeros(1, 1, 32, 32)
    bars[..., 6:26, :] = torch.rand(20, 32)
    assert dead_lines(bars) == ""
    counts = torch.poisson(torch.full((1, 1, 64, 64), 0.05), generator=torch.Generator().manual_seed(0))
    assert dead_lines(counts) == ""
    lines = torch.rand(1, 1, 32, 32)
    lines[..., ::2] = 0  # a pattern, for which there are masks
    assert dead_lines(lines) == ""
    mask = torch.ones(32, 32, dtype=torch.bool)
    mask[:, 7] = False
    some = torch.rand(1, 1, 32, 32) * mask
    assert dead_lines(some) and dead_lines(some, mask[None, None]) == ""
    assert dead_lines(torch.rand(1, 40, dtype=torch.complex64)) == "" and dead_lines(torch.zeros(1, 1, 16, 16)) == ""
    for name in ("camera", "ct", "galaxies"):
        try:
            assert dead_lines(data.sample(name)) == ""
        except ValueError:
            continue


def test_uneven_noise_that_says_what_was_not_measured_is_healthy():
    y = noisy(CT(phantom()), LEVEL)
    std = torch.full(y.shape, LEVEL)
    y[..., 30], std[..., 30] = 0.0, float("inf")
    assert causes(solved(CT, y, std)) == []


@pytest.mark.parametrize("photons", [200.0, 5000.0])
def test_counts(photons):
    g = torch.Generator().manual_seed(0)
    op = Identity((N, N))
    image = 0.2 + phantom()
    y = torch.poisson(photons * image, generator=g) / photons
    assert "dead data" not in causes(solved(Poisson(op, photons), y, None))
    y[..., 20] = 0
    assert "dead data" in causes(solved(Poisson(op, photons), y, None))
    rays = 0.02 * CT(phantom())
    counts = torch.poisson(photons * torch.exp(-rays), generator=g)
    attenuation = 0.02 * CT
    assert "dead data" not in causes(solved(Transmission(attenuation, photons), counts, None))
    counts[..., 40, :] = 0
    assert "dead data" in causes(solved(Transmission(attenuation, photons), counts, None))


def test_zeros_of_complex_data_were_not_measured():
    uv = uv_coverage("vla-a", declination=30.0, hours=(-1.0, 1.0), samples=8)
    op = RadioInterferometry(uv * (math.pi / float(uv.abs().max())), (N, N), unit="rad/pixel")
    clean = op.A(phantom())
    noise = 0.02 * float(clean.abs().square().mean().sqrt())
    y = noisy(clean, noise)
    healthy = solved(op, y, noise)
    assert "mask" not in causes(healthy)
    y[..., ::10] = 0
    flagged = solved(op, y, noise)
    assert "mask" in causes(flagged) and "exactly zero" in str(flagged)
    assert missing(y, None) == pytest.approx(0.1, abs=0.01) and missing(y.real, None) == 0

    whole = MRI(torch.ones(N, N))
    kspace = noisy(whole.A(phantom() + 0j), 0.01)
    assert causes(solved(whole, kspace, 0.01)) == []
    kspace[..., :12] = 0  # partial Fourier, without a mask
    assert "mask" in causes(solved(whole, kspace, 0.01))


def test_lines_of_clean_pictures_are_no_dead_data():
    """Where the data hold no noise, what is constant says nothing."""
    picture = torch.nn.functional.avg_pool2d(torch.rand(1, 1, 4 * N, 4 * N), 4)
    picture[..., 20, :] = 0.7
    result = solved(Identity((N, N)), picture * 0.1 + 0.4, 0.2)
    assert "dead data" not in causes(result)
    spoilt = noisy(picture, 0.05)
    spoilt[..., 20, :] = 0.7
    assert "dead data" in causes(solved(Identity((N, N)), spoilt, 0.05))
