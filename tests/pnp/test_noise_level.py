"""Estimated noise levels: near the truth for every kind of data, and not below it."""

import math

import numpy as np
import pytest
import torch

from operators import (
    MRI,
    Blur,
    Identity,
    Inpainting,
    KaiserSquires,
    LinearOperator,
    MatrixOperator,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    Weighted,
    gaussian_kernel,
    gaussian_noise,
    poisson_disc,
    radial_trajectory,
    random_columns,
    random_mask,
    transmission_noise,
    uv_coverage,
)
from pnp import LoFiDenoiser, PnPADMM, Stop, data, estimate_noise, noise_doubt
from pnp.noise_level.doubt import DOUBTFUL
from pnp.noise_level.rings import share_of_noise


def photo() -> torch.Tensor:
    return data.sample("camera")[..., 100:228, 180:308]


CASES = {  # operator, noise, and by how much the estimate may be too high
    "blur": (lambda: Blur(gaussian_kernel(1.6), (128, 128)), 0.005, 1.05),
    "identity": (lambda: Identity((128, 128)), 0.03, 1.12),
    "half of the pixels": (lambda: Inpainting(random_mask((128, 128), 0.5, seed=0)), 0.05, 1.1),
    "sinogram": (lambda: Radon(128, torch.arange(90) * (math.pi / 90)), 0.5, 1.2),
    "k-space": (lambda: MRI(poisson_disc((128, 128), 4.0, seed=0)), 0.02, 1.5),
    "noisy k-space": (lambda: MRI(poisson_disc((128, 128), 4.0, seed=0)), 0.1, 1.1),
    "shear": (lambda: KaiserSquires((128, 128)), 0.05, 1.1),
}


@pytest.mark.parametrize("name", CASES)
def test_estimates_are_near_the_truth(name):
    make, std, most = CASES[name]
    op = make()
    x = photo().to(torch.complex64) if op.in_dtype.is_complex else photo()
    x = torch.cat((x, 2 * x.flip(-1)))
    y = gaussian_noise(op(x), std)
    y = y * op.mask if hasattr(op, "mask") and op.mask is not None else y
    found, how = estimate_noise(op, y)
    assert found.shape == (2,) and isinstance(how, str)
    assert 0.95 * std < found[0] < most * std and found[1] > 0.95 * std
    assert torch.allclose(estimate_noise(op, 1e6 * y)[0], 1e6 * found, rtol=1e-4)
    assert torch.allclose(estimate_noise(op, y[1:])[0], found[1:], rtol=1e-5)


def test_pure_noise_and_sparse_masks():
    y = torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(estimate_noise(Identity((64, 64)), y)[0], torch.ones(3), atol=0.06)
    sparse = Inpainting(random_mask((64, 64), 0.05, seed=0))  # no four neighbours
    assert bool((estimate_noise(sparse, sparse(y))[0] > 0).all())


@pytest.mark.parametrize("mean", [0.3, 1.0, 10.0, 300.0])
def test_counts(mean):
    y = torch.poisson(torch.full((1, 1, 96, 96), mean), generator=torch.Generator().manual_seed(3))
    found, how = estimate_noise(Identity((96, 96)), y)
    assert 0.8 * mean**0.5 < found.item() < 1.3 * mean**0.5
    assert ("pnp.Poisson" in how) == (mean < 50)  # hundreds of levels are as good as all


@pytest.mark.parametrize("std", [0.0, 0.5, 8.0])
def test_bytes_have_at_least_the_noise_of_rounding(std):
    y = (gaussian_noise(255 * photo(), std)).round().clamp(0, 255) / 255
    found, _ = estimate_noise(Identity((128, 128)), y)
    assert found.item() >= 1 / 255 / 12**0.5
    assert found.item() < 1.3 * max((std**2 + 1 / 12) ** 0.5, 2.5) / 255


@pytest.mark.parametrize("side", [4, 6, 10, 16])
def test_tiny_images_have_noise_too(side):
    y = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    assert 0.3 < estimate_noise(Identity((side, side)), y)[0].item() < 1.7


