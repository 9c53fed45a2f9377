"""Things in each other's places, and words where numbers belong: told by the argument's name."""
# pyright: reportArgumentType=false

import numpy as np
import pytest
import torch

from denoisers import TVDenoiser
from operators import Blur, Identity
from pnp import (
    RED,
    Expert,
    FinerGrid,
    Gaussian,
    PnPADMM,
    PnPHQS,
    Poisson,
    Stop,
    Transmission,
    choose_denoiser,
    choose_strength,
    data_support,
    estimate_noise,
    noise_doubt,
    tv_reconstruction,
    uncertainty,
)

OP, TV = Identity((6, 7)), TVDenoiser()
Y = torch.linspace(0, 1, 42).reshape(1, 1, 6, 7)
SOLVER = PnPADMM(OP, TV, noise_std=0.1, stop=Stop(max_iter=2))

CASES = {
    "denoiser first": (lambda: PnPADMM(TV, OP), "op: got a denoiser.*order"),
    "denoiser as another operator": (lambda: SOLVER.with_op(TV), "op: got a denoiser"),
    "solver first": (lambda: PnPHQS(SOLVER, TV), "op: got a solver"),
    "data first": (lambda: PnPADMM(Y, TV), "op: expected an operator"),
    "class of operators": (lambda: PnPADMM(Blur, TV), "class Blur"),
    "solver as denoiser": (lambda: RED(OP, SOLVER), "denoiser: got PnPADMM"),
    "likelihood as denoiser": (lambda: PnPADMM(OP, Gaussian(OP)), "denoiser: got Gaussian"),
    "start as a list": (lambda: SOLVER.solve(Y, x0=[1.0]), "x0: expected a torch.Tensor"),
    "start as an array": (lambda: SOLVER.solve(Y, x0=Y.numpy()), "x0: expected a torch.Tensor"),
    "checkpoint": (lambda: SOLVER.solve(Y, checkpoint=3), "checkpoint"),
    "noise of booleans": (lambda: PnPADMM(OP, TV, noise_std=torch.tensor([True])), "noise_std"),
    "noise of numpy's booleans": (lambda: PnPADMM(OP, TV, noise_std=np.bool_(True)), "noise_std"),
    "tolerance": (lambda: Stop(tolerance="tight"), "tolerance"),
    "growth": (lambda: Stop(growth=None), "growth"),
    "expert": (lambda: PnPADMM(OP, TV, expert=Expert(True, 0.1)), "expert: rho"),
    "counts' background": (lambda: Poisson(OP, 9.0, "dark"), "background"),
    "counts' photons": (lambda: Transmission(OP, 1j), "photons"),
    "estimate of a list": (lambda: estimate_noise(OP, [1.0]), "y: expected a torch.Tensor"),
    "estimate, swapped": (lambda: estimate_noise(Y, OP), "op: expected"),
    "estimate of integers": (lambda: estimate_noise(OP, Y.to(torch.uint8)), r"y: .*float\(\)"),
    "doubt of a denoiser": (lambda: noise_doubt(TV, Y), "op: got a denoiser"),
    "total variation, swapped": (lambda: tv_reconstruction(Y, OP, 0.1), "op: expected"),
    "total variation's noise": (lambda: tv_reconstruction(OP, Y, None), "noise_std"),
    "seed": (lambda: uncertainty(SOLVER, Y, seed=1.5), "seed"),
    "seed of a choice": (lambda: choose_strength(SOLVER, Y, seed="a"), "seed"),
    "solver of a choice": (lambda: choose_denoiser(OP, Y, [TV, TV], solver=SOLVER), "solver"),
    "support of a denoiser": (lambda: data_support(TV), "op: got a denoiser"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_wrong_types(name):
    call, words = CASES[name]
    with pytest.raises(TypeError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: estimate_noise(OP, Y[..., :3]), "y: expected shape"),
        (lambda: estimate_noise(OP, Y * torch.nan), "y: holds NaN"),
        (lambda: tv_reconstruction(OP, Y * torch.inf, 0.1), "y: holds NaN"),
        (lambda: tv_reconstruction(OP, Y, 0.1, iterations=0), "iterations"),
        (lambda: Poisson(OP, 9.0, torch.ones(3, 3)), "background: shape"),
        (lambda: FinerGrid(SOLVER, 1.5), "factor"),
    ],
)
def test_wrong_values(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_numpy_arrays_of_any_order_are_counts_levels():
    level = np.linspace(1, 2, 42).reshape(1, 6, 7)
    assert torch.equal(
        Poisson(OP, 9.0, level.astype(">f4")).background, Poisson(OP, 9.0, level.astype("f4")).background
    )
