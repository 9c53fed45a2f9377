"""Operators of volumes: the laws, direct sums, slices alone, and whole reconstructions."""

import math

import pytest
import torch

from denoisers import Bounded, LoFiDenoiser, Slicewise, TVDenoiser
from operators import (
    MRI,
    NUFFT3D,
    Blur,
    Inpainting,
    Radon,
    Slices,
    StackedMRI,
    VolumeMRI,
    check,
    gaussian_kernel,
    gaussian_noise,
    radial_trajectory,
    random_mask,
)
from operators.slabs import evenly
from pnp import PnPADMM, PnPFISTA, PnPHQS, Stop, metrics
from pnp.calibration import Calibration
from pnp.prior import Prior
from tests.contracts import operator_laws, random_image, relative

SHAPE = (3, 6, 5)


def maps(coils: int = 2) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.view_as_complex(torch.randn(coils, *SHAPE, 2, generator=g))


def some_points(count: int = 40, axes: int = 3) -> torch.Tensor:
    return (torch.rand(axes, count, generator=torch.Generator().manual_seed(1)) * 2 - 1) * math.pi


CASES = {
    "slices of a blur": lambda: Slices(Blur(gaussian_kernel(0.7, 3), (6, 5)), 3),
    "slices of a mask": lambda: Slices(Inpainting(random_mask((6, 5), 0.6)), 3),
    "slices of a sinogram": lambda: Slices(Radon(6, torch.arange(4) * 0.7), 2),
    "slices of one coil": lambda: Slices(MRI(torch.rand(6, 5)), 3),
    "cartesian": lambda: VolumeMRI(torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) < 0.6),
    "cartesian, coils": lambda: VolumeMRI(torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)), maps()),
    "stack": lambda: StackedMRI(some_points(20, 2), SHAPE),
    "stack, coils": lambda: StackedMRI(some_points(20, 2), SHAPE, maps()),
    "nufft": lambda: NUFFT3D(some_points(), SHAPE, channels=2),
    "unitary nufft": lambda: NUFFT3D(some_points(), SHAPE, norm="ortho"),
}


@pytest.mark.parametrize("name", CASES)
def test_laws(name):
    operator_laws(CASES[name]())
    check(CASES[name]()).raise_if_failed()


def test_a_few_slices_have_the_noise_and_the_operator_of_all():
    depth = 20
    g = torch.Generator().manual_seed(4)
    coils = torch.view_as_complex(torch.randn(2, depth, 6, 5, 2, generator=g, dtype=torch.float64))
    stack, slices = (
        StackedMRI(some_points(20, 2), (depth, 6, 5), coils),
        Slices(Blur(gaussian_kernel(0.7, 3), (96, 96)), 99),
    )
    for op in (stack, slices):
        x = random_image(op, batch=2)
        few, y = op.few_slices(op(x))
        assert 4 <= few.in_shape[1] < op.in_shape[1]
        chosen = evenly(op.in_shape[1], few.in_shape[1])
        assert relative(few(x[:, :, chosen]), y) < 1e-12
    noise = torch.view_as_complex(torch.randn(1, 2, depth, 20, 2, generator=g, dtype=torch.float64))
    assert 0.9 < stack.few_slices(noise)[1].abs().square().mean() / 2 < 1.1
    holed = noise.clone()
    holed[:, :, 3] = 0
    assert stack.few_slices(holed)[0] is stack


def test_stacks_solve_plane_by_plane_what_they_are():
    op = StackedMRI(some_points(20, 2), SHAPE, maps())
    b, gamma = random_image(op, batch=2), torch.tensor([0.5, 2.0], dtype=torch.float64)
    x = op.solve_normal(b, gamma, x0=b)
    assert relative(x + gamma.reshape(2, 1, 1, 1, 1) * op.A_adjoint(op(x)), b) < 1e-9
    each = StackedMRI(some_points(20, 2), SHAPE, torch.stack((maps(), 2j * maps())))
    assert relative(each.A_adjoint_A(b), each.A_adjoint(each(b))) < 1e-10
    assert relative(each.solve_normal(b[:1], 1.0)[1:], each.solve_normal(b[:1].expand(2, 1, *SHAPE), 1.0)[1:]) < 1e-9
    assert each.norm() == pytest.approx(2 * op.norm(), rel=1e-5)
    with pytest.raises(ValueError, match="coil_maps"):
        each.A_adjoint_A(torch.cat((b, b)))


def test_priors_of_volumes_go_slab_by_slab():
    denoiser = Slicewise(LoFiDenoiser("natural-gray-fast"), axes=(0, 2))
    x = torch.rand(2, 1, 3, 200, 180, generator=torch.Generator().manual_seed(0))
    scale, offset, sigma = torch.tensor([2.0, 3.0]), torch.tensor([0.1, -1.0]), torch.tensor([0.1, 0.3])
    prior = Prior(denoiser, Calibration(scale, offset), torch.zeros(2, dtype=torch.bool))
    s, o = (v.reshape(2, 1, 1, 1, 1) for v in (scale, offset))
    assert relative(prior(x, sigma), o + s * denoiser((x - o) / s, sigma / scale)) < 1e-5


