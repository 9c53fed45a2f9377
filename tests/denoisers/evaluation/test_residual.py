"""Residual U-Nets whose convolutions take up what follows them: the same values."""

import copy

import pytest
import torch

from denoisers import DRUNet
from denoisers.evaluation import residual
from denoisers.evaluation.precision import has_bfloat16

needed = pytest.mark.skipif(residual._conv is None, reason="torch is built without oneDNN")


def network(**options) -> DRUNet:
    torch.manual_seed(0)
    net = DRUNet(**{"widths": (16, 32, 48), "blocks": 2, **options}).eval().requires_grad_(False)
    for parameter in net.parameters():  # untrained ones give nearly zero
        parameter.normal_(0, 0.1)
    return net.to(memory_format=torch.channels_last)


@needed
@pytest.mark.parametrize(
    "options",
    [{"skips": "within"}, {"skips": "around"}, {"skips": "within", "unshuffle": 2}, {"widths": (16,), "blocks": 1},
     {"inputs": 4, "outputs": 3, "skips": "within", "blocks": 1}],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 32, 24), (3, 8, 40)])
def test_the_same_values(options, shape):
    net, (batch, *sides) = network(**options), shape
    x = torch.randn(batch, options.get("inputs", 2), *sides).contiguous(memory_format=torch.channels_last)
    kept = x.clone()
    assert residual.joins(net, x)
    found, wanted = residual.joined(net, x), copy.deepcopy(net).double()(x.double())
    assert torch.equal(x, kept) and float((found - wanted).abs().max()) <= 3e-6 * float(wanted.abs().max())
    assert torch.equal(residual.joined(net, x[:1]), found[:1])


@needed
def test_bfloat16_is_rounded_less_often():
    if not has_bfloat16(torch.device("cpu")):
        pytest.skip("the processor has no bfloat16")
    net = network(skips="within")
    x = torch.randn(1, 2, 32, 32)
    half, short = network(skips="within").to(torch.bfloat16), x.to(torch.bfloat16)
    assert residual.joins(half, short)
    errors = [float((run(short).float() - net(x)).norm()) for run in (lambda z: residual.joined(half, z), half)]
    assert errors[0] <= 1.05 * errors[1] and errors[0] <= 0.05 * float(net(x).norm())


def test_who_asks_for_more_gets_the_network():
    net, x = network(), torch.randn(1, 2, 8, 8)
    assert not residual.joins(net, x.double()) and not residual.joins(net.train(), x)
    net.eval().requires_grad_()
    assert not residual.joins(net, x)
    with torch.no_grad():
        assert residual.joins(net, x) == (residual._conv is not None)
    assert not residual.joins(net.requires_grad_(False), x.clone().requires_grad_())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not residual.joins(net, x)
    with pytest.raises(ValueError, match="sides"):
        residual.joined(net, torch.randn(1, 2, 9, 8))
