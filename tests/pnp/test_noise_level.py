"""Estimated noise levels: near the truth for every kind of data, and not below it."""

import math

import pytest
import torch

from operators import (
    MRI,
    Blur,
    Identity,
    Inpainting,
    KaiserSquires,
    LinearOperator,
    Radon,
    gaussian_kernel,
    gaussian_noise,
    poisson_disc,
    random_mask,
)
from pnp import LoFiDenoiser, PnPADMM, Stop, data, estimate_noise


def photo() -> torch.Tensor:
    return data.sample("camera")[..., 100:228, 180:308]


CASES = {  # operator, noise, and by how much the estimate may be too high
    "blur": (lambda: Blur(gaussian_kernel(1.6), (128, 128)), 0.005, 1.05),
    "identity": (lambda: Identity((128, 128)), 0.03, 1.12),
    "half of the pixels": (lambda: Inpainting(random_mask((128, 128), 0.5, seed=0)), 0.05, 1.1),
    "sinogram": (lambda: Radon(128, torch.arange(90) * (math.pi / 90)), 0.5, 1.2),
    "k-space": (lambda: MRI(poisson_disc((128, 128), 4.0, seed=0)), 0.02, 1.5),
    "noisy k-space": (lambda: MRI(poisson_disc((128, 128), 4.0, seed=0)), 0.1, 1.1),
    "shear": (lambda: KaiserSquires((128, 128)), 0.05, 1.1),
}


@pytest.mark.parametrize("name", CASES)
def test_estimates_are_near_the_truth(name):
    make, std, most = CASES[name]
    op = make()
    x = photo().to(torch.complex64) if op.in_dtype.is_complex else photo()
    x = torch.cat((x, 2 * x.flip(-1)))
    y = gaussian_noise(op(x), std)
    y = y * op.mask if hasattr(op, "mask") and op.mask is not None else y
    found, how = estimate_noise(op, y)
    assert found.shape == (2,) and isinstance(how, str)
    assert 0.95 * std < found[0] < most * std and found[1] > 0.95 * std
    assert torch.allclose(estimate_noise(op, 1e6 * y)[0], 1e6 * found, rtol=1e-4)
    assert torch.allclose(estimate_noise(op, y[1:])[0], found[1:], rtol=1e-5)


def test_pure_noise_and_sparse_masks():
    y = torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(estimate_noise(Identity((64, 64)), y)[0], torch.ones(3), atol=0.06)
    sparse = Inpainting(random_mask((64, 64), 0.05, seed=0))  # no four neighbours
    assert bool((estimate_noise(sparse, sparse(y))[0] > 0).all())


def test_misfit_counts_what_was_measured():
    op = MRI(poisson_disc((64, 64), 4.0, seed=0))
    y = op.mask * gaussian_noise(op(photo()[..., :64, :64].to(torch.complex64)), 0.05)
    report = PnPADMM(op, LoFiDenoiser(), noise_std=0.05, stop=Stop(max_iter=40)).solve(y).report
    (misfit,) = (v for k, v in report.items() if k.startswith("misfit"))
    assert 0.5 * 0.05 < misfit.item() < 1.5 * 0.05


def test_data_of_another_operator_are_noticed():
    photo_and_beyond = data.sample("camera")[..., 90:218, 170:298]
    op = Blur(gaussian_kernel(2.5), (128, 128))
    y = op(photo_and_beyond)[..., 24:104, 24:104]  # a border that no periodic image has
    solver = PnPADMM(Blur(gaussian_kernel(2.5), (80, 80)), LoFiDenoiser(), noise_std=1e-4, stop=Stop(max_iter=60))
    with pytest.warns(RuntimeWarning, match="spread .* times as wide"):
        result = solver.solve(y)
    assert "borders" in result.report["intensities"]


def test_images_without_channels_are_named():
    class Flat(LinearOperator):
        in_shape = (8, 8)

        def A(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

    with pytest.raises(ValueError, match=r"in_shape is \(8, 8\)"):
        estimate_noise(Flat(), torch.randn(1, 64))
