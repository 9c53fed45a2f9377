"""Compiled solvers give what they gave, and stay as they are where nothing compiles."""

import copy
from typing import Any

import pytest
import torch

from denoisers import Bounded, DRUNet, DRUNetDenoiser, LoFiDenoiser
from denoisers.evaluation.precision import rounded
from operators import Identity, Inpainting, random_mask
from pnp import Anderson, PnPADMM, PnPHQS, PnPMACE, Stop

MASK = random_mask((16, 16), 0.6, seed=0)


def half(x, sigma):
    return (x + x.mean((-2, -1), keepdim=True)) / 2


def small() -> DRUNetDenoiser:
    """Random weights: a network that is quick to trace."""
    torch.manual_seed(0)
    denoiser = DRUNetDenoiser(None, preset="fast", precision="float32").eval().requires_grad_(False)
    denoiser.net = DRUNet(2, 1, widths=(8, 16), blocks=1, skips="within").eval().requires_grad_(False)
    denoiser.net.tail.weight.normal_(0, 0.05)
    return denoiser


@pytest.fixture
def y() -> torch.Tensor:
    torch.manual_seed(0)
    return MASK * torch.rand(2, 1, 16, 16)


def test_the_same_answers(y):
    denoiser = Bounded(small(), low=0.0)
    solver = PnPADMM(Inpainting(MASK), denoiser, noise_std=0.05, stop=Stop(0.0, 3))
    wanted = solver.solve(y)
    assert solver.compile(backend="aot_eager") is solver
    found, inner = solver.solve(y), solver.denoiser
    assert float((found.x - wanted.x).abs().max()) < 1e-5 and found.reasons == wanted.reasons
    assert isinstance(inner, Bounded) and inner.denoiser._compiled and not denoiser.denoiser._compiled
    again = copy.deepcopy(solver)  # without what was compiled, which is compiled again
    assert isinstance(again.denoiser, Bounded) and not again.denoiser.denoiser._compiled
    start = y.clone().requires_grad_()
    solver.solve(start).x.sum().backward()  # derivatives go through the network as it stands
    assert start.grad is not None and bool(torch.isfinite(start.grad).all())


def test_precision_is_that_of_the_moment(monkeypatch):
    monkeypatch.setattr("denoisers.trained.drunet.has_bfloat16", lambda device: True)
    denoiser, x = small(), torch.rand(1, 1, 16, 16)
    denoiser.precision = "auto"
    compiled = denoiser.compiled(backend="eager")
    for error in (0.0, float("inf"), 0.0):
        with rounded(error):
            assert float((compiled(x, 0.1) - denoiser(x, 0.1)).abs().max()) < (1e-6 if error == 0 else 5e-3)
    assert sorted(compiled._compiled) == [False, True]
    with torch.no_grad():
        denoiser.net.tail.weight.zero_()  # shared
    with rounded(0.0):
        assert torch.equal(compiled(x, 0.1), x)


def test_every_denoiser_of_every_solver(y):
    for make in (
        lambda: Anderson(PnPHQS(Identity((16, 16)), half, noise_std=0.05, stop=Stop(0.0, 26))),
        lambda: PnPMACE(Identity((16, 16)), [half, lambda x, sigma: x / 2], noise_std=0.05, stop=Stop(0.0, 10)),
    ):
        solver: Any = make()
        wanted, kept = solver.solve(y).x, list(getattr(solver, "denoisers", [solver.denoiser]))
        assert torch.allclose(solver.compile(backend="eager").solve(y).x, wanted, atol=1e-6)
        now = list(getattr(solver, "denoisers", [solver.denoiser]))
        assert all(a is not b for a, b in zip(kept, now, strict=True)) and solver.denoiser is now[0]
        assert not hasattr(solver, "solver") or solver.solver.denoiser is solver.denoiser


def test_where_nothing_compiles():
    def broken(graph, inputs):
        raise RuntimeError("no compiler")

    solver = PnPADMM(Inpainting(MASK), half, noise_std=0.05)
    kept = solver.denoiser
    with pytest.warns(RuntimeWarning, match=r"the compiler does not work here .*the solver stays as it is"):
        solver.compile(backend=broken)
    assert solver.denoiser is kept
    solver = PnPADMM(Inpainting(MASK), LoFiDenoiser("natural-gray-fast"), noise_std=0.05)
    with pytest.warns(RuntimeWarning, match="LoFiDenoiser: evaluates its network in a way of its own"):
        solver.compile(backend="eager")
