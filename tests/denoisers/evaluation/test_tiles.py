"""How far networks look, and large images in tiles and squares."""

import math

import pytest
import torch
from torch import nn

from denoisers import (
    CallableDenoiser,
    DnCNN,
    EquivariantDenoiser,
    Img2ImgMixer,
    LoFiDenoiser,
    MixerDenoiser,
    OriginalMixer,
    ResUNet,
    TiledDenoiser,
    UNet,
    ViT,
    XDnCNN,
    XDnCNNDenoiser,
    XSRResNet,
    convolution_field,
    receptive_field,
)
from denoisers.evaluation.tiles import run_blended, run_in_tiles

from ..small import Net

# ---- receptive field and tiles


def test_receptive_field():
    assert convolution_field([3] * 9) == 19
    assert convolution_field([3, 3, 3], [1, 2, 1]) == 9
    assert receptive_field(DnCNN(1, width=4, depth=5)) == 5
    assert receptive_field(XDnCNN(1, width=4, depth=4, kernel_size=5)) == 4 + 3 * 2
    assert receptive_field(LoFiDenoiser(None).fields[1], 32) == 2
    assert math.isinf(receptive_field(UNet(1, width=2, poolings=2)))  # instance normalisation
    assert receptive_field(DnCNN(3, width=4, depth=4)) == receptive_field(XDnCNN(3, extra=1, depth=2)) - 2 == 4
    assert receptive_field(Net(Pooled()), step=2) == 1
    for dtype, channels in ((torch.float32, 1), (torch.float64, 1), (torch.float32, 3)):
        net = DnCNN(channels, width=2, depth=3).to(dtype).eval()
        assert receptive_field(CallableDenoiser(lambda x, sigma, net=net: net(x))) == 3


@pytest.mark.parametrize(
    "net",
    [
        ResUNet(1, widths=(4, 8), down="attention"),
        Img2ImgMixer(64, 1, width=4, depth=1),
        OriginalMixer(64, 3, width=4, depth=1),
        ViT(40, 1, width=12, depth=1),
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4)),
        CallableDenoiser(MixerDenoiser(None, preset="small")),
    ],
)
def test_networks_that_see_everything_are_not_run(net):
    net.register_forward_pre_hook(lambda *_: pytest.fail("it is run"))
    assert math.isinf(receptive_field(net))


def test_receptive_field_of_what_keeps_no_size():
    with pytest.raises(ValueError, match="size"):
        receptive_field(XSRResNet(depth=1))
    five = DnCNN(5, width=2, depth=2)
    with pytest.raises(ValueError, match="channels"):
        receptive_field(CallableDenoiser(lambda x, sigma: five(x)))


@pytest.mark.parametrize("net", [DnCNN(1, width=4, depth=4), ResUNet(1, widths=(4, 6, 8))], ids=["dncnn", "resunet"])
@pytest.mark.parametrize("shape", [(120, 151), (181, 70)])
def test_tiles_change_nothing(net, shape):
    whole = Net(net)
    x = torch.rand(2, 1, *shape)
    tiled = TiledDenoiser(whole, pixels=9000)
    assert torch.allclose(tiled(x, 0.1), whole(x, 0.1), atol=1e-5)
    calls = []
    whole.register_forward_pre_hook(lambda _, inputs: calls.append(inputs[0].shape[-2:].numel()))
    tiled(x, 0.1)
    assert len(calls) > 1 and max(calls) <= 9000


def test_tiles_of_what_sees_everything_are_refused():
    with pytest.raises(ValueError, match="whole image"):
        TiledDenoiser(Net(UNet(1, width=2, poolings=2)))
    with pytest.raises(ValueError, match="halo"):
        TiledDenoiser(Net(DnCNN(1, width=2, depth=5)), pixels=100)


class Pooled(nn.Module):
    """Halves and doubles by functions, which no module shows."""

    def forward(self, x):
        small = nn.functional.max_pool2d(nn.functional.pad(x, (0, -x.shape[-1] % 2, 0, -x.shape[-2] % 2)), 2)
        return nn.functional.interpolate(small, scale_factor=2)[..., : x.shape[-2], : x.shape[-1]]


