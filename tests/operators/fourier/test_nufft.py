"""The non-uniform FFT: direct sums, laws, derivatives, Toeplitz normals, threads, forks, copies."""

import copy
import gc
import io
import math
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from operators import NUFFT, check
from operators.compose import Weighted
from operators.fourier import toeplitz
from operators.linalg import cg
from tests.contracts import operator_laws


def random(*shape: int, seed: int = 0, dtype=torch.complex128) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def points(m: int, seed: int = 0, reach: float = math.pi) -> Tensor:
    return (2 * torch.rand(2, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1) * reach


def direct(p: Tensor, x: Tensor) -> Tensor:
    """Fourier sums of (..., H, W), term by term."""
    rows, columns = (torch.exp(-1j * u[:, None] * (torch.arange(n) - n // 2)) for u, n in zip(p, x.shape[-2:]))
    return torch.einsum("mh,...hw,mw->...m", rows, x.to(torch.complex128), columns)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 200), st.sampled_from([1e-3, 1e-6, 1e-9, 1e-12]))
def test_error_is_what_was_asked_for(height, width, m, eps):
    p, x = points(m, seed=height, reach=10.0), random(2, 3, height, width)
    op = NUFFT(p, (height, width), channels=3, eps=eps)
    # sums of few pixels can cancel, so the error is measured against the sum of magnitudes as well
    floor = eps * x.abs().sum((-2, -1)).max()
    assert (op(x) - direct(p, x)).abs().max() < 5 * floor
    assert (op(x.real) - direct(p, x.real)).abs().max() < 5 * floor


def test_single_precision_reaches_a_millionth():
    p, x = points(500), random(1, 1, 120, 90)
    for data, shape in ((x.to(torch.complex64), (120, 90)), (x.real.float(), (120, 90))):
        assert relative(NUFFT(p, shape)(data).to(torch.complex128), direct(p, data)) < 2e-6
    assert relative(NUFFT(p, (120, 90), eps=1e-9)(x.to(torch.complex64)).to(torch.complex128), direct(p, x)) < 4e-7


def test_a_full_cartesian_grid_is_the_fft():
    h, w = 6, 9
    k = [2 * torch.pi * (torch.arange(n, dtype=torch.float64) - n // 2) / n for n in (h, w)]
    p = torch.stack(torch.meshgrid(*k, indexing="ij")).flatten(1)
    x = random(1, 1, h, w)
    expected = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(x), norm="ortho"))
    op = NUFFT(p, (h, w), norm="ortho")
    assert torch.allclose(op(x)[0, 0].reshape(h, w), expected[0, 0], atol=1e-11)
    assert torch.allclose(op.A_adjoint(op(x)), x, atol=1e-11) and op.norm() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("norm", ["ortho", None])
def test_laws_and_doctor(dtype, real, norm):
    op = NUFFT(points(70), (6, 7), real=real, norm=norm, threads=1)
    operator_laws(op, dtype=dtype)
    report = check(op, dtype=dtype)
    assert report.ok, report


def moving(p: Tensor, like: NUFFT) -> NUFFT:
    """The same operator with points inside the graph."""
    op = copy.copy(like)
    op._buffers = {"points": p}
    op._made = {}
    return op


def test_derivatives_by_image_data_and_points():
    base = NUFFT(points(7), (5, 4), threads=1)
    p, x, y = points(7).requires_grad_(), random(2, 1, 5, 4).requires_grad_(), random(2, 1, 7).requires_grad_()
    for function, value in (
        (lambda v, q: moving(q, base).A(v), x),
        (lambda v, q: moving(q, base).A_adjoint(v), y),
        (lambda v, q: moving(q, base).A_adjoint_A(v), x),
    ):
        assert torch.autograd.gradcheck(function, (value, p))
        assert torch.autograd.gradgradcheck(function, (value, p))


def test_derivative_of_the_proximal_map_by_points():
    base = NUFFT(points(9), (3, 4), norm="ortho", threads=1)
    p, z, y = points(9).requires_grad_(), random(1, 1, 3, 4).requires_grad_(), random(1, 1, 9).requires_grad_()
    gamma = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda q, a, b, g: moving(q, base).prox_l2(a, b, g, rtol=1e-13), (p, z, y, gamma), atol=1e-4
    )


def test_points_can_be_trained():
    torch.manual_seed(0)
    target, x = points(20), random(1, 1, 8, 8)
    op = NUFFT(torch.nn.Parameter(target + 0.02 * torch.randn(2, 20, dtype=torch.float64)), (8, 8))
    assert [name for name, _ in op.named_parameters()] == ["points"]
    optimizer = torch.optim.Adam(op.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (op(x) - direct(target, x)).abs().square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    with torch.no_grad():  # the normal operator has followed the points
        assert relative(op.A_adjoint_A(x), op.A_adjoint(op.A(x))) < 1e-9


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 8), (31, 20)])
def test_toeplitz_is_the_normal_operator(dtype, real, shape):
    op = NUFFT(points(150), shape, channels=2, real=real, threads=1)
    weights = random(150, dtype=torch.float64).abs()
    x = random(3, 2, *shape).to(dtype.to_complex())
    x = x.real if real else x
    bound = 1e-11 if dtype == torch.float64 else 2e-6
    assert relative(op.A_adjoint_A(x), op.A_adjoint(op.A(x))) < bound
    weighted = Weighted(weights.sqrt(), shape=op.out_shape, dtype=torch.complex64) @ op
    assert relative(weighted.A_adjoint_A(x), weighted.A_adjoint(weighted.A(x))) < bound
    assert relative(op.weighted_normal(x, weights), weighted.A_adjoint_A(x)) < bound
    each = Weighted(random(2, 150, dtype=torch.float64), dtype=torch.complex64) @ op
    assert relative(each.A_adjoint_A(x), each.A_adjoint(each.A(x))) < bound


