"""What the data hold, against dense algebra."""

import math
from typing import Any

import pytest
import torch

from operators import (
    MRI,
    Blur,
    Downsampling,
    Identity,
    Inpainting,
    KaiserSquires,
    ReducedShear,
    gaussian_kernel,
    random_columns,
    random_mask,
)
from pnp import Gaussian, PnPADMM, data_support, uncertainty
from tests.contracts import dense

N = 8


def image(batch: int = 1, complex: bool = False) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    kind = torch.complex128 if complex else torch.float64
    return torch.randn(batch, 1, N, N, generator=g, dtype=kind) * torch.arange(1, batch + 1).reshape(-1, 1, 1, 1)


CASES = {
    "blur": Blur(gaussian_kernel(1.0, 5), (N, N)),
    "downsampling": Downsampling(2, (N, N)),
    "product": Inpainting(random_mask((N, N), 0.6)) @ Blur(gaussian_kernel(0.7, 5), (N, N)),
}


@pytest.mark.parametrize("name", CASES)
def test_resolution_is_the_diagonal_of_the_dense_matrix(name):
    op, x = CASES[name], image(2)
    a = dense(op)[0]
    found: Any = data_support(op, x, noise_std=0.2, draws=N * N, batch=64)
    for b in range(2):
        epsilon = 0.2**2 / float(x[b].var(correction=0))
        matrix = torch.linalg.solve(a.T @ a + epsilon * torch.eye(N * N), a.T @ a)
        assert float(found.epsilon[b]) == pytest.approx(epsilon)
        assert torch.allclose(found.resolution[b].flatten(), matrix.diag(), atol=1e-7)
        assert torch.allclose(found.held[b].flatten(), matrix @ x[b].flatten(), atol=1e-7)
        assert torch.allclose(found.held + found.unheld, x)
        rest = x[b].flatten() - matrix @ x[b].flatten()
        assert float(found.share[b]) == pytest.approx(float(rest.square().sum() / x[b].square().sum()), rel=1e-6)
    few = data_support(op, x[:1], noise_std=0.2, draws=16)
    assert float((few.resolution - found.resolution[:1]).abs().max()) < 0.3
    assert float(few.resolution.mean()) == pytest.approx(float(found.resolution[:1].mean()), abs=0.05)
    null = data_support(op, draws=N * N, batch=64)
    values, vectors = torch.linalg.eigh(a.T @ a)
    weight = (1 + 1e-6) * values / (values + 1e-6 * values[-1])
    assert torch.allclose(null.resolution.flatten().double(), (vectors**2) @ weight, atol=1e-3)


def test_masks_are_exact():
    op = Inpainting(random_mask((N, N), 0.4))
    for draws in (1, 5):
        found: Any = data_support(op, image().float(), draws=draws)
        assert torch.equal(found.resolution, op.mask)
        assert torch.equal(found.unheld != 0, (op.mask == 0) & (image().float() != 0)) or float(
            (found.unheld * op.mask).abs().max()
        ) < 1e-6  # fmt: skip
    assert data_support(Identity((N, N))).resolution.unique().tolist() == [1.0]


def test_images_one_by_one_and_in_other_units():
    op, x = CASES["blur"], image(3)
    all3 = data_support(op, x, noise_std=torch.tensor([0.1, 0.2, 0.3]))
    for b in range(3):
        alone = data_support(op, x[b : b + 1], noise_std=0.1 * (b + 1))
        for c in (1e-8, 1e8):
            other = data_support(op, c * x[b : b + 1], noise_std=c * 0.1 * (b + 1))
            scaled = data_support(c * op, x[b : b + 1], noise_std=c * 0.1 * (b + 1))
            for name in ("resolution", "share", "structure", "transfer", "pixels"):
                value = getattr(alone, name)[0]
                assert torch.allclose(value, getattr(all3, name)[b], atol=1e-6), name
                assert torch.allclose(value, getattr(other, name)[0], atol=1e-6), name
                assert torch.allclose(value, getattr(scaled, name)[0], atol=1e-6), name


def test_radial_resolution():
    assert data_support(Identity((32, 32))).pixels.tolist() == [1.0]
    coarse = data_support(Downsampling(4, (32, 32)))
    assert 2.5 < float(coarse.pixels) < 5  # four pixels are one of the data, a little less along the diagonal
    columns = random_columns((32, 32), 4.0, 0.1)
    assert float(data_support(MRI(columns)).resolution.mean()) == pytest.approx(
        float(columns.double().mean()), rel=0.02
    )
    wide = data_support(Blur(gaussian_kernel(2.0), (32, 32)), torch.randn(1, 1, 32, 32), noise_std=0.1)
    sharp = data_support(Blur(gaussian_kernel(1.0), (32, 32)), torch.randn(1, 1, 32, 32), noise_std=0.1)
    assert float(wide.pixels) > 1.5 * float(sharp.pixels)
    assert float(wide.transfer[0, 0]) > 0.9 and float(wide.transfer[0, -1]) < 0.1


def test_likelihoods_complex_images_and_nonlinear_operators():
    op = MRI(random_columns((N, N), 2.0, 0.25))
    x = image(complex=True)
    found: Any = data_support(Gaussian(op, 0.1), x)
    half = float((x - x.mean()).abs().square().mean() / 2)
    assert float(found.epsilon) == pytest.approx(0.01 / half, rel=1e-5)
    assert not found.resolution.is_complex() and found.held is not None and found.held.is_complex()
    shear = ReducedShear(KaiserSquires((N, N)))
    assert data_support(shear, 0.05 * image()).resolution.shape == (1, 1, N, N)
    with pytest.raises(ValueError, match="image"):
        data_support(shear)


def test_what_does_not_fit_is_named():
    op = CASES["blur"]
    with pytest.raises(ValueError, match="noise_std: needs an image"):
        data_support(op, noise_std=0.1)
    with pytest.raises(ValueError, match="noise_std"):
        data_support(op, image(), noise_std=-1.0)
    with pytest.raises(ValueError, match="image: constant"):
        data_support(op, torch.ones(1, 1, N, N), noise_std=0.1)
    with pytest.raises(ValueError, match="draws"):
        data_support(op, draws=0)
    with pytest.raises(ValueError, match="image"):
        data_support(op, torch.ones(1, 1, 4, 4))


def test_one_picture_of_everything(tmp_path):
    op = Inpainting(random_mask((16, 16), 0.4))
    y = op(torch.rand(2, 1, 16, 16))
    found = uncertainty(PnPADMM(op, lambda x, s: x / 2, noise_std=0.1), y, draws=3)
    figure = found.plot(torch.rand(2, 1, 16, 16), data_support(op, found.x), tmp_path / "sure.png")
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titles) == 7 and "deviation, bootstrap" in titles and (tmp_path / "sure.png").stat().st_size > 1000
    assert math.isfinite(float(found.width.mean()))