def test_nufft_is_its_sum():
    points = some_points()
    op = NUFFT3D(points, SHAPE)
    x = random_image(op, batch=2)
    grids = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - n // 2 for n in SHAPE), indexing="ij")
    phases = [p.double()[:, None, None, None] * g for p, g in zip(points, grids)]
    phase = phases[0] + phases[1] + phases[2]
    expected = (x[:, 0, None] * torch.exp(-1j * phase)).sum((-3, -2, -1))[:, None]
    assert relative(op(x), expected) < 1e-10
    assert relative(op(x.to(torch.complex64)), expected) < 1e-5
    for wrong in (points[:2], points.long(), points / 0):
        with pytest.raises(ValueError, match="points"):
            NUFFT3D(wrong, SHAPE)


def test_stack_is_a_transform_through_slices_and_one_in_each():
    points = some_points(20, 2)
    op = StackedMRI(points, SHAPE, maps())
    x = random_image(op, batch=2)
    depth = torch.arange(3, dtype=torch.float64) * 2 * math.pi / 3 - 2 * math.pi / 3
    every = torch.stack([torch.cat((d.expand(1, 20), points.double())) for d in depth], 1).flatten(1)
    whole = NUFFT3D(every, SHAPE, channels=2, norm="ortho")
    assert relative(op(x).flatten(2), whole(maps().to(x) * x)) < 1e-10


def test_cartesian_volume_of_one_slice_is_mri():
    mask = random_mask((6, 5), 0.6)
    x = torch.randn(1, 1, 6, 5, dtype=torch.complex128)
    assert relative(VolumeMRI(mask[None])(x[:, :, None])[:, :, 0], MRI(mask)(x)) < 1e-12
    for wrong in (mask, torch.zeros(SHAPE), torch.full(SHAPE, -1.0), torch.full(SHAPE, math.nan)):
        with pytest.raises(ValueError, match="mask"):
            VolumeMRI(wrong)
    with pytest.raises(ValueError, match="coil_maps"):
        VolumeMRI(torch.ones(SHAPE), maps()[..., 1:])
    for wrong in (0, 1.5):
        with pytest.raises(ValueError, match="depth"):
            Slices(MRI(mask), wrong)  # pyright: ignore
    with pytest.raises(ValueError, match="op: expected images"):
        Slices(VolumeMRI(torch.ones(SHAPE)), 2)


def ball(depth: int, side: int) -> torch.Tensor:
    d, h, w = torch.meshgrid(torch.linspace(-1, 1, depth), *[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    return (0.2 + 0.6 * ((d / 1.5) ** 2 + h**2 + w**2 < 0.5)).float()[None, None]


def test_slices_of_a_solve_are_solves_of_slices():
    x = ball(4, 24)
    x = torch.cat((x, 2 * x))
    flat = Blur(gaussian_kernel(1.0), (24, 24))
    op = Slices(flat, 4)
    y = gaussian_noise(op(x), 0.02)
    stop = Stop(max_iter=8, tolerance=0)
    denoiser = TVDenoiser()
    whole = PnPADMM(op, denoiser, noise_std=0.02, calibration=(1.0, 0.0), stop=stop).solve(y)
    assert whole.x.shape == x.shape and "slice by slice" in whole.report["denoiser sees"]
    alone = PnPADMM(op, denoiser, noise_std=0.02, calibration=(1.0, 0.0), stop=stop)(y[1:])
    assert relative(whole.x[1:], alone) < 1e-4
    assert float((metrics.psnr(whole.x, x) - metrics.psnr(y, x)).min()) > 1
    assert metrics.ssim(whole.x, x).shape == (2,)


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS, PnPFISTA])
@pytest.mark.parametrize("name", ["stack, coils", "cartesian"])
def test_volumes_of_every_kind_are_solved(method, name):
    side, depth = 24, 6
    x = ball(depth, side)
    angle = torch.linspace(0.2, 1.3, side).expand(depth, side, side)
    coils = torch.stack((angle.cos() + 0j, angle.sin() + 0j))
    if name == "cartesian":
        op = VolumeMRI(torch.rand(depth, side, side, generator=torch.Generator().manual_seed(0)) < 0.5)
    else:
        op = StackedMRI(radial_trajectory(16, 48), (depth, side, side), coils)
    y = op(x + 0j)
    y = torch.where(y == 0, y, gaussian_noise(y, 0.01))
    result = method(op, Slicewise(LoFiDenoiser("natural-gray-fast"), axes=(0, 1, 2))).solve(y)
    assert result.x.is_complex() and result.x.shape == x.shape
    before = op.A_adjoint(y)
    assert float(metrics.nrmse(result.x, x + 0j)) < 0.6 * float(metrics.nrmse(before, x + 0j))
    assert 0.004 < float(result.report["noise_std"]) < 0.03


def test_three_directions_see_more_than_one():
    x = ball(24, 24)
    noisy = gaussian_noise(x, 0.1)
    lofi = LoFiDenoiser("natural-gray-fast")
    one, three = (Slicewise(lofi, axes=axes)(noisy, 0.1) for axes in ((0,), (0, 1, 2)))
    assert float(metrics.psnr(three, x)) > float(metrics.psnr(one, x)) + 0.5
    assert torch.allclose(Slicewise(lofi)(noisy[:, :, 0], 0.1), lofi(noisy[:, :, 0], 0.1))
    clean = Bounded(Slicewise(lofi), low=0.3)(noisy, 0.1)
    assert float(clean.min()) >= 0.3
    for wrong in ((), (3,), (0, 0)):
        with pytest.raises(ValueError, match="axes"):
            Slicewise(lofi, axes=wrong)
