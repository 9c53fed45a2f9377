"""Unrolled solvers and derivatives at the fixed point."""

import pytest
import torch
from torch import nn

from denoisers import LoFiDenoiser
from operators import MRI, Blur, Identity, Inpainting, gaussian_kernel, gaussian_noise, random_columns, random_mask
from pnp import Expert, PnPADMM, PnPHQS, Stop
from pnp.train import fit_untrained
from pnp.train.unrolled import FixedPoint, Unrolled


class Smooth(nn.Module):
    """A linear denoiser with a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))

    def forward(self, x, sigma):
        mean = sum(x.roll(s, a) for s, a in ((1, -1), (-1, -1), (1, -2), (-1, -2))) / 4
        return (1 - self.share) * x + self.share * mean


def problem(op, complex_image: bool = False):
    g = torch.Generator().manual_seed(0)
    kind = torch.complex128 if complex_image else torch.float64
    x = torch.randn(2, *op.in_shape, generator=g, dtype=kind)
    return x, gaussian_noise(op.A(x), 0.05)


CASES = {
    "inpainting": (Inpainting(random_mask((8, 8), 0.6, seed=0)), False),
    "blur": (Blur(gaussian_kernel(1.0), (8, 8)), False),
    "mri": (MRI(random_columns((8, 8), 2.0, 0.2, seed=0)), True),
}


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
@pytest.mark.parametrize("name", CASES)
def test_unrolled_starts_as_the_solver(method, name):
    op, is_complex = CASES[name]
    _, y = problem(op, is_complex)
    solver = method(op, Smooth(), noise_std=0.05, stop=Stop(max_iter=6, tolerance=0))
    assert torch.allclose(Unrolled(solver, 6)(y), solver.solve(y).state.x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
@pytest.mark.parametrize("name", CASES)
def test_fixed_point_has_the_derivative_of_very_many_steps(method, name):
    op, is_complex = CASES[name]
    x, y = problem(op, is_complex)
    found = []
    for implicit in (True, False):
        denoiser = Smooth()
        solver = method(op, denoiser, noise_std=0.05, calibration=(5.0, 0.0), stop=Stop(max_iter=1500, tolerance=1e-12))
        data = y.clone().requires_grad_()
        model = FixedPoint(solver, rtol=1e-10, max_iter=2000) if implicit else solver.train()
        answer = model(data) if implicit else solver.solve(data).state.x
        loss = (answer - x).abs().square().sum()
        found.append(torch.autograd.grad(loss, (data, denoiser.share)))
    for a, b in zip(*found):
        assert (a - b).abs().max() < 1e-4 * b.abs().max()


def test_steps_have_priors_of_their_own():
    op, _ = CASES["inpainting"]
    _, y = problem(op)
    solver = PnPHQS(op, Smooth(), noise_std=0.05)
    shared, separate = Unrolled(solver, 3), Unrolled(solver, 3, priors="separate")
    assert torch.equal(separate(y), shared(y))  # copies, at the beginning
    shares = [p for name, p in separate.named_parameters() if name.endswith("share")]
    assert len(shares) == 3 and sum(name.endswith("share") for name, _ in shared.named_parameters()) == 1
    slopes = torch.autograd.grad(separate(y).square().sum(), shares)
    together = torch.autograd.grad(shared(y).square().sum(), list(solver.denoiser.parameters()))[0]
    assert torch.allclose(sum(slopes, torch.zeros(())), together, rtol=1e-9) and all(s.abs() > 0 for s in slopes)
    with torch.no_grad():
        shares[-1].add_(0.5)
    assert not torch.allclose(separate(y), shared(y))


def test_unrolling_learns_and_keeps_units():
    op = Inpainting(random_mask((16, 16), 0.5, seed=1))
    rows = torch.linspace(0, 1, 16)
    x = (rows[:, None] * rows).expand(1, 1, 16, 16)
    y = gaussian_noise(op.A(x), 0.05)
    torch.manual_seed(0)
    denoiser = LoFiDenoiser()
    denoiser.requires_grad_(True)
    model = Unrolled(PnPADMM(op, denoiser), 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = (model(y) - x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is not None for p in (model.log_rho, model.log_sigma))
    with torch.no_grad():
        assert torch.allclose(model(1e4 * y), 1e4 * model(y), rtol=1e-3, atol=1.0)


def test_bad_arguments_and_divergence():
    op = Inpainting(random_mask((8, 8), 0.6, seed=0))
    with pytest.raises(ValueError, match="iterations"):
        Unrolled(PnPADMM(op, Smooth()), 0)
    with pytest.raises(ValueError, match="priors"):
        Unrolled(PnPADMM(op, Smooth()), 2, priors="own")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="expert"):
        Unrolled(PnPADMM(op, Smooth(), expert=Expert(1.0, 0.1)), 2)
    _, y = problem(op)
    model = FixedPoint(PnPADMM(op, Smooth(), noise_std=0.05), rtol=1e-14, max_iter=1)
    with pytest.raises(RuntimeError, match="derivative"):
        model(y.clone().requires_grad_()).sum().backward()
    with torch.no_grad():
        assert not model(y).requires_grad


def test_a_fixed_point_that_was_not_reached_is_said():
    op = Inpainting(random_mask((8, 8), 0.6, seed=0))
    _, y = problem(op)
    model = FixedPoint(PnPADMM(op, Smooth(), noise_std=0.05, stop=Stop(max_iter=2)))
    with pytest.warns(RuntimeWarning, match="no fixed point"):
        assert model(y.clone().requires_grad_()).requires_grad


@pytest.mark.parametrize("kind", [lambda solver: Unrolled(solver, 3), FixedPoint])
def test_lists_of_data_and_operators_of_their_own(kind):
    ops = [Inpainting(random_mask((8, 8), 0.6, seed=k)) for k in range(2)]
    data = [problem(op)[1][:1] for op in ops]
    model = kind(PnPADMM(ops[0], Smooth(), noise_std=0.05))
    both = model(data, ops)
    assert both.shape == (2, 1, 8, 8)
    for k in range(2):
        assert torch.equal(both[k : k + 1], model(data[k], ops[k]))
    with pytest.raises(ValueError, match="as many operators"):
        model(data, ops[:1])


def small_net(dtype=torch.float32) -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))
    return nn.Sequential(*layers).to(dtype)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_untrained_fits_follow_the_units(unit):
    op = Blur(gaussian_kernel(1.0), (12, 12))
    rows = torch.linspace(0, 1, 12, dtype=torch.float64)
    y = op.A((rows[:, None] * rows).expand(1, 1, 12, 12))
    plain, scaled = (list(fit_untrained(small_net(torch.float64), c * y, op, steps=40, rate=1e-2)) for c in (1.0, unit))
    assert torch.allclose(scaled[-1].x, unit * plain[-1].x, rtol=1e-6)
    assert scaled[-1].misfit == pytest.approx(unit**2 * plain[-1].misfit, rel=1e-6)
    assert plain[-1].misfit < 0.2 * plain[0].misfit
    assert plain[0].misfit == pytest.approx((op.A(plain[0].x) - y).square().mean().item())


def test_untrained_fits_of_other_precisions_and_shapes():
    op = Identity((8, 8))
    y = torch.rand(1, 1, 8, 8, dtype=torch.float64)
    assert [fit.x.dtype for fit in fit_untrained(small_net(), y, op, steps=1)] == [torch.float64]
    assert all(not fit.x.isnan().any() for fit in fit_untrained(small_net(), 0 * y, op, steps=2))
    for wrong in (y[..., :7], y.expand(2, -1, -1, -1), y / 0):
        with pytest.raises(ValueError, match="^y: "):
            next(fit_untrained(small_net(), wrong, op))
