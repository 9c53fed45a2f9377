"""Blur: kernels that learn, have channels, or do not fit (laws and scipy's convolution are in test_concrete)."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from denoisers import LoFiDenoiser
from operators import gaussian_noise
from operators.image.blur import Blur
from operators.image.kernels import gaussian_kernel, motion_kernel
from pnp import PnPADMM, Stop
from pnp.data import sample
from pnp.metrics import psnr

from ...contracts import operator_laws


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("boundary", ["circular", "zero"])
def test_gradient_with_respect_to_the_kernel(boundary):
    kernel, z, y = random(3, 2).requires_grad_(), random(1, 1, 5, 6, seed=1), random(1, 1, 5, 6, seed=2)

    def restore(k):
        return Blur(k, (5, 6), boundary=boundary).prox_l2(z, y, 0.7, rtol=1e-13)

    assert torch.autograd.gradcheck(restore, (kernel,), atol=1e-6)
    assert Blur(kernel, (5, 6), boundary=boundary).norm() > 0


@pytest.mark.parametrize("size", [(3, 3), (4, 2), (1, 5)])
def test_valid_convolution_sees_nothing_beyond_the_image(size):
    kernel, x = random(*size), random(2, 2, 9, 8, seed=1)
    op = Blur(kernel, (9, 8), channels=2, boundary="valid")
    expected = [[convolve2d(c.numpy(), kernel.numpy(), mode="valid") for c in sample] for sample in x]
    assert np.allclose(op(x).numpy(), np.array(expected), atol=1e-12)
    operator_laws(Blur(kernel, (6, 7), boundary="valid"))


def test_valid_data_are_a_crop_of_a_larger_photograph():
    """The border of a photograph holds what lay beyond it; the periodic operator takes it for a wrong image."""
    photo = sample("camera")[..., 90:218, 170:298]
    kernel = motion_kernel(9, 0.6)
    large = gaussian_noise(Blur(kernel, (128, 128))(photo), 0.01)
    y = large[..., 20:100, 20:100]
    top, left = (k - 1 - k // 2 for k in kernel.shape)
    shape = (80 + kernel.shape[0] - 1, 80 + kernel.shape[1] - 1)
    truth = photo[..., 20 - top : 20 - top + shape[0], 20 - left : 20 - left + shape[1]]
    x = PnPADMM(Blur(kernel, shape, boundary="valid"), LoFiDenoiser(), noise_std=0.01)(y)
    inside = (..., slice(top, top + 80), slice(left, left + 80))
    assert psnr(x[inside], truth[inside]) > psnr(y, truth[inside]) + 3


def test_channels_of_the_kernel_are_blurred_alone():
    kernels, x = random(3, 3, 3), random(2, 3, 6, 7, seed=1)
    op = Blur(kernels, (6, 7))
    assert op.in_shape == (3, 6, 7)
    for c in range(3):
        assert torch.allclose(op(x)[:, c : c + 1], Blur(kernels[c], (6, 7))(x[:, c : c + 1]), atol=1e-12)


def test_course_correlates_with_the_flipped_kernel():
    kernel, x = motion_kernel(7, math.pi / 4, variant="ippy").double(), random(1, 1, 12, 11)
    course = torch.nn.functional.conv2d(x, kernel[None, None], padding="same")
    assert torch.allclose(Blur(kernel.flip(0, 1), (12, 11), boundary="zero")(x), course, atol=1e-12)


def test_motion_kernels_point_along_the_path():
    for angle in (0.0, math.pi / 2, math.pi / 4, 2.5):
        k = motion_kernel(21, angle).double()
        axis = torch.arange(k.shape[0]).double() - k.shape[0] // 2
        rows, columns = torch.meshgrid(axis, axis, indexing="ij")
        along = columns * math.cos(angle) + rows * math.sin(angle)
        across = rows * math.cos(angle) - columns * math.sin(angle)
        # a uniform path of length L has the variance L²/12; anti-aliasing adds at most 1/4 to either
        assert 0 <= (k * along**2).sum() - 21**2 / 12 < 0.3
        assert (k * across**2).sum() < 0.3
    assert (motion_kernel(7, math.pi / 2, variant="ippy") > 0).sum() == 7


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: Blur([[1.0]], (8, 8)), TypeError, "kernel"),  # pyright: ignore
        (lambda: Blur(torch.ones(3), (8, 8)), ValueError, "kernel"),
        (lambda: Blur(torch.full((3, 3), float("nan")), (8, 8)), ValueError, "kernel"),
        (lambda: Blur(torch.ones(3, 3), 8), ValueError, "image_shape"),  # pyright: ignore
        (lambda: Blur(torch.ones(3, 3), (8, 8), channels=0), ValueError, "channels"),
        (lambda: Blur(torch.ones(3, 3, 3), (8, 8), channels=2), ValueError, "channels"),
        (lambda: Blur(torch.ones(3, 1, 3, 3), (8, 8))(torch.ones(2, 1, 8, 8)), ValueError, "kernel: holds 3"),
        (lambda: gaussian_kernel(math.inf), ValueError, "std"),
        (lambda: motion_kernel(math.inf, 0.0), ValueError, "length"),
        (lambda: motion_kernel(5, math.nan), ValueError, "angle"),
        (lambda: motion_kernel(5, 0.0, variant="curved"), ValueError, "variant"),
    ],
)
def test_bad_arguments_are_named(call, error, word):
    with pytest.raises(error, match=word):
        call()


def test_constant_data_tell_nothing_of_the_kernel():
    op = Blur(motion_kernel(9, 0.5), (40, 44))
    for value in (0.0, 0.1, -3.3, 1e-30):
        assert op.doubts(torch.full((2, 1, 40, 44), value)) == ()
    photo = gaussian_noise(op(sample("camera")[..., 100:140, 180:224]), 0.01)
    both = torch.cat((photo, 0 * photo))
    assert op.doubts(both) == op.doubts(photo)
    solved = PnPADMM(op, LoFiDenoiser(), noise_std=0.01, stop=Stop(max_iter=2)).solve(both)
    assert solved.x[1].abs().max() == 0 and bool(solved.x.isfinite().all())
