"""Foreign things as operators, and ours in foreign solvers."""

import warnings

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from operators.adapters.function import FunctionOperator
from operators.adapters.incoming import DeepinvOperator, as_operator
from operators.adapters.matrix import MatrixOperator
from operators.compose import Weighted
from operators.doctor.check import check
from pnp import PnPADMM
from tests.contracts import (
    adjoint_law,
    algebra_law,
    batch_law,
    dagger_law,
    dense,
    linear_law,
    normal_law,
    operator_laws,
    prox_law,
    random_data,
    random_image,
    relative,
    scale_law,
    vjp_law,
)
from tests.operators.cases import Convolution


def thin(x):
    """Differentiable torch function on batches."""
    return 2 * x[..., ::2] + x[..., 1::2]


def np_fft(x):
    """numpy: real images to complex data."""
    return np.fft.fft2(x, norm="ortho")


def np_ifft(y):
    return np.fft.ifft2(y, norm="ortho")


def np_thin(x):
    return 2 * x[..., ::2] + x[..., 1::2]


def np_thick(y):
    x = np.zeros((*y.shape[:-1], 2 * y.shape[-1]), dtype=y.dtype)
    x[..., ::2], x[..., 1::2] = 2 * y, y
    return x


def detached(x):
    return 3 * x.detach()


class Duck:
    in_shape = (1, 3, 4)

    def A(self, x):
        return thin(x)


SEED = np.random.default_rng(0)
M = SEED.standard_normal((7, 12))
Z = M + 1j * SEED.standard_normal((7, 12))
CASES = {
    "torch function": lambda: as_operator(thin, in_shape=(1, 3, 4)),
    "torch pair": lambda: as_operator(np_thin, in_shape=(1, 3, 4), adjoint=lambda_free_thick),
    "opaque torch": lambda: as_operator(detached, in_shape=(1, 3, 4), adjoint=detached),
    "numpy pair": lambda: as_operator(np_fft, in_shape=(1, 3, 4), adjoint=np_ifft),
    "numpy complex": lambda: as_operator(np_fft, in_shape=(1, 3, 4), in_dtype=torch.complex64, adjoint=np_ifft),
    "matrix": lambda: as_operator(torch.from_numpy(M), in_shape=(1, 3, 4)),
    "array": lambda: as_operator(M),
    "complex matrix": lambda: as_operator(Z, in_shape=(3, 4)),
    "complex matrix, real images": lambda: as_operator(Z, in_shape=(3, 4), in_dtype=torch.float32),
    "real matrix, complex images": lambda: as_operator(M, in_dtype=torch.complex64),
    "duck": lambda: as_operator(Duck()),
}


def lambda_free_thick(y):
    """Adjoint of ``thin`` in torch."""
    return torch.stack([2 * y, y], -1).flatten(-2)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_and_doctor(name, dtype):
    op = CASES[name]()
    operator_laws(op, dtype=dtype)
    assert check(op, dtype=dtype).ok, check(op, dtype=dtype)


@pytest.mark.parametrize("kind", ["csr", "coo", "array", "complex", "LinearOperator", "complex LinearOperator"])
def test_scipy(kind):
    sparse, linalg = pytest.importorskip("scipy.sparse"), pytest.importorskip("scipy.sparse.linalg")
    matrix = np.where(np.abs(M) > 0.5, Z if "complex" in kind else M, 0)
    make = {"csr": sparse.csr_matrix, "coo": sparse.coo_matrix, "array": sparse.csr_array, "complex": sparse.csr_matrix}
    obj = make[kind](matrix) if kind in make else linalg.aslinearoperator(matrix)
    op = as_operator(obj, in_shape=(1, 3, 4))
    assert op.in_dtype.is_complex == ("complex" in kind) and op.out_shape == (7,)
    x = random_image(op)
    np.testing.assert_allclose(op.A(x).numpy(), x.flatten(1).numpy() @ matrix.T, atol=1e-12)
    operator_laws(op)
    operator_laws(op, dtype=torch.float32)


def test_scipy_operator_without_adjoint_is_refused():
    linalg = pytest.importorskip("scipy.sparse.linalg")
    obj = linalg.LinearOperator((3, 4), matvec=lambda v: v[:3], dtype=float)
    with pytest.raises(TypeError, match="rmatvec"):
        as_operator(obj)


