"""The engine of torch alone: direct sums, the adjoint, bounds of memory, derivatives, and who is chosen when."""

import copy
import math
import pickle

import pytest
import torch
from torch import Tensor

from operators import NUFFT, NUFFT3D, RadioInterferometry, check
from operators.fourier import nufft, spreading
from operators.fourier.engine_torch import TorchTransform
from tests.contracts import operator_laws

SHAPES = [(1, 1), (1, 7), (12, 9), (33, 20), (48, 64), (3, 4, 5), (1, 6, 1), (16, 9, 12)]


def random(*shape: int, dtype=torch.complex128) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def points(m: int, d: int = 2) -> Tensor:
    """Over one and a half periods, at both ends of one, twice the same, next to zero."""
    p = (torch.rand(d, m, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1) * 1.5 * math.pi
    for k, value in enumerate((math.pi, -math.pi, -1e-18, math.pi, 0.0)[: m - 1]):
        p[:, k] = value
    p[:, m // 2 : m // 2 + 3] = p[:, m // 2 : m // 2 + 1]
    return p


def direct(p: Tensor, x: Tensor) -> Tensor:
    """Fourier sums of (n, *shape), term by term."""
    shape = x.shape[1:]
    grids = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - n // 2 for n in shape), indexing="ij")
    phase = p.T @ torch.stack([g.flatten() for g in grids])
    return x.flatten(1).to(torch.complex128) @ torch.exp(-1j * phase).T


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("m", [1, 2, 500])
def test_sums_and_adjoint_to_a_millionth_and_to_1e_12(shape, m):
    p, x = points(m, len(shape)), random(2, *shape)
    for eps, dtype in ((1e-12, torch.float64), (1e-6, torch.float32), (1e-3, torch.float64)):
        transform = TorchTransform(p, shape, eps)
        for image in (x.to(dtype.to_complex()), x.real.to(dtype)):
            expected = direct(p, image)
            # few pixels or points can cancel: then the sum of magnitudes is the measure
            size = max(expected.norm(), image.norm() * math.sqrt(m))
            got = transform.forward(image)
            assert got.dtype == dtype.to_complex() and float((got - expected).norm() / size) < eps
        y = random(2, m).to(dtype.to_complex())
        left = torch.vdot(y.flatten(), transform.forward(x.to(y.dtype)).flatten())
        right = torch.vdot(transform.adjoint(y).flatten(), x.to(y.dtype).flatten())
        assert abs(left - right) < 30 * torch.finfo(dtype).eps * x.norm() * y.norm() * math.sqrt(m)


@pytest.mark.parametrize("eps", [1e-1, 1e-2, 1e-4, 1e-5, 1e-7, 1e-8, 1e-10, 1e-11, 1e-13])
def test_error_is_what_was_asked_for(eps):
    p, x = points(400), random(1, 30, 21)
    assert relative(TorchTransform(p, (30, 21), eps).forward(x), direct(p, x)) < eps


@pytest.mark.parametrize("shape", [(20, 31), (9, 8, 10)])
def test_little_memory_gives_the_same(shape, monkeypatch):
    p, x, y = points(3000, len(shape)), random(2, *shape), random(2, 3000)
    whole = TorchTransform(p, shape, 1e-9)
    expected, image = whole.forward(x), whole.adjoint(y)
    assert whole.spreading._weights
    monkeypatch.setattr(spreading, "_KEPT", 0)
    monkeypatch.setattr(spreading, "_WORKING", {"cpu": 1})  # one block, one row of tiles at a time
    pieces = TorchTransform(p, shape, 1e-9)
    assert relative(pieces.forward(x), expected) < 1e-14 and relative(pieces.adjoint(y), image) < 1e-14
    assert not pieces.spreading._weights


def test_points_in_one_place_and_any_size_of_tiles(monkeypatch):
    p, x = 1e-3 * points(2000), random(1, 20, 16)
    for tile, block in ((1, 16), (3, 7), (4, 64), (32, 1), (100, 32)):
        monkeypatch.setattr(spreading, "_TILES", (tile,))
        monkeypatch.setattr(spreading, "_BLOCKS", (block,))
        transform = TorchTransform(p, (20, 16), 1e-10)
        assert (transform.spreading.tile, transform.spreading.block) == (tile, block)
        assert relative(transform.forward(x), direct(p, x)) < 1e-10


def test_a_batch_is_its_samples_bit_for_bit():
    transform, x, y = TorchTransform(points(300), (17, 12), 1e-6), random(3, 17, 12), random(3, 300)
    assert torch.equal(transform.forward(x)[1:2], transform.forward(x[1:2]))
    assert torch.equal(transform.adjoint(y)[1:2], transform.adjoint(y[1:2]))
    assert relative(transform.forward(1e8 * x), 1e8 * transform.forward(x)) < 1e-14
    for other in (copy.deepcopy(transform), pickle.loads(pickle.dumps(transform))):
        assert torch.equal(other.forward(x), transform.forward(x))


def test_short_products_of_matrices_are_not_for_this():
    p, x = points(300), random(1, 1, 24, 24).to(torch.complex64)
    op, before = NUFFT(p, (24, 24), backend="torch"), torch.get_float32_matmul_precision()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relative(op(x), direct(p, x[0])[None]) < 1e-6
    try:
        torch.set_float32_matmul_precision("medium")
        assert relative(op(x), direct(p, x[0])[None]) < 1e-6
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("real", [True, False])
def test_laws_and_doctor(real):
    op = NUFFT(points(40), (6, 5), real=real, norm="ortho", backend="torch")
    operator_laws(op)
    report = check(op)
    assert report.ok, report


def test_derivatives_by_image_data_and_points():
    base, p = NUFFT(points(7), (5, 4), backend="torch"), points(7).requires_grad_()

    def moving(q: Tensor) -> NUFFT:
        op = copy.copy(base)
        op._buffers, op._made = {"points": q}, {}
        return op

    x, y = random(1, 1, 5, 4).requires_grad_(), random(1, 1, 7).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, q: moving(q).A(v), (x, p))
    assert torch.autograd.gradcheck(lambda v, q: moving(q).A_adjoint(v), (y, p))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_volumes_as_finufft_has_them(dtype):
    p, x = points(300, 3), random(2, 2, 6, 7, 5).to(dtype.to_complex())
    ours, theirs = (
        NUFFT3D(p, (6, 7, 5), channels=2, norm="ortho", backend=b)
        for b in ("torch", "finufft")  # type: ignore[arg-type]
    )
    bound = 2e-6 if dtype == torch.float32 else 3e-12
    y = theirs(x)
    assert relative(ours(x), y) < bound
    assert relative(ours.A_adjoint(y), theirs.A_adjoint(y)) < bound
    assert relative(ours.A_adjoint_A(x), ours.A_adjoint(ours(x))) < 2 * bound
    for op in (ours, theirs):
        assert op.float().points.dtype == torch.float64 and relative(op(x), y) < bound
    with pytest.raises(ValueError, match="backend: expected auto, finufft or torch"):
        NUFFT3D(p, (6, 7, 5), backend="fast")  # type: ignore[arg-type]


def test_auto_takes_the_compiled_package_where_it_imports(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for there in (True, False):
        monkeypatch.setattr(nufft, "_imports", lambda package, there=there: there)
        assert nufft.engine_for("auto", cpu) == ("finufft" if there else "torch")
        assert nufft.engine_for("auto", cuda) == ("cufinufft" if there else "torch")
        assert nufft.engine_for("finufft", cuda) == "finufft"
    op = RadioInterferometry(0.5 * points(20), (8, 8), unit="rad/pixel")
    x = random(1, 1, 8, 8, dtype=torch.float64)
    y = op(x)  # without finufft
    assert any(isinstance(kept[2], TorchTransform) for kept in op._made.values())
    monkeypatch.undo()
    other = RadioInterferometry(0.5 * points(20), (8, 8), unit="rad/pixel")
    assert relative(y, other(x)) < 1e-11 and relative(op.A_adjoint_A(x), other.A_adjoint_A(x)) < 1e-11
    volumes, z = NUFFT3D(points(20, 3), (2, 3, 4)), random(1, 1, 2, 3, 4)
    expected = volumes(z)
    monkeypatch.setattr(nufft, "_imports", lambda package: False)
    without = NUFFT3D(points(20, 3), (2, 3, 4))
    assert relative(without(z), expected) < 1e-11 and without._engines and not volumes._engines


def test_a_package_that_does_not_import_is_seen(monkeypatch):
    assert nufft._imports("math") and not nufft._imports("no_such_package_of_transforms")
    monkeypatch.setattr(nufft.importlib, "import_module", lambda name: (_ for _ in ()).throw(OSError("libcudart.so")))
    assert not nufft._imports("a_package_whose_library_is_missing")
