"""Every operator does on a device what it does on the CPU, and says so where its data are elsewhere."""

import pytest
import torch

from operators import MRI, NUFFT, FanBeam, Radon, Weighted, as_operator, check, least_squares, random_mask
from operators.fourier.nufft import engine_for

from ..operators.cases import OPERATORS, random
from .close import DEVICE, assert_close, kept_exact, on


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_those_of_the_cpu(name):
    with kept_exact():
        op, same = OPERATORS[name](), OPERATORS[name]().to(DEVICE)
        dtype = torch.complex128 if op.in_dtype.is_complex else torch.float64
        x = random(2, *op.in_shape, dtype=dtype)
        y = op.A(x)
        assert_close(same.A(on(x)), y)
        assert_close(same.A_adjoint(on(y)), op.A_adjoint(y))
        assert_close(same.A_adjoint_A(on(x)), op.A_adjoint_A(x))
        assert_close(same.prox_l2(on(x), on(y), 0.7), op.prox_l2(x, y, 0.7))
        assert same.norm() == pytest.approx(op.norm(), rel=1e-6)
        small = on(x).to(torch.complex64 if dtype.is_complex else torch.float32)
        assert same.A(small).is_cuda and same.A(small).real.dtype == torch.float32


@pytest.mark.parametrize("backend", ["auto", "torch", "cufinufft", "torchkbnufft"])
def test_nufft_engines(backend):
    if backend == "cufinufft" and engine_for("auto", DEVICE) != "cufinufft":
        pytest.skip("cufinufft does not import")
    if backend == "torchkbnufft":
        pytest.importorskip("torchkbnufft")
    points = 2 * torch.pi * (random(2, 400) % 1) - torch.pi
    exact, op = NUFFT(points, (40, 36), eps=1e-12), NUFFT(points, (40, 36), backend=backend).to(DEVICE)
    x = random(3, 1, 40, 36, dtype=torch.complex64)
    wanted = exact.A(x.to(torch.complex128))
    error = (op.A(on(x)).cpu() - wanted).abs().square().sum().sqrt() / wanted.abs().square().sum().sqrt()
    assert float(error) < (2e-3 if backend == "torchkbnufft" else 1e-6)


def test_points_keep_their_precision_in_cufinufft():
    """Of large images, too: points rounded to single precision have errors of 1e-7 times the side."""
    if engine_for("auto", DEVICE) != "cufinufft":
        pytest.skip("cufinufft does not import")
    points = 2 * torch.pi * (random(2, 200) % 1) - torch.pi
    op, exact = NUFFT(points, (512, 16), backend="cufinufft").to(DEVICE), NUFFT(points, (512, 16), eps=1e-12)
    x = random(1, 1, 512, 16, dtype=torch.complex64)
    wanted = exact.A(x.to(torch.complex128))
    assert float((op.A(on(x)).cpu() - wanted).abs().square().sum().sqrt() / wanted.abs().square().sum().sqrt()) < 1e-6


@pytest.mark.parametrize("make", [lambda a: Radon(24, a), lambda a: FanBeam(24, a, 60.0, 60.0)])
def test_angles_of_a_device_and_filtered_backprojection(make):
    angles = torch.arange(24) * (2 * torch.pi / 24)
    op, same = make(angles), make(angles.to(DEVICE))
    assert {b.device.type for b in same.buffers()} == {"cuda"}
    line = torch.arange(24.0, dtype=torch.float64) - 11.5
    y = op.A(torch.exp(-(line[:, None] ** 2 + line**2) / 18).expand(2, 1, 24, 24))
    assert_close(same.fbp(on(y)), op.fbp(y))


def test_derivatives_by_constants():
    points = random(2, 20).clamp(-3, 3).to(DEVICE).requires_grad_()
    NUFFT(points, (6, 5)).A(on(random(1, 1, 6, 5, dtype=torch.complex128))).abs().sum().backward()
    assert points.grad is not None and points.grad.is_cuda and bool(points.grad.any())


def test_the_doctor_and_least_squares():
    op = MRI(random_mask((8, 8), 0.6)).to(DEVICE)
    assert check(op).ok
    assert check(Weighted(torch.rand(1, 8, 8) + 0.5) @ MRI(random_mask((8, 8), 0.6))).ok  # squares in double
    found = least_squares(op, op.A(on(random(1, 1, 8, 8, dtype=torch.complex64))), noise_std=0.01)
    assert found.x.is_cuda and found.reasons == ["discrepancy"]


def test_functions_and_matrices_keep_their_precision_under_autocast():
    op = as_operator(random(6, 4).float()).to(DEVICE)
    x = on(random(1, 4).float())
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert op.A(x).dtype == torch.float32