def test_matrices_are_what_they_were():
    torch.testing.assert_close(dense(as_operator(M))[0], torch.from_numpy(M))
    parameter = torch.nn.Parameter(torch.from_numpy(M))
    op = MatrixOperator(parameter)
    op.A(random_image(op)).sum().backward()
    assert parameter.grad is not None and [p is parameter for p in op.parameters()] == [True]


def test_our_operators_pass_through():
    op = Convolution()
    assert as_operator(op) is op and as_operator(op, in_shape=op.in_shape) is op
    with pytest.raises(ValueError, match="in_shape"):
        as_operator(op, in_shape=(1, 2, 2))


def test_module_functions_keep_their_parameters():
    layer = torch.nn.Conv2d(1, 2, 3, bias=False)
    op = as_operator(layer, in_shape=(1, 5, 5))
    assert [p is layer.weight for p in op.parameters()] == [True]
    y = random_data(op, dtype=torch.float32)
    torch.testing.assert_close(op.A_adjoint(y), torch.nn.functional.conv_transpose2d(y, layer.weight))


def test_the_doctor_finds_a_wrong_pair():
    op = as_operator(np_fft, in_shape=(1, 3, 4), adjoint=lambda y: 2 * np.fft.ifft2(y, norm="ortho"))
    assert "adjoint" in {f.name for f in check(op).failures}


def test_what_cannot_be_adapted_is_said():
    with pytest.raises(ValueError, match="in_shape"):
        as_operator(thin)
    with pytest.raises(ValueError, match="adjoint"):
        as_operator(np_fft, in_shape=(1, 3, 4))
    with pytest.raises(ValueError, match="adjoint"):
        as_operator(detached, in_shape=(1, 3, 4))
    with pytest.raises(ValueError, match="adjoint: only for functions"):
        as_operator(M, adjoint=thin)
    with pytest.raises(TypeError, match="cannot make an operator of str"):
        as_operator("radon")
    with pytest.raises(ValueError, match="in_shape"):
        as_operator(M, in_shape=(5, 5))
    with pytest.raises(ValueError, match="matrix"):
        as_operator(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="matrix"):
        as_operator(np.zeros(3))
    with pytest.raises(TypeError, match="function: failed"):
        FunctionOperator(lambda x: x @ np.zeros((9, 9)), in_shape=(1, 3, 4))


@pytest.fixture(scope="module")
def deepinv():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("deepinv")


@pytest.mark.filterwarnings("ignore")
def test_deepinv_physics(deepinv):
    kernel, mask = torch.rand(1, 1, 3, 3), (torch.rand(1, 6, 6) > 0.4).float()
    physics = {
        "inpainting": deepinv.physics.Inpainting((1, 6, 6), mask=mask, noise_model=deepinv.physics.GaussianNoise(0.5)),
        "circular blur": deepinv.physics.BlurFFT((1, 6, 6), filter=kernel / kernel.sum()),
        "padded blur": deepinv.physics.Blur(kernel / kernel.sum(), padding="constant"),
        "two-channel MRI": deepinv.physics.MRI(mask=mask, img_size=(2, 6, 6)),
    }
    closed = set()
    for name, p in physics.items():
        op = as_operator(p, in_shape=(2, 6, 6) if "MRI" in name else (1, 6, 6))
        assert isinstance(op, DeepinvOperator)
        for law in (linear_law, adjoint_law, normal_law, vjp_law, prox_law, dagger_law, scale_law, algebra_law):
            law(op, dtype=torch.float32)
        batch_law(op, dtype=torch.float32)
        assert check(op, dtype=torch.float32).failures == (), name
        closed |= {name} if op._closed_form else set()
    assert closed == {"inpainting", "circular blur", "two-channel MRI"}


