"""Coils of unequal and shared noise: covariance, whitening of data and operator, against dense algebra."""

import pytest
import torch
from torch import Tensor

from operators import MRI, Identity, NonCartesianMRI, fft2c, random_mask
from pnp.corrections.mri import border_samples, noise_covariance, whiten, whitening_matrix
from pnp.io import Measurement
from tests.contracts import dense, relative
from tests.operators.cases import random
from tests.operators.mri.test_coils import scene


def crandom(*shape: int, seed: int = 0) -> Tensor:
    return torch.complex(random(*shape, seed=seed), random(*shape, seed=seed + 100))


def mixing(coils: int, scale: float = 1.0) -> Tensor:
    """A matrix that makes correlated noise of unequal levels of white noise."""
    levels = torch.logspace(0, 1, coils, dtype=torch.float64)
    return scale * levels[:, None] * (torch.eye(coils, dtype=torch.complex128) + 0.3 * crandom(coils, coils, seed=3))


def test_covariance_is_that_of_the_noise():
    samples = mixing(4) @ crandom(4, 200_000, seed=7)
    right = 2 * mixing(4) @ mixing(4).mH
    assert relative(noise_covariance(samples)[None], right[None]) < 0.01
    assert torch.equal(noise_covariance(samples.reshape(4, 400, 500)), noise_covariance(samples))
    numpy = noise_covariance(samples.numpy())
    assert relative(numpy[None], noise_covariance(samples)[None]) == 0


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_whitening_is_exact_in_any_unit(scale):
    psi = noise_covariance(mixing(5, scale) @ crandom(5, 1000, seed=7))
    w = whitening_matrix(psi).matrix
    assert float((w @ psi @ w.mH - 2 * torch.eye(5)).abs().max()) < 1e-10
    assert relative((scale * w)[None], whitening_matrix(psi / scale**2).matrix[None]) < 1e-9


def test_levels_may_differ_by_orders_of_magnitude():
    levels = torch.tensor([1e-8, 1.0, 1e8], dtype=torch.float64)
    psi = noise_covariance(levels[:, None] * crandom(3, 5000))
    w = whitening_matrix(psi).matrix
    assert float((w @ psi @ w.mH - 2 * torch.eye(3)).abs().max()) < 1e-8


def test_least_squares_of_whitened_data_is_the_generalised_one():
    op = MRI(random_mask((4, 5), 0.8, seed=2), crandom(3, 4, 5))
    psi = mixing(3) @ mixing(3).mH
    y = op(crandom(1, 1, 4, 5, seed=1)) + op.mask * crandom(1, 3, 4, 5, seed=9)
    white = whiten(y, psi)
    x = (white.matrix @ op).A_dagger(white.y, rtol=1e-13)
    columns = dense(op)[0].T[::2].contiguous()  # of real unit images
    a = torch.view_as_complex(columns.reshape(20, 60, 2)).T
    inverse = torch.linalg.inv(torch.kron(psi, torch.eye(20, dtype=torch.complex128)))
    right = torch.linalg.solve(a.mH @ inverse @ a, a.mH @ inverse @ y.flatten())
    assert relative(x.reshape(1, -1), right[None]) < 1e-9


def test_one_noisy_coil_counts_less():
    maps, x = scene(32, 32)
    op = MRI(torch.ones(32, 32), maps)
    scales = torch.tensor([1.0, 1.0, 1.0, 16.0], dtype=torch.float64)[:, None, None]
    y = op(x[None, None]) + 0.02 * scales * crandom(1, 4, 32, 32)
    white = whiten(y, noise_covariance(scales[:, 0] * 0.02 * crandom(4, 2000, seed=5)))
    plain, better = op.A_dagger(y), (white.matrix @ op).A_dagger(white.y)
    assert relative(better, x[None, None]) < 0.4 * relative(plain, x[None, None])


