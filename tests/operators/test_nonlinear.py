"""Operators that are not linear: derivatives, their adjoints, and solves by every method that takes them."""

import pytest
import torch
from torch import Tensor

from denoisers import TVDenoiser
from operators import BeerLambert, Identity, KaiserSquires, Operator, PhaseRetrieval, Radon, ReducedShear
from operators.linalg import dot
from pnp import RED, Gaussian, PnPADMM, PnPDRS, PnPFISTA, PnPHQS, PnPPDHG, PnPPGD, Stop
from tests.contracts import random_image, relative


class Cubed(Operator):
    """No derivative of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.in_shape = (1, 6, 6)

    def A(self, x: Tensor) -> Tensor:
        return (x + x**3)[..., :4]


def masks(count: int = 4, side: int = 6) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.exp(2j * torch.pi * torch.rand(count, side, side, generator=g, dtype=torch.float64))


CASES = {
    "phase": lambda: PhaseRetrieval(masks()),
    "absorber": lambda: BeerLambert(0.2 * Radon(6, torch.arange(5) * 0.6), intensity=3.0),
    "reduced shear": lambda: ReducedShear(KaiserSquires((6, 6))),
    "derived": Cubed,
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name):
    op = CASES[name]().double()
    x = 0.3 * random_image(op, batch=2, seed=1)
    direction = random_image(op, batch=2, seed=2)
    step, slope = 1e-6, op.linearised(x)
    difference = (op.A(x + step * direction) - op.A(x - step * direction)) / (2 * step)
    assert relative(slope.A(direction), difference) < 1e-6
    y = torch.randn_like(difference)
    assert torch.allclose(dot(slope.A(direction), y), dot(direction, slope.A_adjoint(y)), rtol=1e-9)
    assert slope.out_shape == op.out_shape == tuple(difference.shape[1:])
    assert op(x).dtype == difference.dtype


def test_linear_operators_are_their_own_derivative():
    op = Identity((4, 4))
    assert op.linearised(torch.zeros(1, 1, 4, 4)) is op


def test_phases_are_retrieved_up_to_a_common_one():
    side = 16
    rows = torch.linspace(-1, 1, side, dtype=torch.float64)
    x = ((rows[:, None] ** 2 + rows**2 < 0.6) * torch.exp(1j * rows))[None, None] + 0.1
    op = PhaseRetrieval(masks(4, side)).double()
    clean = op(x)
    y = clean + 0.02 * torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def error(v: Tensor) -> float:
        common = (v.conj() * x).sum()
        return relative(v * common / common.abs(), x)

    start = op.first_image(y)
    for method in (PnPADMM, PnPHQS):
        answer = method(Gaussian(op, 0.02), TVDenoiser().double(), stop=Stop(1e-3, 60))(y)
        assert error(answer) < 0.03 < error(start) < 0.9
    with pytest.raises(ValueError, match="masks"):
        PhaseRetrieval(masks()[0])


@pytest.mark.parametrize("method", [PnPADMM, PnPDRS, PnPPGD, PnPFISTA, RED])
def test_an_absorber_is_seen_through(method):
    side = 16
    x = torch.zeros(1, 1, side, side, dtype=torch.float64)
    x[..., 5:11, 4:12] = 1.0
    lines = (0.15 * Radon(side, torch.arange(12) * (torch.pi / 12))).double()
    op = BeerLambert(lines, intensity=2.0).double()
    y = op(x)
    y = y + 0.005 * torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = method(op, TVDenoiser().double(), noise_std=0.005, stop=Stop(1e-3, 150))(y)
    assert relative(found, x) < (0.12 if method is not RED else 0.25)


def test_what_they_are_refused_by_says_so():
    op = BeerLambert(Radon(6, torch.arange(5) * 0.6))
    y = op(torch.zeros(1, *op.in_shape))
    with pytest.raises(TypeError, match="PnPPDHG needs a linear operator"):
        PnPPDHG(op, TVDenoiser(), noise_std=0.1)(y)
    with pytest.raises(ValueError, match="noise_std: an operator that is not linear needs one"):
        PnPADMM(op, TVDenoiser())(y)
    with pytest.raises(TypeError, match="one value a datum needs a linear operator"):
        Gaussian(op, torch.ones(1, *op.out_shape))
    with pytest.raises(TypeError, match="line integrals"):
        BeerLambert(op)  # pyright: ignore
    with pytest.raises(ValueError, match="intensity"):
        BeerLambert(Radon(6, torch.arange(5) * 0.6), intensity=0.0)
