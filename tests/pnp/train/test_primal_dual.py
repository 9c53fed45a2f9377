"""Learned primal-dual: zero networks, the exact adjoint, derivatives, units, batches."""

import pytest
import torch
from torch import nn

from operators import MRI, Identity, Radon
from pnp.train import PrimalDual

OP = Radon(8, torch.arange(6) * (torch.pi / 6))
X = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = OP.A(X)


def model(iterations: int = 2, **settings) -> PrimalDual:
    """With weights that are not zero anywhere."""
    torch.manual_seed(0)
    made = PrimalDual(OP, iterations, memory=2, width=3, **settings).double()
    for p in made.parameters():
        nn.init.normal_(p, std=0.3)
    return made


@pytest.mark.parametrize("start", [None, lambda op, y: op.fbp(y)])
def test_networks_that_are_zero_return_the_start(start):
    zero = model(3, start=start)
    for p in zero.parameters():
        nn.init.zeros_(p)
    expected = torch.zeros_like(X) if start is None else OP.fbp(Y)
    assert torch.equal(zero(Y), expected)


class Combine(nn.Module):
    """Multiples of some channels, in the first and the second channel alike."""

    def __init__(self, **weights: float) -> None:
        super().__init__()
        self.weights = {int(name[1:]): value for name, value in weights.items()}

    def forward(self, z):
        return sum(a * z[:, i : i + 1] for i, a in self.weights.items()).expand(-1, 2, -1, -1)  # pyright: ignore[reportAttributeAccessIssue]


def test_linear_networks_are_the_method_in_dense_algebra():
    """h <- h + s (K f - g), f <- f - t K* h with the matrix of K and its transpose, to the last digits."""
    s, t, linear = 0.7, 0.4, model(3)
    linear.dual = nn.ModuleList(Combine(c2=s, c3=-s) for _ in range(3))  # channels: h, h, K f, g
    linear.primal = nn.ModuleList(Combine(c2=-t) for _ in range(3))  # f, f, K* h
    matrix = OP.A(torch.eye(64, dtype=torch.float64).reshape(64, 1, 8, 8)).flatten(1).T
    norm = OP.norm()
    assert norm == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)), rel=1e-2)
    matrix, data = matrix / norm, Y.flatten(1).T / norm
    f, h = torch.zeros(64, 2, dtype=torch.float64), torch.zeros_like(data)
    for _ in range(3):
        h = h + s * (matrix @ f - data)
        f = f - t * matrix.T @ h
    assert torch.allclose(linear(Y).flatten(1).T, f, rtol=0, atol=1e-9 * float(f.abs().max()))


def test_derivatives_are_those_of_finite_differences():
    made = model()
    weights = {name: p.detach().requires_grad_() for name, p in made.named_parameters()}
    names = [n for n in weights if n.startswith(("dual.0.0", "primal.1.4"))]

    def answer(y, *chosen):
        return torch.func.functional_call(made, dict(zip(names, chosen)), (y,))

    given = (Y[:1].clone().requires_grad_(), *(weights[n] for n in names))
    assert torch.autograd.gradcheck(answer, given, eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)


def test_answers_follow_units_and_do_not_depend_on_the_batch():
    made = model().requires_grad_(False)
    both = made(Y)
    assert float(both.abs().max()) > 0 and not torch.allclose(both[0], both[1])
    for c in (1e-8, 1e8):
        assert torch.allclose(made(c * Y), c * both, rtol=1e-9)
    assert torch.allclose(torch.cat([made(Y[:1]), made(Y[1:])]), both, rtol=1e-9)
    few = Radon(8, OP.angles[:4], OP.detector_count)
    lists = made([Y[:1], few.A(X[1:])], [OP, few])
    assert torch.allclose(lists[:1], both[:1], rtol=1e-9) and lists.shape == both.shape
    assert torch.equal(made(0 * Y), 0 * X)


def test_bad_arguments():
    with pytest.raises(ValueError, match="memory"):
        PrimalDual(OP, memory=1)
    with pytest.raises(ValueError, match="iterations"):
        PrimalDual(OP, 0)
    with pytest.raises(TypeError, match="real images"):
        PrimalDual(MRI(torch.ones(8, 8)))
    with pytest.raises(TypeError, match="real images"):
        PrimalDual(Identity((8, 8), channels=3))
    with pytest.raises(ValueError, match="y: "):
        model()(Y[..., :-1])
