"""Down-sampling: averages, cubics, kernels with channels (the laws are in test_concrete)."""

import numpy as np
import pytest
import torch

from operators.image.mask import Identity
from operators.image.resample import Downsampling, bicubic_kernel


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_averages_are_means_of_blocks_in_double_precision(factor):
    x = random(2, 3, 2 * factor, 3 * factor)
    op = Downsampling(factor, (2 * factor, 3 * factor), channels=3, filter="average")
    assert torch.allclose(op(x), torch.nn.functional.avg_pool2d(x, factor), rtol=1e-13, atol=0)
    assert torch.allclose(op.A_dagger(op(x)), factor**2 * op.A_adjoint(op(x)), atol=1e-12)
    assert op.norm() == pytest.approx(1 / factor)


def test_factor_one_without_filter_is_the_identity():
    x = random(2, 1, 5, 6)
    op, identity = Downsampling(1, (5, 6), filter="naive"), Identity((5, 6))
    assert torch.allclose(op(x), identity(x)) and torch.allclose(op.prox_l2(x, 2 * x, 0.3), 1.6 / 1.3 * x)


@pytest.mark.parametrize("factor", [2, 3])
def test_cubic_is_interpolating(factor):
    kernel = bicubic_kernel(factor).double()
    line = kernel.sum(0)
    assert line.sum() == pytest.approx(1) and torch.allclose(kernel, line[:, None] * line, atol=1e-7)
    # Keys' cubic is one at zero and zero at all other multiples of the factor
    taps = line[(2 * factor - 1) % factor :: factor] * factor
    expected = torch.zeros_like(taps)
    expected[len(taps) // 2] = 1
    assert torch.allclose(taps, expected, atol=1e-6)


@pytest.mark.parametrize("filter", ["gaussian", "bicubic", "average"])
def test_filters_suppress_what_would_alias(filter):
    stripes = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    stripes[..., ::2] = 1
    flat = Downsampling(2, (16, 16), filter=filter)(stripes)
    assert (flat - 0.5).abs().max() < 0.05 and Downsampling(2, (16, 16), filter="naive")(stripes).min() == 1


def test_kernel_with_channels():
    kernels, x = random(3, 3, 2), random(1, 3, 6, 8, seed=1)
    op = Downsampling(2, (6, 8), filter=kernels)
    assert op.in_shape == (3, 6, 8) and op.out_shape == op(x).shape[1:] == (3, 3, 4)
    for c in range(3):
        alone = Downsampling(np.int64(2), (6, 8), filter=kernels[c])  # pyright: ignore
        assert torch.allclose(op(x)[:, c : c + 1], alone(x[:, c : c + 1]), atol=1e-12)


def test_gradient_with_respect_to_the_kernel():
    kernel, z, y = random(3, 2).requires_grad_(), random(1, 1, 6, 4, seed=1), random(1, 1, 3, 2, seed=2)
    assert torch.autograd.gradcheck(lambda k: Downsampling(2, (6, 4), filter=k).prox_l2(z, y, 0.7), (kernel,))
    assert Downsampling(2, (6, 4), filter=kernel).norm() > 0


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: Downsampling(2.5, (8, 8)), "factor"),  # pyright: ignore
        (lambda: Downsampling(2, 8), "image_shape"),  # pyright: ignore
        (lambda: Downsampling(2, (8, 8), filter=torch.ones(3, 3, 3), channels=2), "channels"),
        (lambda: Downsampling(8, (8, 8)), "kernel"),
        (lambda: Downsampling(2, (8, 8), filter=torch.ones(3, 1, 3, 3))(torch.ones(2, 1, 8, 8)), "filter: holds 3"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