def test_padding_and_noise_where_nothing_is_measured():
    inner = gaussian_noise(photo(), 0.05)
    for value in (-1.0, 0.0, 7.5):
        y = torch.full((1, 1, 200, 200), value)
        y[..., 36:164, 36:164] = inner
        assert 0.9 * 0.05 < estimate_noise(Identity((200, 200)), y)[0].item() < 1.2 * 0.05
    op = Inpainting(random_mask((128, 128), 0.3, seed=0))
    y = op(photo())
    filled = torch.where(op.measured, gaussian_noise(y, 0.05), 3 * torch.randn(y.shape))
    assert 0.9 * 0.05 < estimate_noise(op, filled)[0].item() < 1.25 * 0.05
    both = torch.cat((filled, gaussian_noise(y, 0.2)))
    assert torch.allclose(estimate_noise(op, both)[0][:1], estimate_noise(op, filled)[0], rtol=1e-5)


def framed(**how) -> torch.Tensor:
    """A noisy photograph within a border of 36 pixels, as numpy pads it."""
    inner = gaussian_noise(photo(), 0.05)[0, 0].numpy()
    return torch.from_numpy(np.pad(inner, 36, **how))[None, None]


@pytest.mark.parametrize("mode", ["edge", "linear_ramp", "constant, interpolated"])
def test_borders_that_follow_the_image_have_no_noise(mode):
    y = framed(mode=mode.split(",")[0])
    if "interpolated" in mode:  # which leaves rounding
        outside = framed(mode="constant", constant_values=-1.0) == -1
        y = torch.where(outside, -1 + 1e-7 * torch.randn(y.shape, generator=torch.Generator().manual_seed(1)), y)
    for unit in (1.0, 1e-9):
        found = estimate_noise(Identity((200, 200)), unit * torch.cat((y, 1 - y)))[0] / unit
        assert bool((found > 0.9 * 0.05).all()) and bool((found < 1.2 * 0.05).all()), found


@pytest.mark.parametrize(("gain", "low", "high"), [(1.6, -9.0, 1.0), (1.3, 0.0, 0.8), (1.0, 0.1, 9.0)])
def test_clipped_values_and_their_neighbours_do_not_count(gain, low, high):
    y = gaussian_noise(gain * photo() - 0.25, 0.05).clamp(low, high)
    assert 0.8 * 0.05 < estimate_noise(Identity((128, 128)), y)[0].item() < 1.25 * 0.05


def test_masks_of_weights_that_vary_from_pixel_to_pixel():
    weights = torch.rand(128, 128, generator=torch.Generator().manual_seed(2)) + 0.5
    op = Inpainting(weights)
    assert 0.8 * 0.05 < estimate_noise(op, gaussian_noise(op(photo()), 0.05))[0].item() < 1.3 * 0.05
    assert 0.8 * 0.05 < estimate_noise(3 * op, gaussian_noise(3 * op(photo()), 0.05))[0].item() < 1.3 * 0.05


@pytest.mark.parametrize("kind", [torch.float32, torch.complex64])
def test_data_of_a_matrix(kind):
    g = torch.Generator().manual_seed(1)
    op = MatrixOperator(torch.randn(300, 100, generator=g, dtype=kind), in_shape=(1, 10, 10), in_dtype=torch.float32)
    y = gaussian_noise(op(torch.rand(2, 1, 10, 10, generator=g)), torch.tensor([0.1, 2.0]))
    found = estimate_noise(op, y)[0] / torch.tensor([0.1, 2.0])
    assert bool(((found > 0.8) & (found < 1.25)).all()), found


def ring() -> torch.Tensor:
    """A sky with a faint ring and a point a hundred times as bright."""
    r = torch.hypot(*torch.meshgrid(*[torch.arange(96.0) - 48] * 2, indexing="ij"))
    x = torch.exp(-(((r - 20) / 4) ** 2))[None, None]
    x[..., 20, 70] = 100.0
    return x


@pytest.mark.parametrize("snr", [10.0, 25.0, 40.0])
@pytest.mark.parametrize("array", ["meerkat", "vla-a"])
def test_visibilities_of_point_sources(array, snr):
    uv = uv_coverage(array, hours=(-1.0, 1.0), samples=20)
    op = RadioInterferometry(uv * (3.1 / uv.abs().max()), (96, 96), unit="rad/pixel")
    clean = torch.cat((op(ring()), op(ring().flip(-1).clamp(max=1))))
    std = 10 ** (-snr / 20) * clean.abs().square().mean((1, 2)).sqrt() / 2**0.5
    found, how = estimate_noise(op, gaussian_noise(clean, std, seed=0))
    assert bool((0.9 * std < found).all()) and bool((found < 1.2 * std).all()), found / std
    assert how == "what no image explains"


