"""Every shipped operator: the laws, the doctor, and definitions that share no code with it."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from operators import (
    MRI,
    Blur,
    CoilMatrix,
    Downsampling,
    Identity,
    Inpainting,
    KnownPhase,
    LinearOperator,
    check,
    gaussian_kernel,
    motion_kernel,
    random_mask,
)
from tests.contracts import operator_laws


def random(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


PEAKED = random(2, 3).abs() * 0.1 + torch.tensor([[0.0, 0, 0], [0, 1, 0]])  # well conditioned, not symmetric
CASES: dict[str, LinearOperator] = {
    "identity": Identity((4, 5)),
    "complex identity": Identity((4, 3), in_dtype=torch.complex64),
    "inpainting": Inpainting(random_mask((5, 6), 0.4)),
    "weights": Inpainting(random(3, 4, 5).abs() + 0.1),
    "colour mask": Inpainting(random_mask((4, 5), 0.5), channels=3),
    "blur": Blur(gaussian_kernel(0.6), (7, 8)),
    "blur, even kernel": Blur(random(2, 4), (6, 5)),
    "blur, kernel of the image's size": Blur(random(6, 5), (6, 5)),
    "blur, zeros around": Blur(PEAKED, (6, 5), boundary="zero"),
    "blur, zeros, even, colour": Blur(PEAKED[:, :2], (5, 5), channels=2, boundary="zero"),
    "downsampling, own kernel": Downsampling(2, (6, 8), filter=random(3, 4)),
    "downsampling, gaussian": Downsampling(2, (8, 10)),
    "downsampling, bicubic": Downsampling(2, (8, 8), filter="bicubic"),
    "average": Downsampling(3, (6, 9), filter="average"),
    "naive": Downsampling(2, (6, 8), filter="naive"),
    "no downsampling": Downsampling(1, (4, 4)),
    "mri": MRI(random_mask((5, 6), 0.5)),
    "mri, coils": MRI(random_mask((5, 4), 0.6), torch.complex(random(3, 5, 4), random(3, 5, 4, seed=1))),
    "mri, combined coils": CoilMatrix(torch.complex(random(2, 3), random(2, 3, seed=1)), shape=(3, 3, 2)),
    "mri, combined by rows": CoilMatrix(torch.complex(random(4, 2, 3), random(4, 2, 3, seed=1)), shape=(3, 4, 2)),
    "mri, known phase": KnownPhase(random(4, 5)),
    "mri, real images": MRI(random_mask((5, 4), 0.6), torch.complex(random(3, 5, 4), random(3, 5, 4, seed=1)))
    @ KnownPhase(random(5, 4)),
    "mri, coils, all": MRI(torch.ones(5, 4), torch.complex(random(3, 5, 4), random(3, 5, 4, seed=1))),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws(name, dtype):
    operator_laws(CASES[name], dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_doctor_finds_nothing(name, dtype):
    report = check(CASES[name], dtype=dtype)
    assert report.ok, report


def test_constants_with_a_batch_axis():
    masks = torch.stack([random_mask((5, 6), 0.5, seed=s) for s in range(3)])[:, None]
    operator_laws(Inpainting(masks), singles=[Inpainting(m) for m in masks])
    kernels = torch.stack([torch.roll(PEAKED, s, 1) for s in range(3)])[:, None]
    operator_laws(Blur(kernels, (5, 6)), singles=[Blur(k, (5, 6)) for k in kernels])
    maps = torch.complex(random(3, 2, 5, 6), random(3, 2, 5, 6, seed=1))
    operator_laws(MRI(masks.float(), maps), singles=[MRI(m[0], c) for m, c in zip(masks, maps)])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(5, 9), st.integers(5, 9), st.integers(0, 99))
def test_blur_is_scipys_convolution(h, w, height, width, seed):
    kernel, x = random(h, w, seed=seed), random(1, 1, height, width, seed=seed + 1)
    for boundary, mode in (("circular", "wrap"), ("zero", "constant")):
        expected = scipy.ndimage.convolve(x[0, 0].numpy(), kernel.numpy(), mode=mode)
        out = Blur(kernel, (height, width), boundary=boundary)(x)[0, 0].numpy()
        assert np.abs(out - expected).max() < 1e-12


def test_kernel_is_the_image_of_a_point():
    point = torch.zeros(1, 1, 9, 9)
    point[..., 4, 4] = 1
    kernel = random(3, 5, dtype=torch.float32)
    assert torch.allclose(Blur(kernel, (9, 9))(point)[0, 0, 3:6, 2:7], kernel, atol=1e-6)


def test_kernels():
    k = gaussian_kernel(1.5)
    i = torch.arange(11.0) - 5
    assert torch.allclose(
        k, torch.exp(-(i[:, None] ** 2 + i**2) / 4.5) / torch.exp(-(i**2) / 4.5).sum() ** 2, atol=1e-7
    )
    course = motion_kernel(7, np.pi / 4, variant="ippy")
    assert torch.equal(course.nonzero(), torch.arange(6)[:, None].expand(6, 2)) and course.max() == pytest.approx(1 / 6)
    assert torch.allclose(motion_kernel(7, 0.0, variant="ippy")[3], torch.full((7,), 1 / 7))
    for angle in (0.0, 0.4, 2.0):
        k = motion_kernel(9, angle)
        axis = torch.arange(k.shape[0]) - k.shape[0] // 2
        assert k.sum().item() == pytest.approx(1)
        assert (k.sum(1) * axis).sum().abs() < 1e-5 and (k.sum(0) * axis).sum().abs() < 1e-5
    for call in (lambda: gaussian_kernel(0), lambda: gaussian_kernel(1, 4), lambda: motion_kernel(0.5, 0)):
        with pytest.raises(ValueError):
            call()


def test_downsampling_is_filter_and_every_rth_pixel():
    x = random(1, 1, 12, 9)
    for kernel in (random(3, 4), random(5, 5)):
        blurred = scipy.ndimage.convolve(x[0, 0].numpy(), kernel.numpy(), mode="wrap")
        out = Downsampling(3, (12, 9), filter=kernel)(x)[0, 0].numpy()
        assert np.abs(out - blurred[::3, ::3]).max() < 1e-12
    means = torch.nn.functional.avg_pool2d(x, 3)
    assert torch.allclose(Downsampling(3, (12, 9), filter="average")(x), means, atol=1e-7)
    op = Downsampling(3, (12, 9), filter="average")
    y = random(1, 1, 4, 3)
    assert torch.allclose(op.A_adjoint(y), y.repeat_interleave(3, 2).repeat_interleave(3, 3) / 9, atol=1e-7)
    assert torch.allclose(Downsampling(3, (12, 9), filter="naive")(x), x[..., ::3, ::3], atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (5, 8)])
def test_mri_is_the_centred_transform(shape):
    x = torch.complex(random(1, 1, *shape), random(1, 1, *shape, seed=1))
    centred = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x[0, 0].numpy()), norm="ortho"))
    mask = random_mask(shape, 0.5)
    assert np.abs(MRI(mask)(x)[0, 0].numpy() - mask.numpy() * centred).max() < 1e-12


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Inpainting(torch.zeros(4, 4)), "mask"),
        (lambda: Inpainting(torch.full((4, 4), float("nan"))), "mask"),
        (lambda: Inpainting(-torch.ones(4, 4)), "mask"),
        (lambda: Inpainting(torch.ones(4)), "mask"),
        (lambda: Inpainting(torch.ones(2, 4, 4), channels=3), "channels"),
        (lambda: random_mask((4, 4), 0.0), "keep"),
        (lambda: Blur(torch.ones(5, 5), (4, 4)), "kernel"),
        (lambda: Blur(torch.zeros(3, 3), (4, 4)), "kernel"),
        (lambda: Blur(torch.ones(3, 3), (4, 4), boundary="mirror"), "boundary"),
        (lambda: Downsampling(3, (8, 9)), "factor"),
        (lambda: Downsampling(0, (8, 8)), "factor"),
        (lambda: Downsampling(2, (8, 8), filter="box"), "filter"),
        (lambda: MRI(torch.zeros(4, 4)), "mask"),
        (lambda: MRI(torch.ones(4, 4), torch.ones(2, 5, 4)), "coil_maps"),
        (lambda: MRI(torch.ones(1, 3, 4, 4), torch.ones(2, 4, 4)), "mask"),
    ],
)
def test_bad_arguments_are_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
