"""Denoisers of other packages: they denoise, keep units, and say what is missing."""

import copy
import pickle
from typing import Any

import pytest
import torch

from denoisers import BM3DDenoiser, DeepInvDenoiser, WaveletDenoiser
from pnp import data
from pnp.metrics import psnr


def noisy(sigma: float, size: int = 96):
    x = data.sample("camera")[..., 100 : 100 + size, 180 : 180 + size]
    return x, x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def bm3d():
    pytest.importorskip("bm3d", reason="the package bm3d is not installed (extra bench)")
    return BM3DDenoiser()


def wavelet():
    pytest.importorskip("pywt", reason="PyWavelets is not installed (extra bench)")
    return WaveletDenoiser()


@pytest.mark.parametrize(("make", "gain"), [(bm3d, 8.0), (wavelet, 6.0)])
def test_classical(make, gain):
    denoiser = make()
    x, y = noisy(0.1)
    out = denoiser(y, 0.1)
    assert float(psnr(out, x) - psnr(y, x)) > gain
    assert torch.allclose(denoiser(1e4 * y + 3e4, 1e3), 1e4 * out + 3e4, rtol=1e-3, atol=10)
    assert torch.equal(denoiser(y, 0.0), y)
    two = denoiser(torch.cat((y, y.flip(-1)))[..., :33, :40], torch.tensor([0.1, 0.2]))
    assert torch.allclose(two[1:], denoiser(y.flip(-1)[..., :33, :40], 0.2), atol=1e-5)
    assert denoiser(y.double(), 0.1).dtype == torch.float64


def test_wavelet_frame_is_tight_and_shift_invariant():
    denoiser = wavelet()
    y = noisy(0.1, 64)[1]
    assert torch.allclose(denoiser(y, 1e-9), y, atol=1e-5)  # nothing is lost
    assert denoiser(torch.rand(1, 2, 5, 1), 0.1).shape == (1, 2, 5, 1)
    with pytest.raises(ValueError, match="levels"):
        WaveletDenoiser(levels=0)


def test_colour_bm3d_is_joint():
    denoiser = bm3d()
    x = noisy(0.1, 48)[0].expand(-1, 3, -1, -1)
    y = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    alone = torch.cat([denoiser(y[:, c : c + 1], 0.1) for c in range(3)], 1)
    assert float(psnr(denoiser(y, 0.1), x) - psnr(alone, x)) > 0.3


def test_deepinv_denoisers(tmp_path):
    deepinv = pytest.importorskip("deepinv", reason="deepinv is not installed (extra test)")
    net = deepinv.models.DnCNN(1, 1, depth=3, nf=8, pretrained=None)
    file = tmp_path / "weights.pth"
    torch.save(net.state_dict(), file)
    ours = DeepInvDenoiser("dncnn", weights=file, in_channels=1, out_channels=1, depth=3, nf=8)
    y = noisy(0.1, 32)[1]
    assert ours.channels == 1 and torch.allclose(ours(y, 0.1), net.eval()(y, 0.1))
    with pytest.raises(FileNotFoundError, match="download"):
        DeepInvDenoiser("drunet", weights="not-here.pth")
    for name in ("resnet900", "denoiser", "reconstructor"):  # the last two are bases of classes
        with pytest.raises(ValueError, match=f"no '{name}'"):
            DeepInvDenoiser(name)


def test_weights_of_deepinv_networks_are_told(tmp_path):
    pytest.importorskip("deepinv", reason="deepinv is not installed (extra test)")
    small: dict[str, Any] = {"in_channels": 1, "out_channels": 1, "depth": 3, "nf": 8}
    with pytest.raises(ValueError, match="^weights: "):
        DeepInvDenoiser("dncnn", **small)
    for value in ("download", None):
        with pytest.raises(ValueError, match="^pretrained: "):
            DeepInvDenoiser("dncnn", weights=None, pretrained=value, **small)
    assert DeepInvDenoiser("dncnn", weights=None, depth=3, nf=8).channels == 3
    assert DeepInvDenoiser("ffdnet", weights=None).channels == 1 and DeepInvDenoiser("median").channels is None
    with pytest.raises(ValueError, match="x: .*1 channel"):
        DeepInvDenoiser("dncnn", weights=None, **small)(torch.rand(1, 3, 8, 8), 0.1)
    file = tmp_path / "theirs.pth"
    torch.save(DeepInvDenoiser("dncnn", weights=None, **small).model.state_dict(), file)
    data = file.read_bytes()
    with pytest.raises(ValueError, match="theirs.pth"):
        DeepInvDenoiser("dncnn", weights=file, **small | {"nf": 4})
    torch.save(print, tmp_path / "code.pth")
    for name, content in (
        ("theirs.pth", data[:900]),
        ("theirs.pth", b""),
        ("theirs.pth", b"weights"),
        ("code.pth", None),
    ):
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(ValueError, match=f"weights: {name}"):
            DeepInvDenoiser("dncnn", weights=tmp_path / name, **small)


@pytest.mark.parametrize("make", [bm3d, wavelet])
def test_classical_methods_are_copied_and_saved(make):
    denoiser, y = make(), noisy(0.1, 16)[1]
    for twin in (copy.deepcopy(denoiser), pickle.loads(pickle.dumps(denoiser))):
        assert torch.allclose(twin(y, 0.1), denoiser(y, 0.1), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 8), (8, 8), (4, 30), (9, 9)])
def test_bm3d_of_small_images(shape):
    y = 0.5 + 0.1 * torch.randn(3, 1, *shape, generator=torch.Generator().manual_seed(0))
    out = bm3d()(y, 0.1)
    assert out.shape == y.shape and bool(out.isfinite().all())
    if min(shape) > 1:
        assert float((out - 0.5).square().mean()) < 0.3 * float((y - 0.5).square().mean())