def disc(photons: float, seed: int) -> tuple[Radon, torch.Tensor]:
    """Projections of a disc, whose chords are known, that lets 3 % of the photons through its middle."""
    op = Radon(96, torch.arange(60) * (math.pi / 60))
    t = torch.arange(op.out_shape[-1]) - (op.out_shape[-1] - 1) / 2
    chords = 2 * (40.0**2 - t**2).clamp_min(0).sqrt() * (3.5 / 80)
    return op, transmission_noise(chords.expand(1, *op.out_shape), photons, seed=seed)


@pytest.mark.parametrize("photons", [3e2, 1e3, 1e4, 1e5])
def test_weights_that_carry_noise(photons):
    op, y = disc(photons, 0)
    root = photons**0.5 * (-y / 2).exp()  # of the counts
    white = Weighted(root[0]) @ op
    assert estimate_noise(white, root * y)[0].item() == pytest.approx(1, rel=0.08)
    assert estimate_noise(3 * white, 3 * root * y)[0].item() == pytest.approx(3, rel=0.08)
    kept = root * (torch.rand(root.shape, generator=torch.Generator().manual_seed(1)) > 0.1)
    assert estimate_noise(Weighted(kept) @ op, kept * y)[0].item() == pytest.approx(1, rel=0.15)
    both, other = torch.cat((root, 2 * root)), torch.cat((y, disc(photons, 5)[1]))
    assert estimate_noise(Weighted(both) @ op, both * other)[0].tolist() == pytest.approx([1, 2], rel=0.08)


def test_weights_that_carry_none():
    g = torch.Generator().manual_seed(0)
    uneven = 0.5 * 4 ** torch.rand(1, 128, 128, generator=g)
    y = gaussian_noise(uneven * photo(), 0.1, seed=1)
    assert estimate_noise(Weighted(uneven) @ Identity((128, 128)), y)[0].item() == pytest.approx(0.1, rel=0.2)


def test_counts_whose_noise_is_given_are_not_told_that_it_is_too_large():
    op, y = disc(1e3, 0)
    std = (y / 2).exp() / 1e3**0.5
    result = PnPADMM(op, lambda x, sigma: x, noise_std=std, stop=Stop(max_iter=2)).solve(y)
    health = result.health
    assert health is not None and next(f for f in health.findings if f.topic == "noise").level == "fine"
    assert health.measured.estimate == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("coils", [2, 4])
