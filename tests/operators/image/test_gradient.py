"""Finite differences against loops, numpy and closed forms."""

import numpy as np
import pytest
import torch

from operators.image.gradient import Gradient
from tests.contracts import dense, operator_laws


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape, channels", [((5, 4), 1), ((3, 4), 2), ((1, 6), 1), ((6, 1), 1)])
def test_laws(shape, channels, dtype):
    operator_laws(Gradient(shape, channels=channels), dtype=dtype)


def test_laws_on_complex_images():
    operator_laws(Gradient((4, 3), dtype=torch.complex64))


def test_differences_agree_with_numpy():
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    down, right = Gradient((5, 6), channels=3)(x).unflatten(1, (2, -1)).unbind(1)
    np.testing.assert_array_equal(down[..., :-1, :], np.diff(x.numpy(), axis=-2))
    np.testing.assert_array_equal(right[..., :-1], np.diff(x.numpy(), axis=-1))
    assert float(down[..., -1, :].abs().max()) == 0 and float(right[..., -1].abs().max()) == 0


def test_constants_vanish_and_ramps_are_slopes():
    op = Gradient((4, 5))
    assert float(op(torch.full((1, 1, 4, 5), 3.0)).abs().max()) == 0
    ramp = 2.0 * torch.arange(4.0)[:, None] + 3.0 * torch.arange(5.0)
    assert op(ramp[None, None])[0, 0, :-1].unique().tolist() == [2.0]
    assert op(ramp[None, None])[0, 1, :, :-1].unique().tolist() == [3.0]


@pytest.mark.parametrize("shape", [(5, 7), (1, 4), (8, 8)])
def test_norm_is_exact(shape):
    op = Gradient(shape)
    assert abs(op.norm() - float(torch.linalg.matrix_norm(dense(op)[0], 2))) < 1e-12


@pytest.mark.parametrize("bad", [((0, 4), 1, "image_shape"), ((4,), 1, "image_shape"), ((4, 4), 0, "channels")])
def test_bad_sizes_are_named(bad):
    shape, channels, name = bad
    with pytest.raises(ValueError, match=name):
        Gradient(shape, channels=channels)