@pytest.mark.parametrize("real", [True, False])
def test_toeplitz_in_parts(monkeypatch, real):
    op, x = NUFFT(points(60), (4, 3), real=real), random(2, 1, 4, 3, dtype=torch.complex128)
    x = x.real if real else x
    whole = op.A_adjoint_A(x)
    monkeypatch.setattr(toeplitz, "_AT_ONCE", 4 * op.toeplitz().grid[0])  # two columns of two images
    assert torch.equal(op.A_adjoint_A(x), whole)
    assert torch.autograd.gradcheck(op.A_adjoint_A, x.requires_grad_())


@pytest.mark.parametrize("shape", [(1, 6), (5, 8), (4, 7)])
def test_toeplitz_kernel_is_the_sum_at_every_lag(shape):
    p, weights = points(50), random(50, dtype=torch.float64)
    rows, columns = (torch.arange(1 - n, n, dtype=torch.float64)[:, None] * p[i] for i, n in enumerate(shape))
    sums = torch.einsum("am,bm,m->ab", torch.exp(1j * rows), torch.exp(1j * columns), weights + 0j)
    assert relative(NUFFT(p, shape).toeplitz(weights).kernel, sums) < 1e-11
    assert relative(NUFFT(p, shape, real=True).toeplitz(weights).kernel, sums.real) < 1e-11


def test_circulant_is_the_closest_one():
    op = NUFFT(points(60), (4, 5), norm="ortho")
    eye = torch.eye(20, dtype=torch.complex128).reshape(20, 1, 4, 5)
    dense = op.A_adjoint_A(eye).reshape(20, 20).T
    f = torch.fft.fft2(eye, norm="ortho").reshape(20, 20).T  # optimal: the diagonal in Fourier space
    expected = (f @ dense @ f.conj().T).diagonal().real.reshape(4, 5)
    assert torch.allclose(op.toeplitz().circulant(), expected, atol=1e-10)


def test_preconditioned_solution_is_that_of_plain_conjugate_gradients():
    op, b = NUFFT(points(400), (9, 8), real=True), random(2, 1, 9, 8, dtype=torch.float64)
    for gamma in (1e-4, 1e-2, 1.0):
        plain, _ = cg(lambda x, g=gamma: x + g * op.A_adjoint(op.A(x)), b, rtol=1e-12)
        assert relative(op.solve_normal(b, gamma, rtol=1e-12), plain) < 1e-9