@pytest.mark.parametrize("side", [64, 100])
def test_coils_and_radial_lines(coils, side):
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    maps = torch.stack([torch.exp(1j * k - (rows - (-1) ** k) ** 2 - (columns - k // 2) ** 2) for k in range(coils)])
    x = data.sample("camera")[..., 100 : 100 + side, 180 : 180 + side].to(torch.complex64)
    radial = NonCartesianMRI(radial_trajectory(side // 2, 2 * side), (side, side), maps)
    for op in (MRI(poisson_disc((side, side), 2.0, seed=1), maps), radial):
        clean = op(x)
        std = 0.003 * float(clean.abs().square().mean().sqrt())
        y = gaussian_noise(clean, std, seed=0)
        y = y if op.measured is None else y * op.measured
        assert 0.9 * std < estimate_noise(op, y)[0].item() < 1.3 * std


@pytest.mark.parametrize("longest", [0.2, 0.5])
def test_noise_of_an_array_that_sees_no_detail(longest):
    points = longest * (2 * torch.rand(2, 400, generator=torch.Generator().manual_seed(2), dtype=torch.float64) - 1)
    op = RadioInterferometry(points, (96, 96), unit="rad/pixel")  # patches of its images hold a few waves, and rounding
    clean = op(ring())
    std = 0.01 * float(clean.abs().square().mean().sqrt())
    assert 0.8 * std < estimate_noise(op, gaussian_noise(clean, std, seed=0))[0].item() < 1.3 * std


@pytest.mark.parametrize("decay", [3.0, 4.5])
@pytest.mark.parametrize("size", [0.0, 0.4])
def test_rings_of_power_that_falls_to_the_noise(decay, size):
    axis = torch.arange(160) - 80.0
    falls = size * torch.hypot(axis[:, None], axis).clamp_min(1).div(80) ** (-decay / 2)
    g = torch.Generator().manual_seed(3)
    noise, image = (torch.randn(2, 1, 160, 160, dtype=torch.complex64, generator=g) * 2**0.5 for _ in range(2))
    taken = torch.rand(1, 1, 160, 160, generator=g) > 0.3
    y = taken * (noise + falls * image)
    found = share_of_noise(y, taken, torch.tensor([1.0, 2.0]))
    assert found.tolist() == pytest.approx([1, 0.5], rel=0.12)
    assert torch.equal(share_of_noise(y[1:], taken, torch.tensor([2.0])), found[1:])
    assert torch.allclose(share_of_noise(1e-8 * y, taken, 1e-8 * torch.tensor([1.0, 2.0])), found, rtol=1e-4)
    assert share_of_noise(y[..., 70:90, 70:90], taken[..., 70:90, 70:90], torch.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize("name", ["full", "columns", "Poisson disc"])
def test_little_noise_in_one_coil(name):
    x = data.sample("camera")[..., 100:356, 100:356].to(torch.complex64)
    side = 256
    masks = {"full": torch.ones(side, side), "columns": random_columns((side, side), 4.0)}
    op = MRI(masks.get(name, poisson_disc((side, side), 4.0, seed=0)))
    for std in (0.01, 0.03):
        found, _ = estimate_noise(op, op.mask * gaussian_noise(op(x), std, seed=1))
        assert 0.8 * std < found.item() < 1.3 * std, found / std


def test_doubt_tells_where_an_estimate_may_be_off():
    g = torch.Generator().manual_seed(0)
    grass = data.sample("camera")[..., 380:508, 100:228]
    busy = data.sample("camera")[..., 288:416, 192:320]  # 1.8 times the truth where a tenth of the pixels is known
    dense, sparse = (Inpainting(random_mask((128, 128), keep, seed=1)) for keep in (0.6, 0.1))
    assert 1 < noise_doubt(dense, dense(gaussian_noise(photo(), 0.1, seed=2))).item() < DOUBTFUL
    y = sparse(gaussian_noise(torch.cat((busy, busy.flip(-1))), 0.02, seed=2))
    unsure = noise_doubt(sparse, y)
    assert bool((unsure > DOUBTFUL).all()) and torch.allclose(noise_doubt(sparse, 1e6 * y[1:]), unsure[1:], rtol=1e-3)
    assert "may be off by a factor of" in estimate_noise(sparse, y)[1]
    assert noise_doubt(Identity((64, 64)), torch.randn(2, 1, 64, 64, generator=g)).tolist() == pytest.approx([1.2] * 2)
    coil, noise = MRI(poisson_disc((128, 128), 4.0, seed=0)), torch.zeros(1, 1, 128, 128, dtype=torch.complex64)
    for x, told in ((noise, False), (grass.to(torch.complex64), True)):
        assert (noise_doubt(coil, coil.mask * gaussian_noise(coil(x), 0.002, seed=0)).item() > DOUBTFUL) == told


def test_reports_say_that_an_estimate_is_unsure():
    masked = Inpainting(random_mask((128, 128), 0.1, seed=1))
    y = masked(gaussian_noise(data.sample("camera")[..., 288:416, 192:320], 0.02, seed=2))
    for given, level in ((None, "look"), (0.02, "fine")):
        health = PnPADMM(masked, lambda x, sigma: x, noise_std=given, stop=Stop(max_iter=2)).solve(y).health
        assert health is not None
        told = next(f for f in health.findings if f.topic == "noise")
        assert told.level == level and ("give noise_std" in told.remedy) == (given is None)


def test_no_seed_of_a_mask_meets_the_seed_of_the_noise():
    mask = torch.rand(96, 96, generator=torch.Generator().manual_seed(0)) > 0.5
    op = KaiserSquires((96, 96), mask=mask)
    y = mask * gaussian_noise(torch.zeros(1, 1, 96, 96, dtype=torch.complex64), 0.3, seed=5)
    assert estimate_noise(op, y)[0].item() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("keep", [0.6, 1.0])
def test_texture_is_told_from_noise(keep):
    x = data.sample("camera")[..., 380:508, 100:228]  # grass
    op = Identity((128, 128)) if keep == 1 else Inpainting(random_mask((128, 128), keep, seed=1))
    y = op(gaussian_noise(torch.cat((x, x.flip(-2))), 0.02, seed=2))
    found, how = estimate_noise(op, y)
    assert how == (
        "what a denoiser leaves of the data" if keep == 1 else "smooth blocks of the data, less the usual texture"
    )
    assert bool((found > 0.8 * 0.02).all()) and bool((found < 1.3 * 0.02).all()), found / 0.02
    for c in (1e-8, 1e8):
        assert torch.allclose(estimate_noise(op, c * y)[0], c * found, rtol=1e-3)
    assert torch.allclose(estimate_noise(op, y[1:])[0], found[1:], rtol=1e-5)
    op.field = "ct"  # without what knows photographs
    assert bool((estimate_noise(op, y)[0] > found).all())


def test_level_of_a_gaussian_prior(monkeypatch):
    from pnp.noise_level import denoised

    texture, g = 0.8, torch.Generator().manual_seed(4)  # white texture: D is linear, and c is one at the truth alone
    monkeypatch.setattr(denoised, "_denoiser", lambda device: lambda y, s: y * texture**2 / (texture**2 + s**2))
    y = (texture**2 + 0.6**2) ** 0.5 * torch.randn(1, 1, 96, 96, generator=g)
    there = torch.ones_like(y, dtype=torch.bool)
    found = denoised.consistent_level(y, there, torch.ones(1))
    assert found.item() == pytest.approx(0.6, rel=0.05)


@pytest.mark.parametrize("std", [0.01, 0.1])
def test_what_is_no_photograph_is_not_taken_for_less_noise(std):
    t = torch.linspace(0, 1, 96)
    rows, columns = t[:, None], t[None]
    waves = 0.5 + 0.25 * torch.sin(40 * rows * columns) + 0.25 * torch.cos(20 * rows)
    cartoon = ((rows * 7).floor() % 2 + ((rows - 0.5) ** 2 + (columns - 0.5) ** 2 < 0.1)) / 2
    board = ((rows * 10).floor() + (columns * 10).floor()) % 2
    rays = 0.5 + 0.5 * torch.sin(12 * torch.atan2(rows - 0.5, columns - 0.5))
    for x in (ring()[0, 0] / 100, waves, cartoon, board, rays, rows + 0 * columns):
        y = gaussian_noise(x[None, None], std, seed=6)
        assert 0.85 * std < estimate_noise(Identity((96, 96)), y)[0].item() < 1.25 * std
        masked = Inpainting(random_mask((96, 96), 0.6, seed=3))
        assert 0.8 * std < estimate_noise(masked, masked(y))[0].item() < 1.3 * std


def test_misfit_counts_what_was_measured():
    op = MRI(poisson_disc((64, 64), 4.0, seed=0))
    y = op.mask * gaussian_noise(op(photo()[..., :64, :64].to(torch.complex64)), 0.05)
    report = PnPADMM(op, LoFiDenoiser(), noise_std=0.05, stop=Stop(max_iter=40)).solve(y).report
    (misfit,) = (v for k, v in report.items() if k.startswith("misfit"))
    assert 0.5 * 0.05 < misfit.item() < 1.5 * 0.05


def test_data_of_another_operator_are_noticed():
    photo_and_beyond = data.sample("camera")[..., 90:218, 170:298]
    op = Blur(gaussian_kernel(2.5), (128, 128))
    y = op(photo_and_beyond)[..., 24:104, 24:104]  # a border that no periodic image has
    solver = PnPADMM(Blur(gaussian_kernel(2.5), (80, 80)), LoFiDenoiser(), noise_std=1e-4, stop=Stop(max_iter=60))
    with pytest.warns(RuntimeWarning, match="spread .* times as wide"):
        result = solver.solve(y)
    assert "borders" in result.report["intensities"]


def test_images_without_channels_are_named():
    class Flat(LinearOperator):
        in_shape = (8, 8)

        def A(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

    with pytest.raises(ValueError, match=r"in_shape is \(8, 8\)"):
        estimate_noise(Flat(), torch.randn(1, 64))
