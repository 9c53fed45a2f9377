"""What a user may do that nobody expects: views, precisions, threads, changes in place; answers by other means."""

import copy
import pickle
import threading

import pytest
import torch

from denoisers import WaveletDenoiser
from operators import (
    MRI,
    Identity,
    Inpainting,
    NonCartesianMRI,
    Radon,
    StackedMRI,
    VolumeMRI,
    radial_trajectory,
    random_mask,
)
from operators.linalg import cg, cg_reports
from pnp import PnPADMM, Poisson, Stop, Transmission, estimate_noise
from tests.operators.cases import random

SOON = Stop(max_iter=5, tolerance=0)


def shrink(x: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
    return x / (1 + torch.as_tensor(sigma).reshape(-1, 1, 1, 1) ** 2)


# ---- conjugates and signs that torch only notes down


def test_lazily_conjugated_data_are_data():
    op = MRI(random_mask((32, 30), 0.6))
    y = op(random(1, 1, 32, 30, dtype=torch.complex128))
    lazy, plain = y.conj(), y.conj().resolve_conj()
    assert lazy.is_conj() and torch.equal(estimate_noise(op, lazy)[0], estimate_noise(op, plain)[0])
    for noise in (0.1, None):
        solver = PnPADMM(op, shrink, noise_std=noise, stop=SOON)
        result = solver.solve(lazy)
        assert torch.equal(result.x, solver.solve(plain).x)
        assert torch.equal(solver.solve(lazy, state=result.state).x, solver.solve(plain, state=result.state).x)


def test_lazily_conjugated_constants_are_kept():
    maps, x = random(3, 8, 8, dtype=torch.complex128), random(1, 1, 8, 8, dtype=torch.complex128)
    dense = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(maps.conj() * x, (-2, -1)), norm="ortho"), (-2, -1))
    op = MRI(torch.ones(8, 8), maps.conj())
    assert torch.allclose(op(x), dense) and torch.allclose(copy.deepcopy(op)(x), dense)
    assert torch.allclose(pickle.loads(pickle.dumps(op)).float()(x), dense, rtol=1e-5, atol=1e-5)
    points = random(2, 20, dtype=torch.complex128).conj().imag  # a sign that is noted down
    assert points.is_neg() and torch.equal(NonCartesianMRI(points, (8, 8))(x), NonCartesianMRI(points + 0, (8, 8))(x))


def test_lazy_signs_reach_numpy():
    x = random(1, 1, 32, 32, dtype=torch.complex128).conj().imag
    assert x.is_neg() and torch.equal(WaveletDenoiser()(x, 0.1), WaveletDenoiser()(x + 0, 0.1))


# ---- masks that were kept as pictures


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64])
def test_a_mask_of_bytes_is_no_weight(kind):
    kept = random_mask((8, 8), 0.5)
    bytes_ = (255 * kept.to(torch.int64)).to(kind)
    for make in (Inpainting, MRI, lambda m: VolumeMRI(m.expand(2, 8, 8)), lambda m: Inpainting(m.numpy())):
        with pytest.raises(ValueError, match="mask: expected .* got integers up to 255; mask != 0 keeps"):
            make(bytes_)
    assert torch.equal(Inpainting(kept.to(kind)).mask[0, 0], kept.float())  # ones are a mask
    assert Inpainting(bytes_.float()).mask.max() == 255  # weights that are meant


# ---- precision of constants


def test_constants_of_counts_are_exact_in_double_precision():
    v, y = random(1, 1, 4, 4).abs(), random(1, 1, 4, 4, seed=1).abs()
    s = torch.tensor([0.01], dtype=torch.float64)
    u = Poisson(Identity((4, 4)), 100.0, background=0.1).prox(v, y, s)
    assert (s * 100 * (1 - y / (u + 0.1)) + u - v).abs().max() < 1e-12  # the equation of the minimum
    level = torch.tensor(12345.678, dtype=torch.float64)
    t = Transmission(Identity((4, 4)), photons=12345.678)
    assert torch.allclose(t.as_data(500 * y + 1), -((500 * y + 1) / level).log(), rtol=1e-14)
    tensor = Transmission(Identity((4, 4)), photons=level.expand(1, 1, 4, 4))
    assert torch.equal(tensor.as_data(500 * y + 1), t.as_data(500 * y + 1))


