"""Super-resolution's protocol against other implementations of it."""

import numpy as np
import pytest
import torch

from denoisers import SRCNN, XSRCNN, SRResNet, XSRResNet
from pnp import data
from pnp.metrics import psnr
from pnp.superres import imresize, luma, superres_inputs, superres_psnr


@pytest.mark.parametrize("scale", [0.5, 1 / 3, 0.25, 2, 3, 1.5])
def test_imresize_is_pillows_bicubic_inside(scale):
    image = pytest.importorskip("PIL.Image")
    x = torch.rand(1, 1, 48, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).float()
    out = imresize(x, scale)
    size = tuple(round(n * scale) for n in (48, 36))
    other = np.asarray(image.fromarray(x[0, 0].numpy()).resize(size[::-1], image.Resampling.BICUBIC))
    edge = max(3, round(3 * scale))
    inside = (slice(edge, -edge), slice(edge, -edge))
    assert out.shape[-2:] == size
    assert np.abs(out[0, 0].numpy() - other)[inside].max() < 1e-5


def test_imresize_at_the_border_mirrors():
    x = torch.rand(1, 2, 9, 8)
    mirrored = torch.cat((x.flip(-1), x, x.flip(-1)), -1)
    mirrored = torch.cat((mirrored.flip(-2), mirrored, mirrored.flip(-2)), -2)
    assert torch.allclose(imresize(mirrored, 3)[..., 27:54, 24:48], imresize(x, 3), atol=1e-5)
    assert torch.allclose(imresize(torch.ones(1, 1, 5, 7), 0.3), torch.ones(1, 1, 2, 3))
    with pytest.raises(ValueError, match="scale"):
        imresize(x, 0)


def test_luma_is_skimages():
    skimage = pytest.importorskip("skimage.color")
    x = torch.rand(2, 3, 5, 6)
    other = skimage.rgb2ycbcr(x.permute(0, 2, 3, 1).numpy())[..., 0] / 255
    assert np.abs(luma(x)[:, 0].numpy() - other).max() < 1e-6


def test_protocol():
    x = data.sample("camera")[..., 100:201, 180:280]
    truth, small, large = superres_inputs(x, 3)
    assert truth.shape[-2:] == large.shape[-2:] == (99, 99) and small.shape[-2:] == (33, 33)
    assert torch.equal((small * 255).round() / 255, small)
    assert torch.allclose(superres_psnr(large, truth, 3), psnr(large[..., 3:-3, 3:-3], truth[..., 3:-3, 3:-3]))
    assert torch.isinf(superres_psnr(truth.expand(-1, 3, -1, -1), truth.expand(-1, 3, -1, -1), 3))
    with pytest.raises(ValueError, match="scale"):
        superres_inputs(x, 200)


def test_networks():
    count = lambda net: sum(p.numel() for p in net.parameters())  # noqa: E731
    weights = lambda net: sum(p.numel() for n, p in net.named_parameters() if p.ndim == 4)  # noqa: E731
    assert count(SRCNN()) == 57_281 and weights(SRCNN()) == 57_184
    assert [count(XSRCNN(v)) for v in ("f", "c")] == [32_769, 44_241]
    assert count(XSRResNet()) == 1_158_534
    norm = sum(p.numel() for n, p in SRResNet().named_parameters() if "weight" in n and p.ndim == 1 and p.numel() > 1)
    assert weights(SRResNet()) + 2 * norm == 1_546_752  # the authors' rule: filters and normalisations
    x = torch.rand(2, 3, 7, 5)
    assert SRResNet(depth=1)(x).shape == (2, 3, 28, 20) and XSRResNet(scale=2, depth=1)(x).shape == (2, 3, 14, 10)
    for bad in (lambda: XSRCNN("g"), lambda: SRResNet(scale=3)):  # pyright: ignore[reportArgumentType]
        with pytest.raises(ValueError, match="expected"):
            bad()
