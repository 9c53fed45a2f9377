"""Every check of the table on every operator, and what is too slow for all: compiling, loaders, deepinv's solvers."""

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from operators import to_deepinv

from ..contracts import dense, random_data, random_image, relative
from ..operators.cases import OPERATORS
from .checks import CHECKS, compiles


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("check", CHECKS)
def test_check(check, name):
    CHECKS[check](OPERATORS[name](), OPERATORS[name])


@pytest.mark.filterwarnings("ignore")  # torch's own, of what it compiles
@pytest.mark.parametrize(("name", "backend"), [("radon", "eager"), ("nufft", "aot_eager"), ("derived", "eager")])
def test_compiled(name, backend):
    compiles(OPERATORS[name](), backend)


class Measured(Dataset):
    """Data of each operator, and what comes back of them."""

    def __init__(self) -> None:
        self.operators = {name: make() for name, make in OPERATORS.items() if name != "matrix"}

    def __len__(self) -> int:
        return len(self.operators)

    def __getitem__(self, index: int) -> torch.Tensor:
        op = [*self.operators.values()][index]
        return op.A_adjoint_A(op.A_adjoint(op.A(random_image(op, batch=1))))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loaders_measure_in_other_processes(method):
    measured = Measured()
    if method == "fork":  # PyTorch: what uses autograd cannot be forked, and a derived adjoint does
        del measured.operators["derived"]
    expected = [measured[i] for i in range(len(measured))]  # used here first: locks, plans and threads exist
    loader = DataLoader(measured, batch_size=None, num_workers=1, multiprocessing_context=method)
    found = list(loader)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert relative(a, b) < 1e-12


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("name", ["radon", "blur, zeros around", "radio"])
def test_deepinvs_solvers_end_where_the_matrix_does(name, wrapped):
    """Tikhonov, min |Ax - y|² / 2 + w |x|² / 2, by five methods: of the operator itself, and of it as a physics."""
    optim = pytest.importorskip("deepinv.optim")
    op = OPERATORS[name]()
    y, weight = random_data(op, batch=2), 0.3 * op.norm() ** 2
    m = dense(op)[0]
    normal = m.T @ m + weight * torch.eye(m.shape[1]).double()
    flat = torch.view_as_real(y).flatten(1) if y.is_complex() else y.flatten(1)
    expected = torch.linalg.solve(normal, (flat @ m).T).T.reshape(2, *op.in_shape)
    for method in ("PGD", "FISTA", "GD", "ADMM", "DRS"):
        solver = getattr(optim, method)(
            data_fidelity=optim.L2(), prior=optim.Tikhonov(), lambda_reg=weight, max_iter=200,
            stepsize=1 / weight if method in ("ADMM", "DRS") else 0.25 / weight,
        )  # fmt: skip
        assert relative(solver(y, to_deepinv(op) if wrapped else op), expected) < 1e-4, method