@pytest.mark.filterwarnings("ignore")
def test_deepinv_noise_and_keywords_stay_outside(deepinv):
    physics = deepinv.physics.Inpainting(
        (1, 4, 4), mask=torch.ones(1, 4, 4), noise_model=deepinv.physics.GaussianNoise(1.0)
    )
    op, x = as_operator(physics), torch.rand(2, 1, 4, 4)
    assert torch.equal(op(x), x)  # no noise
    physics.A(x, mask=torch.zeros(1, 1, 4, 4))  # changes the physics, not our copy
    assert torch.equal(op(x), x)
    with pytest.raises(ValueError, match="in_shape"):
        as_operator(deepinv.physics.Blur(torch.ones(1, 1, 2, 2)))
    with pytest.raises(TypeError, match="only linear physics"):
        as_operator(deepinv.physics.Physics(), in_shape=(1, 4, 4))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["ADMM", "PGD", "HQS", "DRS", "FISTA"])
def test_our_operators_run_in_deepinv(deepinv, name):
    """Least squares with a quadratic prior: every deepinv solver reaches the dense optimum through our operator."""
    op = 0.3 * Weighted(torch.rand(1, 4, 4) + 0.5)
    y = random_data(op, batch=2, dtype=torch.float32)
    solver = getattr(deepinv.optim, name)(
        data_fidelity=deepinv.optim.L2(), prior=deepinv.optim.Tikhonov(), lambda_reg=0.5, stepsize=1.0, max_iter=400
    )
    x = solver(y, op)
    target = op.A_adjoint(y) / (op.A_adjoint_A(torch.ones_like(y)) + 0.5)
    if name == "HQS":  # solves a relaxed problem: finite and of the right sign is all that can be asked
        assert torch.isfinite(x).all() and float((x * target).min()) >= 0
    else:
        assert relative(x, target) < 1e-3


def test_sigpy():
    linop = pytest.importorskip("sigpy.linop", reason="needs sigpy: pip install 'pnp-imaging[test]'")
    mask = (np.random.default_rng(0).random((4, 5)) > 0.4).astype(np.float64)
    op = as_operator(linop.Multiply((4, 5), mask) * linop.FFT((4, 5)))
    operator_laws(op)
    x = random_image(op, batch=2)
    expected = torch.from_numpy(mask) * torch.fft.fftshift(
        torch.fft.fft2(torch.fft.ifftshift(x, (-2, -1)), norm="ortho"), (-2, -1)
    )
    assert relative(op(x)[:, None], expected) < 1e-6
    with pytest.raises(ValueError, match="in_shape"):
        as_operator(linop.FFT((4, 5)), in_shape=(1, 5, 5))


def test_pylops():
    pylops = pytest.importorskip("pylops", reason="needs pylops: pip install 'pnp-imaging[test]'")
    matrix = np.random.default_rng(0).standard_normal((7, 12))
    op = as_operator(pylops.MatrixMult(matrix), in_shape=(1, 3, 4))
    operator_laws(op)
    x = random_image(op, batch=2)
    assert relative(op(x), x.flatten(1) @ torch.from_numpy(matrix).T) < 1e-12


def test_sparse_tensors_and_foreign_arrays():
    dense = torch.randn(5, 12, dtype=torch.float64) * (torch.rand(5, 12) > 0.6)
    full = as_operator(dense, in_shape=(1, 3, 4))
    x = random_image(full)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls compressed layouts beta
        layouts = (dense.to_sparse(), dense.to_sparse_csr(), dense.to_sparse_csc())
        operators = [as_operator(sparse, in_shape=(1, 3, 4)) for sparse in layouts]
    for op in operators:
        operator_laws(op)
        assert relative(op(x), full(x)) < 1e-14
    swapped = dense.numpy().astype(">f8")[::-1]
    assert relative(as_operator(swapped, in_shape=(1, 3, 4))(x), full(x).flip(1)) < 1e-14


def test_deepinv_adjoint_of_another_shape(deepinv):
    lopsided = deepinv.physics.LinearPhysics(A=lambda x: x[..., ::2], A_adjoint=lambda y: y)
    with pytest.raises(ValueError, match="in_shape: the adjoint gives"):
        as_operator(lopsided, in_shape=(1, 8, 8))


def test_deepinv_shapes_without_channels(deepinv):
    pytest.importorskip("torchkbnufft", reason="deepinv's radio operator needs torchkbnufft")
    points = torch.rand(2, 40) * 2 - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchkbnufft's compiled functions
        physics = deepinv.physics.RadioInterferometry(img_size=(8, 8), samples_loc=points)
        assert as_operator(physics).in_shape == (1, 8, 8)


