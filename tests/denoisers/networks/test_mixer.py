"""Mixers, ViT and U-Net: parameter counts of the papers' tables, closed forms, sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from denoisers import Img2ImgMixer, LinearMixer, MixerDenoiser, OriginalMixer, UMixer, UNet, ViT


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("patch", "depth", "width", "factor", "parameters"),
    [
        (4, 16, 64, 4, 1_661_312),
        (4, 16, 96, 4, 2_404_928),
        (4, 16, 128, 4, 3_443_456),
        (4, 16, 128, 8, 6_605_568),
        (4, 16, 192, 8, 12_192_896),
        (1, 12, 107, 1, 3_452_908),
        (2, 16, 140, 2, 3_460_440),
        (8, 16, 128, 4, 3_456_768),
        (1, 12, 100, 2, 6_809_188),
        (2, 16, 140, 4, 6_824_664),
        (8, 16, 140, 8, 6_862_344),
    ],
)
def test_counts_of_the_tables(patch, depth, width, factor, parameters):
    assert count(Img2ImgMixer(256, patch=patch, depth=depth, width=width, factor=factor)) == parameters


def test_counts_of_other_sizes():
    assert count(Img2ImgMixer(320, 1, factor=8)) == 7_785_472
    assert count(Img2ImgMixer(256, 1, factor=8)) == 6_601_216
    assert [count(Img2ImgMixer(*a)) for a in ((256, 1), (128, 3), (64, 1))] == [3_439_104, 2_651_904, 2_448_384]
    assert count(LinearMixer(256)) == 3_482_380
    assert count(UMixer(256)) == 6_451_136
    assert [count(OriginalMixer(256, c)) for c in (3, 1)] == [6_869_123, 6_860_929]
    assert [count(UNet(3, width=w)) for w in (21, 30, 15, 40)] == [3_340_767, 6_817_503, 1_704_603, 12_119_603]
    assert count(UNet(1)) == 7_756_097
    with torch.device("meta"):
        assert count(UNet(3, width=56)) == 23_753_747
    assert [count(ViT(256)), count(ViT(256, width=352, heads=8))] == [3_680_460, 6_394_028]
    assert [count(ViT(320, 1, width=396, heads=9)), count(ViT(256, 1, width=368, heads=8))] == [8_029_000, 6_819_876]


def test_linear_mixers_are_one_class():
    net = LinearMixer(16, 1, width=4, depth=2, extra=1)
    assert isinstance(net, Img2ImgMixer) and net.embed.conv.in_channels == 2
    assert all(isinstance(m.inner, nn.Linear) for layer in net.layers for m in list(layer.space)[1:])  # pyright: ignore
    with pytest.raises(TypeError, match="linear"):
        Img2ImgMixer(16, linear=True)  # pyright: ignore


def test_vit_knows_the_size_that_stretches_nothing(monkeypatch):
    net = ViT(56, 1, patch=10, width=8, heads=2, depth=1)
    assert net.image_shape == (50, 50) and net.positions.shape[-2:] == (5, 5)
    assert ViT(256, width=8, heads=2, depth=1).image_shape == (250, 250)
    stretched = []
    monkeypatch.setattr(F, "interpolate", lambda p, size, **_: stretched.append(size) or torch.zeros(1, 8, *size))
    for side in (50, 56):
        net(torch.rand(1, 1, side, side))
    assert stretched == [(6, 6)]


def test_a_layer_mixes_height_then_width_in_one_skip():
    g = torch.Generator().manual_seed(0)
    net = Img2ImgMixer((12, 8), 1, patch=4, width=5, depth=1, factor=2).double()
    state = {k.removeprefix("layers.0."): v for k, v in net.state_dict().items()}
    x = torch.randn(2, 3, 2, 5, dtype=torch.float64, generator=g)

    def perceptron(v: torch.Tensor, name: str) -> torch.Tensor:
        for layer in (0, 2):
            v = F.linear(F.gelu(v) if layer else v, state[f"{name}.{layer}.weight"], state[f"{name}.{layer}.bias"])
        return v

    def normalised(v: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(v, (5,), state[f"{name}.weight"], state[f"{name}.bias"])

    mixed = perceptron(normalised(x, "space.0").permute(0, 2, 3, 1), "space.1.inner").permute(0, 3, 1, 2)
    mixed = x + perceptron(mixed.permute(0, 1, 3, 2), "space.2.inner").permute(0, 1, 3, 2)
    expected = mixed + perceptron(normalised(mixed, "channels.0"), "channels.1")
    assert torch.allclose(net.layers(x), expected, atol=1e-12)


def test_expansion_has_the_codes_order_and_normalises_each_pixel():
    net = Img2ImgMixer((4, 6), 1, patch=2, width=3, depth=1)
    expand, x = net.head.expand, torch.randn(1, 2, 3, 3)
    out = expand(x)
    values = expand.linear(x[0, 1, 2])  # (row in patch, column in patch, c), c fastest
    for r in range(2):
        for s in range(2):
            expected = expand.norm(values[(r * 2 + s) * 3 : (r * 2 + s) * 3 + 3])
            assert torch.allclose(out[0, 2 + r, 4 + s], expected, atol=1e-6)


@pytest.mark.parametrize(
    "net",
    [
        Img2ImgMixer((16, 24), 2, width=6, depth=2),
        LinearMixer((16, 24), 2, width=6, depth=2),
        UMixer((32, 64), 2, width=6),
        OriginalMixer((16, 24), 2, width=6, depth=2),
    ],
)
def test_rectangles_and_batches(net):
    x = torch.randn(2, 2, *net.image_shape)
    assert net(x).shape == x.shape
    assert torch.allclose(net(x)[1:], net(x[1:]), atol=1e-5)
    with pytest.raises(ValueError, match="x: this network is for images of"):
        net(x[..., :-4])


@pytest.mark.parametrize("shape", [(33, 47), (32, 32), (64, 35)])
def test_any_size(shape):
    x = torch.randn(1, 1, *shape)
    assert ViT(30, 1, width=8, heads=2, depth=1)(x).shape == x.shape
    assert UNet(1, width=2)(x).shape == x.shape


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: Img2ImgMixer(250), "image_shape"),
        (lambda: UMixer(48), "image_shape"),
        (lambda: ViT(256, heads=7), "width"),
        (lambda: ViT(256, heads=0), "width"),
        (lambda: ViT(256, patch=0), "patch"),
        (lambda: MixerDenoiser(preset="half"), "preset"),
        (lambda: MixerDenoiser(channels=3), "channels"),
        (lambda: MixerDenoiser(None, channels=0), "channels"),
        (lambda: MixerDenoiser(None, level=-1.0), "level"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
