"""Any network as a noise-conditioned denoiser; networks of one size on images of any."""

import math

import pytest
import torch
from torch import nn

from denoisers import (
    Img2ImgMixer,
    InSquares,
    LevelMap,
    LinearMixer,
    MixerDenoiser,
    OriginalMixer,
    Residual,
    UMixer,
    UNet,
    ViT,
    XDnCNN,
    XDnCNNDenoiser,
    receptive_field,
)  # fmt: skip
from operators import Identity
from pnp import PnPADMM
from pnp.train import DenoiseCrops, Trainer


def tiny() -> LevelMap:
    torch.manual_seed(0)
    return LevelMap(Residual(UNet(2, 1, width=2, poolings=1)), sigma_range=(0.01, 0.2))


# ---- level map


def test_the_map_is_a_channel_of_the_level():
    class Show(nn.Module):
        def forward(self, x):
            return x[:, 1:].expand(-1, 2, -1, -1) if x.shape[1] == 2 else x[:, 2:].expand(-1, 2, -1, -1)

    x = torch.rand(2, 2, 5, 6)
    out = LevelMap(Show(), channels=2)(x, torch.tensor([0.1, 0.2]))
    assert torch.equal(out, torch.tensor([0.1, 0.2]).view(2, 1, 1, 1).expand(2, 2, 5, 6))
    net = nn.Conv2d(2, 2, 3, padding=1)
    alone = LevelMap(net, channels=2, sigma_range=(0.1, 0.1))
    assert torch.equal(alone(x, 0.1), net(x)) and torch.equal(alone(x, 0.1), alone(x, 0.2))
    assert torch.equal(LevelMap(nn.Identity(), channels=2, sigma_range=(0.1, 0.1))(x, 0.1), x)  # no parameters


def test_a_network_of_the_user_trains_and_solves():
    denoiser = tiny()
    images = [torch.rand(1, 24, 24) for _ in range(2)]
    task = DenoiseCrops(images, crop=16, batch=2, sigmas=denoiser.sigma_range)  # pyright: ignore
    before = [p.clone() for p in denoiser.parameters()]
    records = list(Trainer(denoiser, task).run(2))
    assert len(records) == 2 and all(math.isfinite(r.loss) for r in records)
    assert any(not torch.equal(a, b) for a, b in zip(before, denoiser.parameters()))
    x = denoiser.eval()(torch.rand(1, 1, 16, 16), 0.1)
    assert not torch.allclose(x, denoiser(x, 0.2))
    solver = PnPADMM(Identity((16, 16)), denoiser, noise_std=0.1)
    assert solver.solve(torch.rand(1, 1, 16, 16)).x.shape == (1, 1, 16, 16)


def test_precisions_go_there_and_back():
    denoiser, x = tiny().eval(), torch.rand(1, 1, 12, 12)
    out = denoiser(x.double(), 0.1)
    assert out.dtype == torch.float64 and torch.allclose(out.float(), denoiser(x, 0.1), atol=1e-6)


def test_shipped_kinds_are_the_wrapper():
    x, level = torch.rand(1, 1, 30, 70), torch.tensor([0.1])
    xdncnn, mixer = XDnCNNDenoiser(), MixerDenoiser()
    with torch.no_grad():
        assert torch.allclose(LevelMap(xdncnn.net).eval()(x, level), xdncnn(x, level), atol=1e-5)
        composed = LevelMap(Residual(InSquares(mixer.net))).eval()
        assert torch.allclose(composed(x, level), mixer(x, level), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: LevelMap(nn.Identity(), sigma_range=(0.2, 0.1)), "sigma_range"),
        (lambda: LevelMap(nn.Identity(), sigma_range=(-0.1, 0.1)), "sigma_range"),
        (lambda: LevelMap(nn.Identity(), sigma_range=(0.0, float("nan"))), "sigma_range"),
        (lambda: LevelMap(nn.Identity(), sigma_range=(0.0, 0.0)), "sigma_range"),
        (lambda: LevelMap(nn.Identity(), channels=0), "channels"),
        (lambda: LevelMap(UNet(2, width=2, poolings=1))(torch.rand(1, 1, 8, 8), 0.1), "net"),
        (lambda: LevelMap(XDnCNN(1, depth=2))(torch.rand(1, 3, 8, 8), 0.1), "x"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=f"^{word}: "):
        call()


# ---- squares


@pytest.mark.parametrize(
    "net",
    [
        Img2ImgMixer(16, 2, width=6, depth=1),
        Img2ImgMixer((16, 24), 2, width=6, depth=1),
        LinearMixer(16, 2, width=6, depth=1),
        UMixer(32, 2, width=6),
        OriginalMixer(16, 2, width=6, depth=1),
        ViT(16, 2, patch=4, width=8, heads=2, depth=1),
    ],
)
def test_networks_of_one_size_on_any(net):
    sizes, anywhere = set(), InSquares(net)
    hook = net.register_forward_pre_hook(lambda _, given: sizes.add(tuple(given[0].shape[-2:])))
    for shape in ((1, 1), (5, 40), (33, 47), net.image_shape):
        x = torch.randn(2, 2, *shape)
        assert anywhere(x).shape == x.shape
        assert torch.allclose(anywhere(x)[1:], anywhere(x[1:]), atol=1e-5)
    hook.remove()
    assert sizes == {net.image_shape}
    assert torch.equal(anywhere(x), net(x))  # that very size: once, as it is


def test_squares_follow_the_rule():
    class Square(nn.Module):
        image_shape = (8, 8)

        def forward(self, x):
            return x * torch.arange(1, len(x.flatten()) + 1).to(x).view(x.shape) + next(numbers)

    numbers = iter((10.0, 20.0))
    x = torch.rand(1, 1, 8, 12)  # two squares, from columns 0 and 4, which share four
    ramp = torch.arange(1, 65).view(8, 8)
    left, right = x[0, 0, :, :8] * ramp + 10, x[0, 0, :, 4:] * ramp + 20
    weight = torch.tensor([1.0, 2, 2, 2, 2, 2, 2, 1])  # two is 8 // 4
    shared = (weight[4:] * left[:, 4:] + weight[:4] * right[:, :4]) / (weight[4:] + weight[:4])
    expected = torch.cat((left[:, :4], shared, right[:, 4:]), 1)
    assert torch.allclose(InSquares(Square())(x)[0, 0], expected, atol=1e-5)


def test_squares_keep_fewer_channels_and_what_follows_the_image():
    class Sum(nn.Module):
        def forward(self, x, factor=1.0):
            return factor * x.sum(1, keepdim=True)

    x = torch.rand(1, 3, 20, 11)
    assert torch.allclose(InSquares(Sum(), (8, 8))(x, 2.0), 2 * x.sum(1, keepdim=True), atol=1e-5)
    assert math.isinf(receptive_field(InSquares(Sum(), (8, 8))))
    assert math.isinf(receptive_field(LevelMap(InSquares(Sum(), (8, 8)))))
    with pytest.raises(ValueError, match="image_shape"):
        InSquares(Sum())
    for bad in (nn.Conv2d(3, 4, 1), nn.AvgPool2d(2)):
        with pytest.raises(ValueError, match="^net: "):
            InSquares(bad, (8, 8))(x)