class Flat(scipy.sparse.linalg.LinearOperator):
    """Takes and gives vectors of one axis, like astra's OpTomo: columns (N, 1) do not fit it."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix
        super().__init__(matrix.dtype, matrix.shape)

    def _matvec(self, x):
        assert x.ndim == 1
        return self.matrix @ x

    def _rmatvec(self, x):
        assert x.ndim == 1
        return self.matrix.conj().T @ x


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_operators_of_flat_vectors(dtype):
    matrix = np.random.default_rng(0).normal(size=(5, 12)).astype(dtype)
    op = as_operator(Flat(matrix), in_shape=(1, 3, 4))
    x = random_image(op, batch=3)
    assert np.allclose(op(x).numpy(), x.flatten(1).numpy() @ matrix.T)
    assert np.allclose(op.A_adjoint(op(x)).flatten(1).numpy(), op(x).numpy() @ matrix.conj())
    operator_laws(op)


def test_astras_projector_is_its_own_matrix():
    astra = pytest.importorskip("astra", reason="needs astra-toolbox: pip install 'pnp-imaging[test]'")
    volume = astra.create_vol_geom(8, 8)
    lines = astra.create_proj_geom("parallel", 1.0, 13, np.linspace(0, np.pi, 6, False))
    projector = astra.OpTomo(astra.create_projector("strip", lines, volume))
    matrix = np.stack([projector.FP(e.reshape(8, 8)).ravel() for e in np.eye(64, dtype=np.float32)], 1)
    op = as_operator(projector, in_shape=(1, 8, 8))
    x = torch.rand(2, 1, 8, 8)
    assert np.allclose(op(x).numpy(), x.flatten(1).numpy() @ matrix.T, atol=1e-5)
    assert np.allclose(op.A_adjoint(op(x)).flatten(1).numpy(), op(x).numpy() @ matrix, atol=1e-4)


@pytest.mark.parametrize(
    ("adjoint", "words"),
    [
        (lambda y: y, r"adjoint: expected \(3, 1, 4, 4\) for a batch of 3, it gave \(3, 1, 4, 2\)"),
        (
            lambda y: torch.cat((y, y), -1)[:1],
            r"adjoint: expected \(3, 1, 4, 4\) for a batch of 3, it gave \(1, 1, 4, 4\)",
        ),
        (lambda y: torch.cat((y, y), -1).sum(0), r"adjoint: expected .*, it gave \(1, 4, 4\)"),
        (lambda y: torch.cat((y, y), -1).long(), "adjoint: expected floating point values, it gave torch.int64"),
        (lambda y: [y], "adjoint: expected a tensor, it gave list"),
    ],
)
def test_adjoints_of_another_shape_are_named(adjoint, words):
    class Thin:
        in_shape, A, A_adjoint = (1, 4, 4), staticmethod(thin), staticmethod(adjoint)

    for op in (as_operator(Thin()), as_operator(thin, in_shape=(1, 4, 4), adjoint=adjoint)):
        with pytest.raises((ValueError, TypeError), match=words):
            op.A_adjoint(torch.ones(3, 1, 4, 2))
    with pytest.raises((ValueError, TypeError), match=words.partition(" it gave")[0].replace("3", "[0-9]")):
        PnPADMM(Thin(), lambda x, sigma: x, noise_std=0.1).solve(torch.ones(3, 1, 4, 2))


@pytest.mark.parametrize("language", [torch, np])
def test_functions_that_lose_the_batch_are_named(language):
    for function in (lambda x: x[0], lambda x: x.sum(), lambda x: x.reshape(-1)):
        call = function if language is torch else lambda x, f=function: np.asarray(f(np.asarray(x)))
        with pytest.raises(ValueError, match="function: expected .* for a batch of 2, it gave"):
            as_operator(call, in_shape=(1, 4, 4), adjoint=lambda y: y)


def test_functions_keep_the_precision_of_their_images():
    table = torch.linspace(0, 1, 4, dtype=torch.float64)
    op = as_operator(lambda x: table * x, in_shape=(1, 4, 4))
    assert op.A(torch.ones(1, 1, 4, 4)).dtype == op.A_adjoint(torch.ones(1, 1, 4, 4)).dtype == torch.float32
