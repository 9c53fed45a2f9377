"""Solves on finer pixels: the operators' finer selves are exact, and the answers are means of the object."""

import math

import numpy
import pytest
import torch

from denoisers import Bounded, DRUNetDenoiser
from operators import (
    BeerLambert,
    FanBeam,
    Identity,
    RadioInterferometry,
    Radon,
    Slices,
    Weighted,
    gaussian_noise_snr,
    uv_coverage,
)
from operators.tomography.rays import BinMeans
from pnp import FinerGrid, PnPADMM, Stop, Transmission, replay, uncertainty
from pnp.finer import block_means
from pnp.metrics import psnr

ANGLES = torch.arange(24, dtype=torch.float64) * (math.pi / 24)
WEIGHTS = torch.rand(1, 24, 25, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.5


def _radon(**options) -> Radon:
    return Radon((16, 12), ANGLES, 25, **options)


OPERATORS = {
    "parallel": lambda: _radon(),
    "detector finer than pixels, shifted, in mm": lambda: _radon(detector_spacing=0.4, pixel_size=0.5, offset=0.3),
    "one shift for each view": lambda: _radon(offset=torch.linspace(-1, 1, 24)),
    "cut off": lambda: Radon((16, 12), ANGLES, 9),
    "weighted and scaled": lambda: 0.3 * (Weighted(WEIGHTS) @ _radon()),
    "intensities": lambda: BeerLambert(0.1 * _radon(), 2.0),
}


FANS = {
    "fan": lambda: FanBeam(20, ANGLES * 2, 30.0, 20.0, 51, pixel_size=0.8, offset=0.4, centre_offset=0.2),
    "curved fan": lambda: FanBeam((20, 22), ANGLES * 2, 40.0, 20.0, 51, curved=True),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_a_finer_operator_sees_the_same_in_images_of_larger_pixels(name):
    op = OPERATORS[name]().double()
    x = torch.rand(2, *op.in_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for factor in (1, 3):
        finer = op.finer(factor).double()
        large = x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        torch.testing.assert_close(finer(large), op(x), rtol=0, atol=1e-9 * float(op(x).abs().max()))
        torch.testing.assert_close(block_means(large, factor), x)


@pytest.mark.parametrize("name", FANS)
def test_a_finer_fan_sees_the_same_in_smooth_images(name):  # its band is that of its pixels
    op = FANS[name]().double()
    rows, columns = torch.meshgrid(*[torch.arange(n) for n in op.in_shape[-2:]], indexing="ij")
    x = torch.exp(-((rows - 9) ** 2 + (columns - 10) ** 2) / 18).double()[None, None]
    large = x.repeat_interleave(3, -1).repeat_interleave(3, -2)
    assert float((op.finer(3).double()(large) - op(x)).norm()) < 6e-3 * float(op(x).norm())


def test_an_object_without_pixels_gains():
    fine = torch.zeros(1, 1, 128, 128)
    rows, columns = torch.meshgrid(*[torch.arange(128) - 63.5] * 2, indexing="ij")
    for row, column, radius, value in ((0, 0, 50, 0.5), (10, -12, 9.3, 0.5), (-15, 10, 17.7, -0.3), (20, 22, 3.4, 0.4)):
        fine[..., torch.hypot(rows - row, columns - column) < radius] += value
    op = Radon(32, torch.arange(40) * (math.pi / 40))
    y = gaussian_noise_snr(op.finer(4)(fine), 40.0, seed=0)
    x, solver = block_means(fine, 4), PnPADMM(op)
    result = FinerGrid(solver).solve(y)
    assert torch.equal(FinerGrid(solver)(y), result.x) and result.x.shape == x.shape
    assert torch.equal(block_means(result.fine.x, 2), result.x)
    assert float(psnr(result.x, x)) > float(psnr(solver(y), x)) + 2
    torch.testing.assert_close(FinerGrid(solver, 1)(y), solver(y))


DISCS = ((1.3, -2.4, 9.7, 0.5), (5.1, 4.2, 3.3, -0.3), (-4.0, 1.0, 4.6, 0.4))  # y, x, radius, value, in pixels


def _discs(n: int, factor: int) -> torch.Tensor:
    """Discs on n x n pixels, each ``factor`` times as fine, and each of these the mean of 8 x 8 points."""
    points = (torch.arange(8 * factor * n, dtype=torch.float64) + 0.5) / (8 * factor) - n / 2
    fine = sum(v * ((-points[:, None] - y) ** 2 + (points - x) ** 2 < r * r) for y, x, r, v in DISCS)
    return block_means(fine.double()[None, None], 8)  # pyright: ignore[reportAttributeAccessIssue]


def _bins(op: Radon) -> torch.Tensor:
    """Means of the discs' chords over bins, in closed form."""
    edges = (torch.arange(op.detector_count + 1) - op.detector_count / 2).double() * op.detector_spacing
    total = torch.zeros(len(op.angles), op.detector_count, dtype=torch.float64)
    for y, x, r, v in DISCS:
        centre = x * op.angles.cos() + y * op.angles.sin()
        s = (edges - centre.double()[:, None]).clamp(-r, r)
        area = s * (r * r - s * s).clamp(min=0).sqrt() + r * r * (s / r).asin()
        total += v * area.diff(dim=1) / op.detector_spacing
    return total[None, None]


@pytest.mark.parametrize("spacing", [1.0, 1.5])
def test_bins_of_rays_are_means_over_bins_also_beyond_their_band(spacing):
    op = Radon(32, ANGLES, math.ceil(46 / spacing), detector_spacing=spacing)
    exact, x = _bins(op), _discs(32, 4)

    def off(rays):
        return float((op.finer(4, rays).double()(x) - exact).norm() / exact.norm())

    assert off(4) < off(2) < off(1) / 4 and off(4) < 3e-3 < 8e-3 < off(1)


@pytest.mark.parametrize("name", OPERATORS)
def test_bins_of_rays_keep_the_laws(name):
    op = OPERATORS[name]().double()
    finer = op.finer(2, rays=3).double()
    assert finer.out_shape == op.out_shape and finer.in_shape[1:] == tuple(2 * n for n in op.in_shape[1:])
    g = torch.Generator().manual_seed(2)
    x = torch.rand(2, *finer.in_shape, dtype=torch.float64, generator=g)
    if isinstance(op, BeerLambert):
        torch.testing.assert_close(-(finer(x) / 2).log(), finer.op(x))  # pyright: ignore[reportAttributeAccessIssue]
        return
    y = torch.rand(2, *finer.out_shape, dtype=torch.float64, generator=g)
    torch.testing.assert_close((finer(x) * y).sum((1, 2, 3)), (x * finer.A_adjoint(y)).sum((1, 2, 3)))
    gamma = torch.tensor([0.1, 30.0], dtype=torch.float64)
    u = finer.solve_normal(x, gamma)
    torch.testing.assert_close(u + gamma.reshape(2, 1, 1, 1) * finer.A_adjoint_A(u), x, rtol=0, atol=1e-7)
    smooth = torch.ones(1, *op.in_shape, dtype=torch.float64)
    torch.testing.assert_close(op.finer(2, rays=1).double()(x), op.finer(2).double()(x))
    assert (
        float((finer(smooth.repeat_interleave(2, -1).repeat_interleave(2, -2)).mean() / op(smooth).mean() - 1).abs())
        < 0.02
    )


def test_measured_bins_gain_by_rays():
    op = Radon(32, torch.arange(60) * (math.pi / 60), 46)
    y = gaussian_noise_snr(_bins(op).float(), 40.0, seed=0)
    x, solver = _discs(32, 1).float(), PnPADMM(op)
    assert float(psnr(FinerGrid(solver)(y), x)) > float(psnr(FinerGrid(solver, rays=1)(y), x)) + 1
    assert isinstance(FinerGrid(solver, 3).solver.op, BinMeans) and FinerGrid(solver, 3).solver.op.count == 3  # pyright: ignore


def test_likelihood_and_settings_are_kept():
    op = _radon()
    std = torch.full((1, *op.out_shape), 0.1)
    whitened = FinerGrid(PnPADMM(op, noise_std=std, strength="auto"), 2).solver
    assert whitened.strength == "auto" and whitened.op.in_shape == (1, 32, 24)
    assert torch.equal(whitened.likelihood.deviations, std)  # pyright: ignore[reportArgumentType]
    counts = FinerGrid(PnPADMM(Transmission(0.1 * op, photons=1e4)), 3).solver
    assert isinstance(counts.likelihood, Transmission) and counts.op.in_shape == (1, 48, 36)


def test_the_answer_tells_how_it_was_found(tmp_path):
    op, x = _radon(), torch.rand(1, 1, 16, 12)
    solver = FinerGrid(PnPADMM(op, noise_std=0.1))
    y, steps = op(x), []
    result = solver.solve(y, callback=lambda state, record: len(steps) > 2 or steps.append(state.step))
    assert result.reason == result.fine.reason == "stopped" and result.report is result.fine.report
    assert str(result) == f"{result.fine}\n  16 x 12 pixels, means of these 32 x 24"
    result.fine.save(tmp_path / "a.safetensors")
    assert torch.equal(replay(tmp_path / "a.safetensors", solver.solver, y, until=4).x, result.fine.x)
    for ask in (lambda: replay(tmp_path / "a.safetensors", solver, y), lambda: uncertainty(solver, y)):  # pyright: ignore
        with pytest.raises(TypeError, match="got FinerGrid; its .solver, PnPADMM, is one"):
            ask()


def test_bounds_are_those_of_the_answer():
    op, x = _radon(), torch.rand(1, 1, 16, 12)
    support = torch.ones(16, 12)
    support[:3] = 0
    prior, stop = DRUNetDenoiser("ct"), Stop(max_iter=2)
    bounded = Bounded(prior, low=0.1 * support, high=torch.linspace(0.2, 0.9, 12), support=support)
    result = FinerGrid(PnPADMM(op, bounded, noise_std=0.1, stop=stop), numpy.int64(3)).solve(op(x))  # pyright: ignore[reportArgumentType]
    fine = result.fine.x
    assert not fine[..., :9, :].any() and float(fine[..., 9:, :].min()) >= 0.1 - 1e-6
    assert bool((fine <= torch.linspace(0.2, 0.9, 12).repeat_interleave(3) + 1e-6).all())
    assert bounded.support is not None and bounded.support.shape == (16, 12)
    plain = FinerGrid(PnPADMM(op, Bounded(prior, low=0), noise_std=0.1, stop=stop))
    assert float(plain(op(x)).min()) >= 0
    for name in ("low", "high", "support"):
        with pytest.raises(ValueError, match=rf"{name}: shape \(16, 12\) does not broadcast to images \(1, 1, 8, 8\)"):
            Bounded(prior, **{name: support}).project(torch.zeros(1, 1, 8, 8))  # pyright: ignore[reportArgumentType]


def test_slices_of_a_volume_are_solved_on_finer_pixels():
    op, x = _radon(), torch.rand(1, 1, 3, 16, 12)
    stop = Stop(tolerance=0, max_iter=3)
    y = Slices(op, 3)(x)
    volume = FinerGrid(PnPADMM(Slices(op, 3), noise_std=0.1, calibration=(1.0, 0.0), stop=stop))(y)
    assert volume.shape == x.shape
    one = FinerGrid(PnPADMM(op, noise_std=0.1, calibration=(1.0, 0.0), stop=stop))(y[:, :, 1])
    torch.testing.assert_close(volume[:, :, 1], one, rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: FinerGrid(_radon()), "solver: expected a solver, got Radon"),  # pyright: ignore[reportArgumentType]
        (lambda: FinerGrid(PnPADMM(Identity((8, 8)))), "Identity: "),
        (lambda: FinerGrid(PnPADMM(Identity((16, 12)) + Identity((16, 12)))), "Sum: "),
        (
            lambda: FinerGrid(PnPADMM(RadioInterferometry(uv_coverage("vla-d"), (16, 16), cell=8.0))),
            "RadioInterferometry: ",
        ),
        (lambda: FinerGrid(PnPADMM(_radon()), 0), "factor: .* got 0"),
        (lambda: FinerGrid(PnPADMM(_radon()), 1.5), "factor: .* got 1.5"),  # pyright: ignore[reportArgumentType]
        (lambda: FinerGrid(PnPADMM(_radon()), 2, rays=0), "rays: .* got 0"),
        (lambda: FinerGrid(PnPADMM(_radon()), 2, rays=False), "rays: .* got False"),
        (lambda: FinerGrid(PnPADMM(_radon()), 2, rays=-1), "rays: .* got -1"),
        (lambda: FinerGrid(PnPADMM(_radon()), 2, rays=2.0), "rays: .* got 2.0"),  # pyright: ignore[reportArgumentType]
        (lambda: FANS["fan"]().finer(2, 0), "rays: .* got 0"),
        (lambda: _radon().finer(2, 2).A_adjoint(torch.ones(1, 1, 24, 24)), r"y: expected shape \('B', 1, 24, 25\)"),
        (lambda: FANS["fan"]().finer(True), "factor: .* got True"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises((TypeError, ValueError), match=word):
        call()
