"""What a script sets for torch as a whole does not change what is worked out from its data."""

import contextlib

import pytest
import torch

from denoisers import DRUNetDenoiser, TVDenoiser
from operators import MRI, Blur, Identity, Radon, gaussian_noise, random_columns
from pnp import PnPADMM, PnPPDHG, Poisson, Result, Stop, data, estimate_noise

from ..operators.cases import OPERATORS, random

SIDE = 24
SOLVED = {
    "counts": lambda: PnPPDHG(Poisson(Identity((SIDE, SIDE)), photons=200.0), TVDenoiser(), stop=Stop(0.0, 26)),
    "blur": lambda: PnPADMM(Blur(torch.ones(3, 3) / 9, (SIDE, SIDE)), stop=Stop(0.0, 26)),
    "mri": lambda: PnPADMM(MRI(random_columns((SIDE, SIDE), 3.0, 0.1)), stop=Stop(0.0, 26)),
    "ct": lambda: PnPADMM(Radon(SIDE, torch.arange(24) * (torch.pi / 24)), DRUNetDenoiser(), stop=Stop(0.0, 26)),
}


@pytest.fixture(params=["double", "elsewhere"])
def default(request):
    """Double precision, or a device without memory, on which nothing can be worked out."""
    return torch.device("meta") if request.param == "elsewhere" else double()


@contextlib.contextmanager
def double():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_work_where_their_data_are(name, default):
    op = OPERATORS[name]()
    x = random(2, *op.in_shape, dtype=torch.complex64 if op.in_dtype.is_complex else torch.float32)

    def found() -> list:
        y = op.A(x)
        return [y, op.A_adjoint(y), op.A_adjoint_A(x), op.prox_l2(x, y, 0.7)]

    wanted, norm = found(), OPERATORS[name]().norm()
    with default:
        again = found()
        assert op.norm() == norm
    assert all(torch.equal(a, b) for a, b in zip(again, wanted))


@pytest.mark.parametrize("name", SOLVED)
def test_solves_give_the_same_bits(name, default):
    solver = SOLVED[name]()
    x = data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE]
    clean = solver.op.A(x.to(torch.complex64) if solver.op.in_dtype.is_complex else x)
    y = (200 * clean).round() if name == "counts" else gaussian_noise(clean, 0.03)

    def found() -> tuple[Result, tuple[torch.Tensor, str]]:
        return solver.solve(y), estimate_noise(solver.op, y)

    wanted, (level, how) = found()
    with default:
        again, (same, source) = found()
        words = str(again)
    assert torch.equal(again.x, wanted.x) and torch.equal(level, same) and how == source and words == str(wanted)
