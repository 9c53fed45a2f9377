"""When a solve keeps a graph, and when it must not: iterating, continuing, autocast, inference mode, half precision."""

import gc

import pytest
import torch

from denoisers import LoFiDenoiser, TVDenoiser
from operators import MRI, Inpainting, gaussian_noise, random_mask
from pnp import PnPADMM, PnPHQS, Stop
from tests.operators.cases import Convolution

Y = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def lofi() -> LoFiDenoiser:
    return LoFiDenoiser(preset="fast", weights=None).requires_grad_().eval()


def graphs() -> int:
    """Tensors alive that hold a graph."""
    gc.collect()
    return sum(type(o) is torch.Tensor and o.grad_fn is not None for o in gc.get_objects())


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
def test_iterating_keeps_no_graph_that_solving_does_not_keep(method):
    solver = method(Inpainting(random_mask((16, 16), 0.6)), lofi(), noise_std=0.05, stop=Stop(max_iter=3, tolerance=0))
    states = solver.iterate(Y)
    first = next(states)
    before = graphs()
    last = [next(states) for _ in range(2)][-1]
    assert graphs() == before and torch.is_grad_enabled()
    assert not (first.x.requires_grad or last.x.requires_grad)
    result = solver.solve(Y)
    assert torch.equal(result.x, last.x) and not result.x.requires_grad
    y = Y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(next(solver.iterate(y)).x.sum(), y)
    assert slope.abs().sum() > 0
    tracked = next(solver.train().iterate(Y))
    assert tracked.x.requires_grad


@pytest.mark.parametrize("derived", [True, False])
def test_no_grad_holds_inside_of_derived_adjoints(derived):
    op = Convolution((16, 16)) if derived else Inpainting(random_mask((16, 16), 0.6))
    solver = PnPADMM(op, TVDenoiser(), noise_std=0.05, stop=Stop(max_iter=2, tolerance=0))
    y = op.A(Y).detach()
    with torch.no_grad():
        assert not op.A_adjoint(y).requires_grad and not op.prox_l2(Y, y, 1.0).requires_grad
        result = solver.solve(y)
    assert not (result.x.requires_grad or result.state.facts.back.requires_grad)


@pytest.mark.parametrize("way", ["solve", "iterate"])
def test_a_continued_solve_checks_the_mode_and_the_data(way):
    denoiser = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.BatchNorm2d(1)).eval()
    solver = PnPADMM(Inpainting(random_mask((16, 16), 0.6)), lambda x, s: x, noise_std=0.05, stop=Stop(max_iter=1))
    solver.denoiser.net = denoiser
    state = solver.solve(Y).state

    def more(y):
        return next(solver.iterate(y, state=state)) if way == "iterate" else solver.solve(y, state=state)

    more(Y)
    with pytest.raises(ValueError, match="state: belongs to other data"):
        more(Y.flip(-1))
    denoiser.train()
    with pytest.raises(ValueError, match=r"denoiser: its BatchNorm2d is in training mode; call denoiser.eval\(\)"):
        more(Y)


def test_solves_under_autocast_and_in_inference_mode():
    op = MRI(random_mask((16, 16), 0.6), torch.rand(2, 16, 16) + 0j)
    y = gaussian_noise(op(Y + 0j), 0.02)
    plain = PnPADMM(op, TVDenoiser(), noise_std=0.02)(y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.allclose(PnPADMM(op, TVDenoiser(), noise_std=0.02)(y), plain, atol=1e-6)
        low = PnPADMM(op, LoFiDenoiser(), noise_std=0.02)(y)
    assert low.dtype == y.dtype and torch.isfinite(torch.view_as_real(low)).all()
    assert (low - PnPADMM(op, LoFiDenoiser(), noise_std=0.02)(y)).norm() < 0.02 * low.norm()
    with torch.inference_mode():
        solver = PnPADMM(op, TVDenoiser(), noise_std=torch.full((1, *op.out_shape), 0.02))
        solver(y)
    y = y.clone().requires_grad_()
    (slope,) = torch.autograd.grad(solver(y).abs().sum(), y)
    assert torch.isfinite(torch.view_as_real(slope)).all() and slope.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_named(dtype):
    solver = PnPADMM(Inpainting(random_mask((16, 16), 0.6)), TVDenoiser(), noise_std=0.05)
    low = Y.to(dtype)
    for call in (lambda: solver(low), lambda: solver.solve(Y, x0=low), lambda: solver.begin(low)):
        with pytest.raises(TypeError, match=r"^(y|x0): expected .*single or double precision, got torch.*float16"):
            call()