def test_copies_and_pickles():
    op, x = NUFFT(points(30), (6, 5)), random(1, 1, 6, 5)
    y = op(x)
    buffer = io.BytesIO()
    torch.save(op, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(op), pickle.loads(pickle.dumps(op)), torch.load(buffer, weights_only=False)):
        assert torch.allclose(other(x), y, atol=1e-12)
        assert torch.allclose(other.A_adjoint_A(x), op.A_adjoint_A(x), atol=1e-12)
    assert op.float().points.dtype == torch.float64 and not op.state_dict()
    assert torch.allclose(op(x), y, atol=1e-12)


def test_threads_of_the_caller_share_an_operator():
    op = NUFFT(points(500), (16, 16))
    images = [random(1, 1, 16, 16, seed=s) for s in range(32)]
    expected = [direct(op.points, x) for x in images]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda x: (op.A(x), op.A_adjoint_A(x)), images))
    for (y, normal), e in zip(results, expected):
        assert relative(y, e) < 1e-10 and relative(normal, op.A_adjoint(y)) < 1e-10


def _in_child(op: NUFFT, x: Tensor, queue: multiprocessing.Queue) -> None:
    torch.set_num_threads(1)  # as workers of a DataLoader do
    queue.put((op.A(x).numpy(), op.A_adjoint_A(x).numpy()))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_go_on():
    op, x = NUFFT(points(4000), (32, 32), threads=2), random(1, 1, 32, 32)
    y, normal = op.A(x), op.A_adjoint_A(x)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(op, x, queue))
    child.start()
    try:
        got = queue.get(timeout=60)
    finally:
        child.join(5)
        child.kill()
    assert relative(torch.from_numpy(got[0]), y) < 1e-10 and relative(torch.from_numpy(got[1]), normal) < 1e-10


def _resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


@pytest.mark.skipif(not __import__("os").path.exists("/proc/self/statm"), reason="needs /proc")
def test_dropped_operators_free_their_memory():
    p, x = points(5000), random(1, 1, 48, 48)

    def build(n: int) -> float:
        for _ in range(n):
            op = NUFFT(p, (48, 48))
            op.A_adjoint_A(op.A_adjoint(op.A(x)))
        gc.collect()
        return _resident()

    first = build(100)
    assert build(300) < first + 20


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: NUFFT([[0.0], [1.0]], (4, 4)), TypeError, "points"),  # type: ignore[arg-type]
        (lambda: NUFFT(points(5).T, (4, 4)), ValueError, "transpose"),
        (lambda: NUFFT(torch.zeros(3, 5), (4, 4)), ValueError, "points"),
        (lambda: NUFFT(torch.zeros(2, 0), (4, 4)), ValueError, "points"),
        (lambda: NUFFT(points(5) * float("nan"), (4, 4)), ValueError, "points"),
        (lambda: NUFFT(torch.zeros(2, 5, dtype=torch.int64), (4, 4)), TypeError, "points"),
        (lambda: NUFFT(points(5), (4, 0)), ValueError, "image_shape"),
        (lambda: NUFFT(points(5), (4, 4), eps=1e-20), ValueError, "eps"),
        (lambda: NUFFT(points(5), (4, 4), backend="fast"), ValueError, "backend"),  # type: ignore[arg-type]
        (lambda: NUFFT(points(5), (4, 4), norm="unit"), ValueError, "norm"),  # type: ignore[arg-type]
        (lambda: NUFFT(points(5), (4, 4), threads=-1), ValueError, "threads"),
        (lambda: NUFFT(points(5), (4, 4))(torch.zeros(1, 1, 4, 5)), ValueError, "x: expected shape"),
    ],
)
def test_bad_arguments_are_named(call, error, word):
    with pytest.raises(error, match=word):
        call()


def test_torchkbnufft_gives_the_same_sums_to_its_accuracy():
    pytest.importorskip("torchkbnufft")
    p, x = points(200), random(1, 1, 24, 20)
    op = NUFFT(p, (24, 20), backend="torchkbnufft")
    assert relative(op(x), direct(p, x)) < 2e-3
    y = random(1, 1, 200)
    assert torch.allclose((op(x).conj() * y).sum(), (x.conj() * op.A_adjoint(y)).sum(), rtol=1e-8)
