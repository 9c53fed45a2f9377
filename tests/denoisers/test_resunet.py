"""The course's networks: parameter counts of the code, variants, any size."""

import pytest
import torch
from torch import nn

from denoisers import ChannelGate, PixelAttention, ResCNN, ResidualConvBlock, ResUNet, SimpleCNN


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_counts():
    assert count(SimpleCNN()) == count(ResCNN()) == 38_145
    assert count(ResUNet()) == 6_786_113
    assert count(ResUNet(down="plain", up="plain")) == 4_758_017
    assert count(ResUNet(down=("residual", "attention"), up=("residual", "attention"))) == 7_345_537
    with torch.device("meta"):  # nothing is stored
        assert count(ResUNet(widths=(64, 128, 256, 512, 1024))) == 112_322_113
        assert count(ResUNet(widths=(64, 128, 256, 512, 1024), layers=3)) == 137_438_209


@pytest.mark.parametrize("variant", ["ippy", "chapter"])
@pytest.mark.parametrize("down", ["plain", ("residual", "attention")])
@pytest.mark.parametrize("shape", [(20, 28), (21, 30)])
def test_any_size_and_independent_samples(variant, down, shape):
    net = ResUNet(2, widths=(4, 8, 12), variant=variant, down=down, up=down).eval()
    x = torch.rand(2, 2, *shape)
    assert net(x).shape == x.shape
    assert torch.allclose(net(x)[1:], net(x[1:]), atol=1e-5)


def test_variants_add_the_input_or_do_not():
    x = torch.rand(1, 1, 8, 8)
    for variant, expected in (("ippy", torch.zeros_like(x)), ("chapter", x)):
        net = ResUNet(widths=(2, 4), variant=variant).eval()  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(net.last.weight)
        assert net.last.bias is not None
        nn.init.zeros_(net.last.bias)
        assert torch.equal(net(x), expected)


def test_blocks():
    x = torch.rand(2, 8, 5, 6)
    same = ResidualConvBlock(8, 8, merge="sum").eval()
    assert torch.equal(same(x), x + same.block(x))
    gate = ChannelGate(8)(x) / x
    assert torch.allclose(gate, gate[..., :1, :1].expand_as(gate), atol=1e-5) and gate.min() > 0 and gate.max() < 1
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    mixed = x.flatten(2)[..., order].reshape(x.shape)
    attend = PixelAttention(8, 2).eval()  # positions have no order
    assert torch.allclose(attend(mixed), attend(x).flatten(2)[..., order].reshape(x.shape), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: ResUNet(down=("plain",)), "down"),
        (lambda: ResUNet(up="dense"), "up"),  # type: ignore[arg-type]
        (lambda: ResUNet(variant="book"), "variant"),  # type: ignore[arg-type]
        (lambda: ResUNet(final="softmax"), "final"),  # type: ignore[arg-type]
        (lambda: ResidualConvBlock(1, 2, merge="mean"), "merge"),  # type: ignore[arg-type]
        (lambda: ResidualConvBlock(1, 2, layers=0), "layers"),
        (lambda: PixelAttention(6, 4), "heads"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
