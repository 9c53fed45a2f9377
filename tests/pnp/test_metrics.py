"""Metrics agree with scikit-image."""

import numpy as np
import pytest
import torch

from pnp.metrics import nrmse, psnr, ssim

skimage = pytest.importorskip("skimage.metrics")


@pytest.fixture
def pair():
    g = torch.Generator().manual_seed(0)
    ref = torch.rand(2, 3, 21, 30, generator=g, dtype=torch.float64)
    return ref + 0.1 * torch.randn(ref.shape, generator=g, dtype=torch.float64), ref


def test_psnr_and_nrmse(pair):
    x, ref = pair
    for b in range(2):
        a, r = x[b].numpy(), ref[b].numpy()
        assert psnr(x, ref, data_range=2.0)[b].item() == pytest.approx(
            skimage.peak_signal_noise_ratio(r, a, data_range=2.0), abs=1e-9
        )
        assert nrmse(x, ref)[b].item() == pytest.approx(skimage.normalized_root_mse(r, a), abs=1e-12)
    assert psnr(ref, ref).tolist() == [float("inf")] * 2


@pytest.mark.parametrize("data_range", [1.0, 3.0])
def test_ssim(pair, data_range):
    x, ref = pair
    for window, options in (
        ("uniform", {}),
        ("gaussian", {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    ):
        out = ssim(x, ref, data_range=data_range, window=window)
        for b in range(2):
            each = [
                skimage.structural_similarity(x[b, c].numpy(), ref[b, c].numpy(), data_range=data_range, **options)
                for c in range(3)
            ]
            assert out[b].item() == pytest.approx(np.mean(each), abs=1e-6)


def test_bad_input_is_named(pair):
    x, ref = pair
    for call, error, word in (
        (lambda: psnr(x[0], ref[0]), ValueError, "B, C, H, W"),
        (lambda: psnr(x, ref[:1]), ValueError, "shapes"),
        (lambda: psnr(x + 0j, ref + 0j), TypeError, "abs"),
        (lambda: psnr(x, ref, data_range=0.0), ValueError, "data_range"),
        (lambda: ssim(x[..., :5], ref[..., :5]), ValueError, "window"),
        (lambda: ssim(x, ref, window="box"), ValueError, "window"),
    ):
        with pytest.raises(error, match=word):
            call()


def test_ssim_in_single_precision_on_an_offset(pair):
    x, ref = (v * 1e-2 + 1 for v in pair)
    exact = ssim(x, ref, data_range=1e-2)
    single = ssim(x.float(), ref.float(), data_range=1e-2)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-3)  # what rounding the images alone does


def test_range_of_each_sample_and_mixed_precision(pair):
    x, ref = pair
    spans = torch.tensor([1.0, 3.0])
    for metric in (psnr, ssim):
        each = torch.cat([metric(x[b : b + 1], ref[b : b + 1], data_range=float(spans[b])) for b in range(2)])
        torch.testing.assert_close(metric(x, ref, data_range=spans), each)
        assert metric(x.float(), ref, data_range=spans).dtype == torch.float64


def test_input_that_has_no_answer_is_named(pair):
    x, ref = pair
    for call, error, word in (
        (lambda: psnr((255 * x).byte(), (255 * ref).byte()), TypeError, "x: .*uint8"),
        (lambda: psnr(x, ref.numpy()), TypeError, "ref: .*ndarray"),
        (lambda: psnr(x, ref, data_range=torch.ones(3)), ValueError, "data_range"),
        (lambda: psnr(x, ref, data_range=float("inf")), ValueError, "data_range"),
        (lambda: psnr(x[:, :0], ref[:, :0]), ValueError, "x: .*no pixels"),
        (lambda: nrmse(x, torch.cat((ref[:1], 0 * ref[1:]))), ValueError, "ref: .*zero"),
    ):
        with pytest.raises(error, match=word):
            call()


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-8, 1e8, 1e20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_unit_gives_the_same_numbers(pair, scale, dtype):
    x, ref = (v.to(dtype) for v in pair)
    for metric in (psnr, ssim):
        scaled = metric(scale * x, scale * ref, data_range=scale)
        torch.testing.assert_close(scaled, metric(x, ref), rtol=1e-5, atol=0)
    assert nrmse(x, ref).dtype == nrmse(x + 0j, ref).dtype == dtype
    torch.testing.assert_close(nrmse(scale * x, scale * ref), nrmse(x, ref), rtol=1e-5, atol=0)
