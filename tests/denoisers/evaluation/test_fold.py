"""Folded networks: same output, nothing else changed."""

import copy
import pickle

import pytest
import torch
from torch import nn

from denoisers import ConvNet, DnCNN, Img2ImgMixer, ResUNet, UNet, ViT, XDnCNN, XDnCNNDenoiser, XNet, XSRResNet
from denoisers.evaluation.fold import Folded, folded
from denoisers.evaluation.layers import FewOutputs, Perceptron


def trained(net: nn.Module) -> nn.Module:
    """A network whose normalisations do something."""
    torch.manual_seed(0)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            assert m.running_mean is not None and m.running_var is not None
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 2)
            nn.init.normal_(m.weight)  # of either sign
            nn.init.normal_(m.bias, 0, 0.2)
    return net.eval()


NETWORKS = {
    "xdncnn": lambda: XDnCNN(1, width=8, depth=4),
    "literal": lambda: XDnCNN(1, width=8, depth=4, layout="conv-norm-unit"),
    "sigmoid": lambda: XNet(1, width=8, depth=3, design="BN+CD+SG"),
    "dncnn": lambda: DnCNN(1, width=8, depth=5),
    "convnet": lambda: ConvNet(1, width=8, depth=4),
    "resunet": lambda: ResUNet(1, widths=(4, 8)),
    "unet": lambda: UNet(1, width=4, poolings=1),
    "instances": lambda: nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.InstanceNorm2d(5, affine=True), nn.LeakyReLU(0.2), nn.PReLU(), nn.PReLU(5)
    ),
    "instances first": lambda: nn.Sequential(nn.InstanceNorm2d(1), nn.ReLU()),
    "norm first": lambda: nn.Sequential(nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 1, 17, 12), (3, 1, 4, 4)])
