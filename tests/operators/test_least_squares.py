"""Least squares that ends at the noise: against the same recursion in numpy, the matrix, and the truth."""

import numpy as np
import pytest
import torch

from operators import MRI, Inpainting, Radon, Weighted, as_operator, least_squares, random_mask
from tests.contracts import dense, random_data, relative


def disc(n: int = 32) -> torch.Tensor:
    side = torch.linspace(-1, 1, n).double()
    return (side[:, None] ** 2 + side**2 < 0.5).double()[None, None]


def noisy(op, x: torch.Tensor, std: float, seed: int = 0) -> torch.Tensor:
    y = op(x)
    g = torch.Generator().manual_seed(seed)
    return y + std * torch.view_as_complex(torch.randn(*y.shape, 2, generator=g).double()) if y.is_complex() else (
        y + std * torch.randn(y.shape, generator=g).double()
    )  # fmt: skip


def test_it_ends_where_the_noise_begins_and_is_closer_to_the_truth_than_all_of_least_squares():
    op, x, std = Radon(32, torch.linspace(0, 3, 24)), disc(), 0.5
    y = noisy(op, x, std)
    found = least_squares(op, y, noise_std=std)
    assert found.reasons == ["discrepancy"] and 0.8 * std < float(found.misfit) <= std
    before = least_squares(op, y, max_iter=int(found.iterations) - 1)
    assert before.reasons == ["max_iter"] and float(before.misfit) > std  # the first that fits
    error, full = relative(found.x, x), relative(op.A_dagger(y, max_iter=500), x)
    assert error < 0.35 and full > 2 * error


def test_each_iterate_is_that_of_lanczos_in_the_krylov_space():
    """The k-th iterate minimises |Ax - y| over span{b, Nb, ..., N^(k-1) b}, b = A* y, N = A* A."""
    op = Radon(8, torch.linspace(0, 3, 5))
    y = random_data(op, batch=1)
    m, flat = dense(op)[0].numpy(), y.flatten().numpy()
    for k in (1, 3, 6):
        basis = [m.T @ flat]
        for _ in range(k - 1):
            basis.append(m.T @ (m @ basis[-1]))
            basis[-1] /= np.linalg.norm(basis[-1])
        q = np.linalg.qr(np.stack(basis, 1))[0]
        best = q @ np.linalg.lstsq(m @ q, flat, rcond=None)[0]
        assert np.allclose(least_squares(op, y, max_iter=k).x.flatten().numpy(), best, atol=1e-8)
    m = torch.randn(20, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    data = torch.randn(2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = least_squares(as_operator(m, in_shape=(1, 3, 4)), data)
    assert exact.reasons == ["converged"] * 2
    assert relative(exact.x.flatten(1), torch.linalg.lstsq(m, data.T).solution.T) < 1e-8


def test_units_batches_and_what_is_not_measured():
    mask = random_mask((32, 32), 0.4)
    maps = torch.view_as_complex(torch.rand(3, 32, 32, 2, generator=torch.Generator().manual_seed(1)).double())
    op = MRI(mask, maps)
    y = torch.cat([noisy(op, disc() + 0j, std, seed) for seed, std in enumerate((0.01, 0.1, 0.0))])
    levels = torch.tensor([0.01, 0.1, 0.0]).double()
    found = least_squares(op, y, noise_std=levels)
    assert found.reasons[:2] == ["discrepancy"] * 2 and found.iterations[0] > found.iterations[1]
    assert torch.allclose(found.misfit[:2], levels[:2], rtol=0.3)
    for b in range(2):
        alone = least_squares(op, y[b : b + 1], noise_std=float(levels[b]))
        assert relative(alone.x, found.x[b : b + 1]) < 1e-10 and alone.iterations[0] == found.iterations[b]
        for c in (1e-8, 1e8):
            scaled = least_squares(op, c * y[b : b + 1], noise_std=c * float(levels[b]))
            assert relative(scaled.x / c, alone.x) < 1e-9 and scaled.iterations == alone.iterations
    spoilt = torch.where(op.measured, y, torch.full_like(y, 1e3))
    assert torch.equal(least_squares(op, spoilt, noise_std=levels).x, found.x)
    assert not least_squares(op, 0 * y).x.abs().any()
    weighted = least_squares(Weighted(2 * torch.ones(3, 32, 32), dtype=op.out_dtype) @ op, 2 * y, noise_std=2 * levels)
    assert relative(weighted.x[:2], found.x[:2]) < 1e-9


@pytest.mark.parametrize(
    ("options", "word"),
    [({"noise_std": -1.0}, "noise_std"), ({"noise_std": torch.ones(3)}, "noise_std"), ({"noise_std": "a"}, "noise_std"),
     ({"max_iter": 0}, "max_iter"), ({"max_iter": 2.5}, "max_iter")],
)  # fmt: skip
def test_bad_arguments_are_named(options, word):
    op = Inpainting(random_mask((4, 4), 0.5))
    with pytest.raises((ValueError, TypeError), match=f"^{word}: expected"):
        least_squares(op, torch.ones(2, 1, 4, 4), **options)
    with pytest.raises(TypeError, match="^y: expected .*single or double"):
        least_squares(op, torch.ones(2, 1, 4, 4).half())
    with pytest.raises(TypeError, match="^op: expected a LinearOperator"):
        least_squares(torch.eye(3), torch.ones(2, 1, 4, 4))  # pyright: ignore[reportArgumentType]