def test_noise_of_each_value_in_single_precision_whitens_double_data():
    op, std = Inpainting(random_mask((8, 8), 0.7)), random(1, 1, 8, 8, dtype=torch.float32).abs() + 0.1
    y = op(random(1, 1, 8, 8))
    single, double = (PnPADMM(op, shrink, noise_std=s, stop=SOON).solve(y).x for s in (std, std.double()))
    assert torch.equal(single, double)
    whitened = PnPADMM(op, shrink, noise_std=std, stop=SOON).likelihood
    assert torch.allclose(whitened.op(y), whitened.given(y), rtol=1e-15, atol=0)  # A and data with the same weights


# ---- memory that is shared


def test_what_is_done_to_an_answer_is_not_done_to_its_state():
    op = Inpainting(random_mask((16, 16), 0.5))
    y, solver = op(random(1, 1, 16, 16)), PnPADMM(op, shrink, noise_std=0.1, stop=SOON)
    right = solver.solve(y, state=solver.solve(y).state).x
    result = solver.solve(y)
    result.x.zero_()
    result.x_data.clamp_(0, 0.1)
    assert torch.equal(solver.solve(y, state=result.state).x, right)


def test_data_that_are_changed_in_place_leave_the_image():
    x = random(1, 1, 4, 4)
    for op in (Identity((4, 4)), Identity((4, 4)) @ Identity((4, 4))):
        kept, y = x.clone(), op(x)
        y += 1
        assert torch.equal(x, kept)


# ---- threads


def test_threads_hear_their_own_inner_solves():
    op = Radon(12, torch.arange(4) * (torch.pi / 4))
    solver, heard = PnPADMM(op, shrink, noise_std=0.1, stop=SOON), {}
    data = [op(random(1, 1, 12, 12, seed=i)) for i in range(3)]
    wanted = [solver.solve(y) for y in data]

    def work(i: int) -> None:
        heard[i] = solver.solve(data[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, right in enumerate(wanted):
        assert torch.equal(heard[i].x, right.x)
        assert heard[i].report["conjugate gradients"] == right.report["conjugate gradients"]


def test_reports_within_reports():
    with cg_reports() as outer:
        with cg_reports() as inner:
            cg(lambda v: 2 * v, torch.ones(1, 3))
        cg(lambda v: 2 * v, torch.ones(1, 3))
    cg(lambda v: 2 * v, torch.ones(1, 3))
    assert len(inner) == 1 and len(outer) == 2


# ---- what belongs together


def test_a_state_of_another_operator_or_likelihood_is_refused():
    mask = random_mask((16, 16), 0.5)
    y = mask * random(1, 1, 16, 16).abs()
    state = PnPADMM(Inpainting(mask), shrink, noise_std=0.1, stop=SOON).solve(y).state
    with pytest.raises(ValueError, match="state: belongs to another operator"):  # with the same adjoint image
        PnPADMM(Identity((16, 16)), shrink, noise_std=0.1, stop=SOON).solve(y, state=state)
    counts = PnPADMM(Poisson(Inpainting(mask), 100.0), shrink, stop=SOON)
    with pytest.raises(ValueError, match="state: "):
        counts.solve(y, state=state)
    with pytest.raises(ValueError, match="state: belongs to data that are Poisson, not Gaussian"):
        PnPADMM(Inpainting(mask), shrink, noise_std=0.1, stop=SOON).solve(y, state=counts.solve(y).state)


def test_trajectories_in_other_units_are_refused():
    points = radial_trajectory(6, 24)
    for wrong in (2 * points, points * 24 / (2 * torch.pi), 1.1 * points):
        with pytest.raises(ValueError, match="points: reach .* > pi radians per pixel"):
            NonCartesianMRI(wrong, (24, 24))
    with pytest.raises(ValueError, match="points: reach"):
        StackedMRI(2 * points, (2, 24, 24))
    assert NonCartesianMRI(1.02 * points, (24, 24)).out_shape == (1, 144)  # as delays of gradients move them


def test_sparse_data_are_named():
    y = torch.eye(8)[None, None].to_sparse()
    with pytest.raises(TypeError, match="y: expected a dense tensor, got torch.sparse_coo"):
        PnPADMM(Identity((8, 8)), shrink, noise_std=0.1).solve(y)
