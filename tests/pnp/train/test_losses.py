"""Losses against their definitions written out, and against scikit-image."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from pnp.train import Clamped, FourierLoss, PerceptualLoss, SSIMLoss, WeightedSum


def images(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    x = torch.rand(*shape, generator=g, dtype=torch.float64)
    return x, (x + 0.1 * torch.randn(*shape, generator=g, dtype=torch.float64)).requires_grad_()


def test_ssim_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = images(1, 1, 20, 23)
    expected = metrics.structural_similarity(x[0, 0].numpy(), y[0, 0].detach().numpy(), data_range=1.0)
    assert 1 - SSIMLoss()(y, x).item() == pytest.approx(expected, abs=1e-10)


def test_block_ssim_is_the_courses():
    x, y = images(2, 1, 24, 35)
    values = []
    for b in range(2):
        for i in range(2):
            for j in range(3):
                p, q = (v[b, 0, 11 * i : 11 * i + 11, 11 * j : 11 * j + 11].detach().numpy() for v in (x, y))
                cov = np.mean(p * q) - p.mean() * q.mean()
                top = (2 * p.mean() * q.mean() + 1e-4) * (2 * cov + 9e-4)
                values.append(top / ((p.mean() ** 2 + q.mean() ** 2 + 1e-4) * (p.var() + q.var() + 9e-4)))
    assert SSIMLoss.blocks()(y, x).item() == pytest.approx(1 - np.mean(values), abs=1e-10)


def test_fourier_losses():
    x, y = images(2, 1, 8, 9)
    a, b = (np.fft.fft2(v.detach().numpy(), norm="ortho") for v in (x, y))
    assert FourierLoss(magnitude=True)(y, x).item() == pytest.approx(np.mean((abs(a) - abs(b)) ** 2))
    assert FourierLoss(power=1)(y, x).item() == pytest.approx(np.mean(abs(a - b)))
    assert FourierLoss(cutoff=0.01)(y + 3, y).item() == pytest.approx(0, abs=1e-20)  # the mean is no high frequency
    assert FourierLoss(magnitude=True)(x.roll(2, -1), x).item() == pytest.approx(0, abs=1e-20)
    assert FourierLoss()(x.roll(2, -1), x).item() > 1e-3


@pytest.mark.parametrize(
    "loss", [SSIMLoss(), SSIMLoss.blocks(5), FourierLoss(), FourierLoss(magnitude=True, cutoff=0.2), Clamped(F.l1_loss)]
)
def test_derivatives(loss):
    x, y = images(1, 1, 10, 10)
    assert torch.autograd.gradcheck(lambda v: loss(v, x), (y,), atol=1e-6)


def test_clamp_stops_the_gradient_where_it_saturates():
    x = torch.tensor([[[[0.5, 1.5, -0.2]]]], requires_grad=True)
    Clamped(F.mse_loss)(x, torch.full((1, 1, 1, 3), 0.3)).backward()
    assert x.grad is not None and x.grad.flatten()[0] != 0 and not x.grad.flatten()[1:].any()


def test_perceptual_and_weighted_sums():
    torch.manual_seed(0)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return [x, self.conv(x)]

    features = Two().double()
    x, y = images(1, 1, 8, 8)
    loss = PerceptualLoss(features, (2.0, 0.5))
    deep = F.mse_loss(features.conv(y.expand(-1, 3, -1, -1)), features.conv(x.expand(-1, 3, -1, -1)))
    assert loss(y, x).item() == pytest.approx((2 * F.mse_loss(y, x) + 0.5 * deep).item())
    assert not any(p.requires_grad for p in loss.parameters())
    total = WeightedSum((1.0, F.mse_loss), (0.2, loss))
    assert total(y, x).item() == pytest.approx((F.mse_loss(y, x) + 0.2 * loss(y, x)).item())
    with pytest.raises(ValueError, match="weights"):
        PerceptualLoss(features)(y, x)
    with pytest.raises(ValueError, match="window"):
        SSIMLoss()(x[..., :5], x[..., :5])


@pytest.mark.parametrize(
    "loss", [SSIMLoss(), FourierLoss(), FourierLoss(magnitude=True), Clamped(F.l1_loss), WeightedSum((1.0, F.l1_loss))]
)
def test_shapes_that_differ_are_not_stretched(loss):
    with pytest.raises(ValueError, match=r"\(2, 1, 9, 9\) and \(2, 2, 9, 9\)"):
        loss(torch.ones(2, 1, 9, 9), torch.ones(2, 2, 9, 9))


def test_complex_images():
    x = torch.randn(1, 1, 9, 9, dtype=torch.complex128)
    y = torch.randn(1, 1, 9, 9, dtype=torch.complex128, requires_grad=True)
    for loss in (SSIMLoss(), Clamped(F.l1_loss), PerceptualLoss(nn.Identity())):
        with pytest.raises(TypeError, match=type(loss).__name__):
            loss(y, x)
    high = torch.hypot(*torch.meshgrid(*2 * (torch.fft.fftfreq(9, dtype=torch.float64),), indexing="ij")) >= 0.2
    expected = (torch.fft.fft2(y - x, norm="ortho") * high).abs().square().mean()
    assert FourierLoss(cutoff=0.2)(y, x).item() == pytest.approx(expected.item())
    assert torch.autograd.gradcheck(lambda v: FourierLoss(cutoff=0.2)(v, x), (y,))


@pytest.mark.parametrize("make", [
    lambda: SSIMLoss(1), lambda: SSIMLoss(stride=0), lambda: SSIMLoss(data_range=0.0), lambda: FourierLoss(power=0.5),
    lambda: FourierLoss(cutoff=-0.1),
])  # fmt: skip
def test_settings_out_of_range(make):
    with pytest.raises(ValueError, match=r"window|range|power|cutoff"):
        make()


def test_ssim_of_single_and_half_precision_far_from_zero():
    x, y = images(1, 1, 20, 23)
    x, y = (x / 10 + 100).float(), (y.detach() / 10 + 100).float()
    exact = SSIMLoss(data_range=0.1)(y.double(), x.double()).item()
    assert SSIMLoss(data_range=0.1)(y, x).item() == pytest.approx(exact, abs=1e-4) and 0.05 < exact < 1
    half = x.sub(100).bfloat16(), y.sub(100).bfloat16()
    wide = SSIMLoss(data_range=0.1)(*(v.double() for v in half)).item()
    assert SSIMLoss(data_range=0.1)(*half).item() == pytest.approx(wide, abs=1e-4)