def test_same_output(name, shape):
    net = trained(NETWORKS[name]())
    x = torch.rand(*shape)
    before = x.clone(), copy.deepcopy(net.state_dict())
    with torch.no_grad():
        expected = net(x)
        for _ in range(2):  # nothing is used up
            assert torch.allclose(folded(net)(x), expected, atol=1e-5 * float(expected.abs().max()))
    assert torch.equal(x, before[0])
    assert all(torch.equal(v, before[1][k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize(
    "net", [Img2ImgMixer((8, 12), 2, width=6, depth=2), ViT(20, 2, patch=5, width=8, depth=1, heads=2)]
)
def test_perceptrons(net):
    x = torch.rand(3, 2, *getattr(net, "image_shape", (20, 20)))
    with torch.no_grad():
        fast, expected = folded(net), net.eval()(x)
        assert any(isinstance(m, Perceptron) for m in fast.modules())
        assert torch.allclose(fast(x), expected, atol=1e-5)
        assert torch.allclose(folded(net.double())(x.double()).float(), expected, atol=1e-5)


def test_super_resolution():
    net, x = trained(XSRResNet(depth=2)), torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        expected = net(x)
        assert torch.allclose(folded(net)(x), expected, atol=1e-5 * float(expected.abs().max()))


def test_changed_weights_are_followed():
    net, x = trained(DnCNN(1, width=4, depth=3)), torch.rand(1, 1, 8, 8)
    fast = Folded(net)
    with torch.no_grad():
        first = fast(x)
        for p in net.parameters():
            p.mul_(1.1)
        second = fast(x)
        assert not torch.allclose(first, second)
        assert torch.allclose(second, net(x), atol=1e-5)


def test_derivatives_go_through_the_network_itself():
    denoiser = XDnCNNDenoiser(None, level=0.1).eval().requires_grad_(False)
    x = torch.rand(1, 1, 9, 9, requires_grad=True)
    denoiser(x, 0.1).sum().backward()
    assert x.grad is not None and bool(x.grad.abs().sum() > 0)
    again = pickle.loads(pickle.dumps(copy.deepcopy(denoiser)))
    with torch.no_grad():
        assert torch.allclose(again(x, 0.1), denoiser.net(x), atol=1e-5)
        assert torch.allclose(denoiser.double()(x.double(), 0.1).float(), denoiser.net(x.double()).float(), atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # within torch
def test_derivatives_forward():
    denoiser = XDnCNNDenoiser(None, level=0.1).eval().requires_grad_(False)
    x, v = torch.rand(1, 1, 9, 9), torch.rand(1, 1, 9, 9)
    forward = torch.func.jvp(lambda t: denoiser(t, 0.1), (x,), (v,))[1]
    backward = torch.autograd.functional.jvp(lambda t: denoiser(t, 0.1), x, v)[1]
    assert isinstance(backward, torch.Tensor) and torch.allclose(forward, backward, atol=1e-5)


@pytest.mark.parametrize("outputs, size", [(1, 3), (3, 3), (1, 5), (3, 9), (5, 3)])
@pytest.mark.parametrize("shape", [(2, 9, 7), (1, 1, 2), (1, 2, 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_convolutions_to_a_few_channels(outputs, size, shape, bias):
    torch.manual_seed(0)
    conv = nn.Conv2d(32, outputs, size, padding=size // 2, bias=bias).double()
    x = torch.randn(shape[0], 32, *shape[1:], dtype=torch.double)
    with torch.no_grad():
        fast = folded(nn.Sequential(conv))
        assert isinstance(fast[0], FewOutputs)  # pyright: ignore[reportIndexIssue]
        assert torch.allclose(fast(x), conv(x), rtol=1e-12)


def test_other_convolutions_stay():
    others = [
        nn.Conv2d(32, 1, 3),
        nn.Conv2d(32, 1, 3, padding=1, stride=2),
        nn.Conv2d(32, 1, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(32, 1, (3, 5), padding=(1, 2)),
        nn.Conv2d(32, 1, 1),
        nn.Conv2d(32, 11, 3, padding=1),
    ]
    for conv in others:
        x = torch.randn(1, 32, 8, 8)
        with torch.no_grad():
            fast = folded(nn.Sequential(conv))
            assert not any(isinstance(m, FewOutputs) for m in fast.modules())
            assert torch.allclose(fast(x), conv(x), atol=1e-6)


class Between(nn.Sequential):
    """Gives what lies between its members, and what comes last, summed."""

    def forward(self, x):  # pyright: ignore[reportIncompatibleMethodOverride]
        between = self[0](x)
        return between + self[1](between)


class Kept(nn.Module):
    """Keeps what it has seen."""

    def forward(self, x):
        self.seen = x
        return x


class Leaky(nn.ReLU):
    """Another activation than its base."""

    def forward(self, input):
        return nn.functional.leaky_relu(input, 0.5)


@pytest.mark.parametrize("net", [
    Between(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU()),
    nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), Between(nn.Conv2d(3, 3, 1), nn.ReLU()), nn.Conv2d(3, 1, 1)),
    nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), Leaky()),
])  # fmt: skip
def test_what_only_looks_like_a_chain(net):
    torch.manual_seed(0)
    x = torch.randn(1, 1, 9, 8)
    with torch.no_grad():
        assert torch.allclose(folded(net)(x), net(x), atol=1e-6)


def test_what_a_member_keeps_is_not_written_to():
    fast = folded(nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), Kept(), nn.ReLU()))
    with torch.no_grad():
        fast(torch.randn(1, 1, 9, 8))
    assert float(next(m.seen for m in fast.modules() if isinstance(m, Kept)).min()) < 0


def test_skips_are_folded_by_name():
    fast = folded(XSRResNet(depth=2).eval())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fast.modules())


def test_folded_perceptrons_are_modules_like_others():
    net, x = Img2ImgMixer(8, 1, width=6, depth=1).eval(), torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        fast, expected = folded(net), net(x)
        assert torch.allclose(fast(x), expected, atol=1e-5)
        for twin in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
            assert torch.allclose(twin(x), expected, atol=1e-5)
        other = folded(Img2ImgMixer(8, 1, width=6, depth=1))
        other(x)
        other.load_state_dict(fast.state_dict())
        assert sum(v.numel() for v in fast.state_dict().values()) == sum(p.numel() for p in net.parameters())
        assert torch.allclose(other(x), expected, atol=1e-5)
        assert torch.allclose(fast.double()(x.double()).float(), expected, atol=1e-5)


def test_a_network_in_its_place_is_followed():
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = trained(DnCNN(1, width=4, depth=3))
            self.fast = Folded(self, "net")

    holder, x = Holder(), torch.rand(1, 1, 8, 8)
    with torch.no_grad():
        first = holder.fast(x)
        holder.net = trained(DnCNN(1, width=4, depth=4))
        assert not torch.allclose(holder.fast(x), first) and torch.allclose(holder.fast(x), holder.net(x), atol=1e-5)
        twin = copy.deepcopy(holder)
        twin.net = nn.Identity()
        assert torch.equal(twin.fast(x), x) and not torch.equal(holder.fast(x), x)
