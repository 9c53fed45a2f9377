"""Wrappers: rescaled, complex, equivariant, tiled, blended; and what they need to know of a network."""

import math

import pytest
import torch
from torch import nn

from denoisers import (
    CallableDenoiser,
    Denoiser,
    DnCNN,
    EquivariantDenoiser,
    LoFiDenoiser,
    MagnitudePhase,
    MixerDenoiser,
    RealImaginary,
    Rescaled,
    ResUNet,
    TiledDenoiser,
    TVDenoiser,
    UNet,
    XDnCNN,
    XDnCNNDenoiser,
    convolution_field,
    receptive_field,
)
from denoisers.tiles import run_blended


class Net(Denoiser):
    """A network that ignores the level."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = net.eval()

    def forward(self, x, sigma):
        return self.net(x)


# ---- rescaled


def test_rescaled_is_the_formula():
    net, x = Net(DnCNN(1, width=4, depth=3)), torch.rand(3, 1, 9, 8)
    wide = Rescaled(net, level=0.1)
    sigma = torch.tensor([0.1, 0.05, 0.3])
    out = wide(x, sigma)
    assert torch.allclose(out[:1], net(x[:1], 0.1), atol=1e-6)
    for i in range(3):
        factor = float(sigma[i]) / 0.1
        assert torch.allclose(out[i : i + 1], factor * net(x[i : i + 1] / factor, 0.1), atol=1e-5)
    assert torch.equal(wide(x, 0.0), x)
    moved = Rescaled(net, level=0.1, centre=0.5)(x, 0.2)
    assert torch.allclose(moved, 0.5 + 2 * (net(0.5 + (x - 0.5) / 2, 0.1) - 0.5), atol=1e-5)


def test_rescaled_knows_the_level_of_the_network():
    assert Rescaled(XDnCNNDenoiser(None, level=0.2)).level == pytest.approx(0.2)
    with pytest.raises(ValueError, match="level"):
        Rescaled(TVDenoiser())
    with pytest.raises(ValueError, match="level"):
        Rescaled(TVDenoiser(), level=0.0)


# ---- complex


def test_complex_wrappers():
    x = torch.randn(2, 1, 6, 6, dtype=torch.complex64)
    halve = CallableDenoiser(lambda x, sigma: x * (1 - torch.as_tensor(sigma).reshape(-1, 1, 1, 1)))
    sigma = torch.tensor([0.25, 0.5])
    factor = 1 - sigma.reshape(-1, 1, 1, 1)
    for wrapper in (RealImaginary, MagnitudePhase):
        assert torch.allclose(wrapper(halve)(x, sigma), factor * x, atol=1e-6)
        assert torch.equal(wrapper(halve)(x.real, sigma), halve(x.real, sigma))
    assert bool((MagnitudePhase(halve)(torch.zeros_like(x), 0.1) == 0).all())


def test_solver_uses_the_wrapper():
    from operators import MRI, random_columns
    from pnp import PnPADMM

    op = MRI(random_columns((24, 24), 2.0))
    phase = torch.polar(torch.ones(24, 24), torch.linspace(0, 3, 24).expand(24, 24))
    y = op((1 + torch.rand(1, 1, 24, 24)) * phase)
    plain, wrapped = (PnPADMM(op, d, noise_std=0.01).solve(y) for d in (TVDenoiser(), RealImaginary(TVDenoiser())))
    assert torch.allclose(plain.x, wrapped.x, atol=1e-4)
    magnitude = PnPADMM(op, MagnitudePhase(TVDenoiser()), noise_std=0.01).solve(y)
    assert "real and imaginary" in str(plain) and "real and imaginary" not in str(magnitude)
    assert magnitude.x.is_complex() and not torch.allclose(plain.x, magnitude.x, atol=1e-3)


# ---- equivariant


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (1, 5)])
def test_equivariant_commutes(shape):
    net, x = Net(DnCNN(1, width=4, depth=3)), torch.rand(2, 1, *shape)
    mean = EquivariantDenoiser(net)
    for turn in range(4):
        for axes in ((), (-1,)):
            moved = torch.rot90(x, turn, (-2, -1)).flip(axes)
            assert torch.allclose(mean(moved, 0.1), torch.rot90(mean(x, 0.1), turn, (-2, -1)).flip(axes), atol=1e-5)
    assert not torch.allclose(mean(x, 0.1), net(x, 0.1), atol=1e-4)
    assert torch.equal(EquivariantDenoiser(net, flips=False, rotations=False)(x, 0.1), net(x, 0.1))


def test_shifts_average_out_blocks():
    def block_means(x, sigma):
        missing = -x.shape[-1] % 4
        padded = nn.functional.pad(x, (0, missing, 0, 0), mode="replicate")
        return padded.unflatten(-1, (-1, 4)).mean(-1).repeat_interleave(4, -1)[..., : x.shape[-1]]

    x, rows = torch.arange(16.0).expand(1, 1, 4, 16), CallableDenoiser(block_means)
    plain = rows(x, 0.1)
    smooth = EquivariantDenoiser(rows, flips=False, rotations=False, shifts=4)(x, 0.1)
    inside = slice(5, 11)
    assert plain[0, 0, 0, inside].diff().max() == 4 and smooth[0, 0, 0, inside].diff().max() < 1.6


# ---- receptive field and tiles


def test_receptive_field():
    assert convolution_field([3] * 9) == 19
    assert convolution_field([3, 3, 3], [1, 2, 1]) == 9
    assert receptive_field(DnCNN(1, width=4, depth=5)) == 5
    assert receptive_field(XDnCNN(1, width=4, depth=4, kernel_size=5)) == 4 + 3 * 2
    assert receptive_field(LoFiDenoiser(None).fields[1], 32) == 2
    assert math.isinf(receptive_field(UNet(1, width=2, poolings=2)))  # instance normalisation


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
