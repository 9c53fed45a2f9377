"""Data with outliers: where they are seen, and that they spoil neither answer nor report."""

import numpy as np
import pytest
import torch

from operators import Blur, Identity, Inpainting, Radon, gaussian_kernel, gaussian_noise, random_mask
from pnp import DRUNetDenoiser, Huber, PnPADMM, PnPHQS, Stop, TVDenoiser, data, metrics
from pnp.likelihood.outliers import near_neighbours

SIDE = 32
X = data.sample("camera")[..., 100:132, 180:212].double()
BLUR = Blur(gaussian_kernel(1.0), (SIDE, SIDE))
BAD = random_mask((SIDE, SIDE), 0.03, seed=5)


def levels(result):
    return [finding.level for finding in result.health.findings if finding.topic == "misfit"]


def plainly(y, noise, measured):
    """The same in loops."""
    out = y.copy()
    for r, c in zip(*np.nonzero(measured)):
        rows, columns = slice(max(r - 2, 0), r + 3), slice(max(c - 2, 0), c + 3)
        others = measured[rows, columns].copy()
        others[r - rows.start, c - columns.start] = False
        near = np.sort(y[rows, columns][others])
        middle = near[(len(near) - 1) // 2]  # torch takes the lower of two
        apart = np.sort(np.abs(near - middle))
        bound = 6 * noise + 4 * 1.4826 * apart[(len(near) - 1) // 2]
        out[r, c] = np.clip(y[r, c], middle - bound, middle + bound)
    return out


@pytest.mark.parametrize("keep", [None, 0.9])
def test_outliers_are_pulled_to_their_neighbours(keep):
    measured = torch.ones(7, 9, dtype=torch.bool) if keep is None else random_mask((7, 9), keep)
    y = gaussian_noise(torch.linspace(0, 1, 9, dtype=torch.float64).expand(1, 2, 7, 9), 0.01)
    y[..., 3, 4], y[0, 0, 0, 0], y[0, 1, 6, 2] = 7.0, -50.0, 1e6
    y = y * measured
    found = near_neighbours(y, torch.full((1,), 0.01, dtype=torch.float64), None if keep is None else measured)
    for k in range(2):
        expected = plainly(y[0, k].numpy(), 0.01, measured.numpy())
        assert torch.allclose(found[0, k], torch.from_numpy(expected), rtol=0, atol=1e-12)
    assert float(found.abs().max()) < 3
    both = near_neighbours(
        torch.cat((y, 1e9 * y)), torch.tensor([0.01, 1e7], dtype=torch.float64), None if keep is None else measured
    )
    assert torch.equal(both[:1], found) and torch.allclose(both[1:], 1e9 * found, rtol=1e-9)


def test_gradients_reach_the_data():
    y = gaussian_noise(torch.zeros(2, 1, 6, 6, dtype=torch.float64), 1.0)
    y[0, 0, 2, 3] = 40.0
    y.requires_grad_()
    noise = torch.full((2,), 0.1, dtype=torch.float64)
    for measured in (None, torch.ones(6, 6, dtype=torch.bool).index_fill(1, torch.tensor([1]), False)):
        assert float((near_neighbours(y, noise, measured) - y).detach().abs().max()) > 20
        assert torch.autograd.gradcheck(lambda v, measured=measured: near_neighbours(v, noise, measured), y)
    x = PnPADMM(Huber(Identity((6, 6)), 0.1), lambda v, sigma: (v + v.roll(1, -1)) / 2)(y)
    assert bool((torch.autograd.grad(x.sum(), y)[0] != 0).any())


def test_noise_edges_few_data_and_complex_ones_are_left_alone():
    y = gaussian_noise(torch.ones(1, 1, 40, 40), 0.1)
    y[..., 20:] += 5
    assert torch.equal(near_neighbours(y, torch.full((1,), 0.1), None), y)
    far = torch.tensor([0.0, 0.0, 9.0]).reshape(1, 1, 1, 3)
    assert torch.equal(near_neighbours(far, torch.ones(1), None), far)
    assert near_neighbours(y.to(torch.complex64), torch.ones(1), None).is_complex()
    assert near_neighbours(y[0, 0], torch.ones(1), None) is not None


@pytest.mark.parametrize(("method", "kind"), [(PnPADMM, "blur"), (PnPHQS, "blur"), (PnPADMM, "ct")])
def test_outliers_of_any_size_cost_little(method, kind):
    op, std = {"blur": (BLUR, 0.01), "ct": (Radon(SIDE, torch.arange(40) * torch.pi / 40), 0.1)}[kind]
    y = gaussian_noise(op.A(X), std)
    bad = random_mask((y.shape[-2], y.shape[-1]), 0.03, seed=5)
    solver = method(Huber(op, std), TVDenoiser())
    clean = metrics.psnr(solver(y), X)
    result = solver.solve(torch.where(bad, 1e4 * y.max(), y))
    assert result.reason == "converged" and float(clean - metrics.psnr(result.x, X)) < 0.6
    assert levels(result) == ["fine"]


def test_outliers_change_no_unit_and_no_other_sample():
    y = gaussian_noise(BLUR.A(X), 0.01)
    spoilt = torch.where(BAD, 5.0, y)
    solver = PnPADMM(Huber(BLUR, torch.tensor([0.01, 0.01])), TVDenoiser())
    both = solver(torch.cat((y, spoilt)))
    alone = PnPADMM(Huber(BLUR, 0.01), TVDenoiser())
    assert torch.allclose(both[1:], alone(spoilt), atol=1e-9) and torch.allclose(both[:1], alone(y), atol=1e-9)
    assert torch.allclose(PnPADMM(Huber(BLUR, 10.0), TVDenoiser())(1e3 * spoilt) / 1e3, both[1:], atol=1e-6)


def test_a_wrong_model_is_told_in_spite_of_outliers():
    y = gaussian_noise(Blur(gaussian_kernel(2.0), (SIDE, SIDE)).A(X.flip(-1)), 0.001)
    result = PnPADMM(Huber(Identity((SIDE, SIDE)), 0.001), lambda x, sigma: 0 * x + x.mean()).solve(y)
    assert levels(result) == ["wrong"]


def test_masks_count_measured_data_alone():
    mask = random_mask((SIDE, SIDE), 0.5)
    y = Inpainting(mask).A(gaussian_noise(X, 0.02))
    likelihood = Huber(Inpainting(mask), 0.02)
    assert torch.equal(Huber(Inpainting(mask)).tamed(y), y)  # noise is not known yet
    assert torch.equal(likelihood.tamed(y)[..., ~mask], y[..., ~mask])
    spoilt = torch.where(random_mask((SIDE, SIDE), 0.05, seed=1) & mask, 40.0, y)
    assert float(spoilt.max()) == 40 and float(likelihood.as_data(spoilt).max()) < 3


def test_single_pixels_go_by_a_lower_threshold_and_more_strength():
    x = data.sample("camera")[..., 100:148, 180:228]
    op = Identity((48, 48))
    y = torch.where(random_mask((48, 48), 0.03, seed=5), 5.0, gaussian_noise(x, 0.03))
    usual = PnPADMM(Huber(op, 0.03), DRUNetDenoiser(), stop=Stop(max_iter=30))(y)
    robust = PnPADMM(Huber(op, 0.03, threshold=0.7), DRUNetDenoiser(), strength=2.0)(y)
    assert float(metrics.psnr(robust, x)) > 28 and float(metrics.psnr(usual, x)) < 20
