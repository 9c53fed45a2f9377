"""The course's networks: parameter counts of the code, variants, any size."""

import pytest
import torch
from torch import nn

from denoisers import ResCNN, ResUNet, SimpleCNN
from denoisers.networks import AttentionGate, ChannelGate, PixelAttention, ResidualConvBlock


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
@pytest.mark.parametrize("kind", ["plain", ("residual", "attention")])
@pytest.mark.parametrize("shape", [(20, 28), (21, 30)])
def test_any_size_and_independent_samples(variant, kind, shape):
    down = kind if variant == "ippy" else "residual"
    net = ResUNet(2, widths=(4, 8, 12), variant=variant, down=down, up=kind).eval()
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


def test_the_chapters_attention_is_a_gate_on_the_skip():
    net = ResUNet(widths=(2, 4, 8), variant="chapter", up=("residual", "attention")).eval()
    plain = ResUNet(widths=(2, 4, 8), variant="chapter").eval()
    gates = [m for m in net.modules() if isinstance(m, AttentionGate)]
    assert len(gates) == 1 and not any(isinstance(m, (PixelAttention, ChannelGate)) for m in net.modules())
    state = {k: v for k, v in net.state_dict().items() if ".gate." not in k}
    plain.load_state_dict(state)
    last, x = gates[0].gate[2], torch.rand(1, 1, 16, 16)
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    nn.init.zeros_(last.weight)
    for bias, same in ((50.0, True), (-50.0, False)):  # an open gate is the plain skip
        nn.init.constant_(last.bias, bias)
        assert torch.allclose(net(x), plain(x), atol=1e-5) == same


def test_final_activations():
    x = torch.randn(1, 1, 8, 8)
    simple, sharp = SimpleCNN(final="relu"), SimpleCNN()
    sharp.load_state_dict(simple.state_dict())
    assert torch.equal(simple(x), sharp(x).relu())
    for final, function in ((None, lambda z: z), ("tanh", torch.tanh), ("sigmoid", torch.sigmoid)):
        net = ResCNN(final=final)  # pyright: ignore
        net.net.load_state_dict(sharp.state_dict())
        assert torch.allclose(net(x), x + function(sharp(x)))
    unet = ResUNet(widths=(2, 4), variant="chapter", final=None).eval()
    squashed = ResUNet(widths=(2, 4), variant="chapter").eval()
    squashed.load_state_dict(unet.state_dict())
    assert torch.allclose(squashed(x) - x, torch.tanh(unet(x) - x), atol=1e-6)


def test_blocks():
    x = torch.rand(2, 8, 5, 6)
    gated = AttentionGate(8)
    inner = gated.gate[0](torch.cat((x, 2 * x), 1)).relu()
    assert torch.allclose(gated(x, 2 * x), x * torch.sigmoid(gated.gate[2](inner)))
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
        (lambda: SimpleCNN(final="variant"), "final"),  # type: ignore[arg-type]
        (lambda: ResUNet(widths=()), "widths"),
        (lambda: ResUNet(widths=(4, 0)), "widths"),
        (lambda: ResUNet(variant="chapter", down="attention"), "down"),
        (lambda: ResidualConvBlock(1, 2, merge="mean"), "merge"),  # type: ignore[arg-type]
        (lambda: ResidualConvBlock(1, 2, layers=0), "layers"),
        (lambda: PixelAttention(6, 4), "heads"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
