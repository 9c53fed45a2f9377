"""Super-resolution's protocol against other implementations of it."""

import numpy as np
import pytest
import torch

from denoisers import SRCNN, XSRCNN, SRResNet, XSRResNet
from pnp import data
from pnp.metrics import psnr
from pnp.superres import imresize, luma, superres_inputs, superres_psnr
from pnp.train.recipes import RECIPES, PairRecipe


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


def test_bad_images_and_scales_are_named():
    x = torch.rand(1, 3, 24, 24)
    for scale in (0, -2, 1.5, float("nan")):
        for call in (lambda s: superres_inputs(x, s), lambda s: superres_psnr(x, x, s)):
            with pytest.raises(ValueError, match="^scale: "):
                call(scale)
    for bad in (255 * x, x - 0.5, x * float("nan")):
        with pytest.raises(ValueError, match=r"^x: .*\[0, 1\]"):
            superres_inputs(bad, 2)
        with pytest.raises(ValueError, match=r"^truth: .*\[0, 1\]"):
            superres_psnr(x, bad, 2)
    with pytest.raises(TypeError, match="^x: "):
        superres_inputs((255 * x).byte(), 2)
    for other in (x[:, :1], x[..., :-1]):
        with pytest.raises(ValueError, match="^estimate, truth: shapes differ"):
            superres_psnr(other, x, 2)
    with pytest.raises(ValueError, match="^truth: nothing"):
        superres_psnr(x, x, 12)


@pytest.mark.parametrize("name", ["xsrcnn-f-3", "xsrresnet-4"])
def test_recipes_are_trained_on_what_is_scored(name):
    recipe = RECIPES[name]
    assert isinstance(recipe, PairRecipe) and recipe.make is not None
    x = (255 * data.sample("camera")[0, :, 100:148, 180:228]).round().byte()
    given, wanted = recipe.make(x if recipe.channels == 1 else x.expand(3, -1, -1))
    scale = int(name[-1])
    if recipe.channels == 1:
        assert given.shape == wanted.shape and torch.allclose(wanted, luma(x.expand(3, -1, -1) / 255)[:, :48, :48])
    else:
        assert [scale * n for n in given.shape[-2:]] == list(wanted.shape[-2:])


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