def test_corners_of_k_space_are_noise():
    maps, x = scene(64, 64)
    clean = fft2c(maps * x)[None]
    noise = 0.2 * mixing(4) @ crandom(4, 64 * 64, seed=4)
    y = clean + noise.reshape(1, 4, 64, 64)
    found = noise_covariance(border_samples(y, share=0.1))
    right = noise_covariance(noise)
    over = found.diag().real / right.diag().real
    assert bool(((over > 0.9) & (over < 1.25)).all())
    mask = random_mask((64, 64), 0.5, seed=1)
    taken = border_samples(mask * y, share=0.1)
    assert taken.shape[1] == round(0.1 * int(mask.sum()) + 0.49999) and bool((taken != 0).any(0).all())


def test_measurements_are_whitened_with_their_maps():
    maps, x = scene(32, 36)
    scales = torch.tensor([1.0, 1.0, 1.0, 16.0])[:, None, None]
    y = (fft2c(maps * x)[None] + 0.01 * scales * crandom(1, 4, 32, 36)).to(torch.complex64)
    psi = torch.diag(2 * (0.01 * scales.flatten()) ** 2) + 0j
    m = Measurement(y, MRI, {"mask": torch.ones(32, 36), "coil_maps": maps}, provenance={"file": "a"})
    white = whiten(m, psi)
    assert white.noise_std == 1.0 and white.provenance["corrections"] == ("prewhitened",)
    assert relative(white.operator()(x[None, None]), whiten(m.operator()(x[None, None]), psi).y) < 1e-6
    estimated = Measurement(y, MRI, {"mask": torch.ones(32, 36)}, provenance={"coil_maps": "estimated"})
    again = whiten(estimated, psi)
    op, image = again.operator(), again.operator().A_dagger(again.y)
    assert relative(op(image), again.y) < 0.3  # maps of these data, the noise apart
    off = (image.abs()[0, 0] - x.abs())[x.abs() > 0.3]
    assert float(off.abs().mean()) < 0.05  # images keep the scale of the data
    points = random(2, 50).clamp(-3, 3)
    spokes = Measurement(crandom(1, 1, 50), NonCartesianMRI, {"points": points, "image_shape": (8, 9)})
    one = whiten(spokes, 8 * torch.eye(1) + 0j)
    v = crandom(1, 1, 8, 9)
    assert relative(one.operator()(v), 0.5 * spokes.operator()(v)) < 1e-6 and relative(one.y, 0.5 * spokes.y) < 1e-12


def test_what_is_no_noise_is_said():
    with pytest.raises(ValueError, match="samples: 5 for 3 coils"):
        noise_covariance(crandom(3, 5))
    with pytest.raises(ValueError, match="samples: expected complex"):
        noise_covariance(random(3, 50))
    with pytest.raises(ValueError, match="samples: hold NaN"):
        noise_covariance(crandom(3, 50) / 0)
    with pytest.raises(ValueError, match=r"covariance: no noise in coils \[1\]"):
        whitening_matrix(torch.diag(torch.tensor([1.0, 0.0])))
    with pytest.raises(ValueError, match="covariance: singular"):
        whitening_matrix(torch.ones(2, 2))
    with pytest.raises(ValueError, match="covariance: not Hermitian"):
        whitening_matrix(torch.tensor([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="covariance: expected"):
        whitening_matrix(torch.ones(2, 3))
    with pytest.raises(ValueError, match="share: expected"):
        border_samples(crandom(1, 2, 4, 4), share=0)
    with pytest.raises(ValueError, match="y: zero everywhere"):
        border_samples(0 * crandom(1, 2, 4, 4))
    with pytest.raises(ValueError, match="x: expected"):
        whiten(crandom(1, 2, 4, 4), torch.eye(3))
    with pytest.raises(ValueError, match="Identity has no coils"):
        whiten(Measurement(torch.ones(1, 1, 2, 2), Identity, {"image_shape": (2, 2)}), torch.eye(1))