class Level(nn.Module):
    """Sees the mean of the whole."""

    def forward(self, x):
        return x - x.mean((-2, -1), keepdim=True)


def test_tiles_that_would_change_the_result_are_refused():
    x = torch.rand(1, 1, 61, 70)
    with pytest.raises(ValueError, match="step="):
        TiledDenoiser(Net(Pooled()), 900)
    for dtype in (torch.float32, torch.float64):
        tiled = TiledDenoiser(Net(nn.Sequential(Pooled(), nn.Conv2d(1, 1, 3, padding=1))).to(dtype), 900, step=2)
        assert torch.allclose(tiled(x.to(dtype), 0.1), tiled.denoiser(x.to(dtype), 0.1), atol=1e-6)
    with pytest.raises(ValueError, match="halo"):
        TiledDenoiser(Net(Level()), 900, halo=4)
    with pytest.raises(ValueError, match="halo"):
        TiledDenoiser(Net(DnCNN(1, width=4, depth=6)), 900, halo=2)
    with pytest.raises(ValueError, match="do not give"):  # turned, the blocks lie elsewhere
        TiledDenoiser(EquivariantDenoiser(Net(Pooled())), 900, step=2)
    for name, value in (("halo", -1), ("step", 0)):
        with pytest.raises(ValueError, match=f"^{name}: "):
            TiledDenoiser(Net(Level()), 900, **{name: value})


@pytest.mark.parametrize("shape", [(128, 128), (20, 1000), (1000, 20), (3, 700)])
@pytest.mark.parametrize(("halo", "step", "pixels"), [(5, 1, 1000), (5, 4, 1000), (0, 1, 50), (9, 2, 900)])
def test_tiles_keep_to_their_budget(shape, halo, step, pixels):
    x, sizes = torch.rand(1, 1, *shape), []
    out = run_in_tiles(lambda t: (sizes.append(t[0, 0].numel()), 2 * t)[1], x, halo, pixels, step=step)
    assert torch.equal(out, 2 * x) and max(sizes) <= pixels
    assert sum(sizes) < 30 * x.numel()


def test_tiles_that_are_all_halo_are_refused():
    for pixels in (5000, 83**2):
        with pytest.raises(ValueError, match="max_memory"):
            run_in_tiles(lambda t: t, torch.rand(1, 1, 128, 128), 41, pixels)
    with pytest.raises(ValueError, match="max_memory"):
        XDnCNNDenoiser(max_memory=4e6)(torch.rand(1, 1, 128, 128), 0.1)


# ---- blended squares


@pytest.mark.parametrize("shape", [(1, 1), (5, 9), (8, 8), (9, 8), (23, 40)])
def test_blended_squares_are_a_partition(shape):
    x, seen = torch.rand(2, 1, *shape), []

    def square(tile):
        seen.append(tile.shape[-2:])
        return 3 * tile

    assert torch.allclose(run_blended(square, x, (8, 8), 3), 3 * x, atol=1e-6)
    assert set(seen) == {torch.Size((8, 8))}
    if shape == (8, 8):
        assert len(seen) == 1


def test_mixer_denoiser_any_size():
    torch.manual_seed(0)
    denoiser = MixerDenoiser(None, preset="small").eval()
    with torch.no_grad():
        x = torch.rand(1, 1, 64, 64)
        told = torch.cat((x, torch.full_like(x, 0.1)), 1)
        assert torch.allclose(denoiser(x, 0.1), x - denoiser.net(told), atol=1e-5)
        for shape in ((1, 1), (63, 65), (150, 70)):
            assert denoiser(torch.rand(2, 1, *shape), torch.tensor([0.1, 0.2])).shape == (2, 1, *shape)
    with pytest.raises(ValueError, match="preset"):
        MixerDenoiser(None, preset="large")
