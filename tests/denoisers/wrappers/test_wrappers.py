"""Wrappers: rescaled, complex, equivariant; and what they take over from the denoiser inside."""

import weakref
from typing import ClassVar

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
    RealImaginary,
    Rescaled,
    TiledDenoiser,
    TVDenoiser,
    XDnCNNDenoiser,
    receptive_field,
)

from ..small import Net

# ---- what a wrapper takes over

WRAPPERS = [
    lambda d: Rescaled(d, level=0.1),
    EquivariantDenoiser,
    RealImaginary,
    MagnitudePhase,
    lambda d: TiledDenoiser(d, 400, halo=1),
]


class Known(Denoiser):
    """Says everything of itself; a 3 x 3 mean."""

    sigma_range, channels, intensity_range, own_units, radius = (0.1, 0.2), 2, (-1.0, 2.0), True, 1
    card: ClassVar = {"sha256": "1234", "passport": {}}

    def forward(self, x, sigma):
        return nn.functional.avg_pool2d(nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_wrappers_are_what_they_wrap(wrap):
    known, outer = Known(), wrap(Known())
    for name in ("channels", "intensity_range", "own_units", "radius", "card"):
        assert getattr(outer, name) == getattr(known, name)
    assert outer.sigma_range == (None if isinstance(outer, Rescaled) else known.sigma_range)
    assert outer.takes_complex == isinstance(outer, RealImaginary)  # and MagnitudePhase
    assert outer(torch.rand(1, 2, 9, 8), 0.1).shape == (1, 2, 9, 8)
    assert receptive_field(outer) == 1
    with pytest.raises(ValueError, match="x: .*2 channel"):
        outer(torch.rand(1, 1, 9, 8), 0.1)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_wrappers_take_functions_and_refuse_what_is_none(wrap):
    x = torch.rand(1, 1, 9, 8)
    assert torch.allclose(wrap(lambda x, sigma: x)(x, 0.2), x, atol=1e-6)
    for bad in (DnCNN, "natural-gray", DnCNN(1, width=2, depth=2)):
        with pytest.raises(TypeError, match="denoiser: "):
            wrap(bad)


@pytest.mark.parametrize("wrap", WRAPPERS[:2] + WRAPPERS[4:])
def test_complex_images_pass_where_the_inner_takes_them(wrap):
    x = torch.randn(1, 2, 9, 8, dtype=torch.complex64)
    inside, outside = wrap(RealImaginary(Known())), RealImaginary(wrap(Known()))
    assert inside.takes_complex and torch.allclose(inside(x, 0.1), outside(x, 0.1), atol=1e-5)
    with pytest.raises(TypeError, match="x: .*real images"):
        wrap(Known())(x, 0.1)


def test_report_of_a_wrapper_names_the_weights():
    from operators import Identity
    from pnp import PnPADMM, Stop

    y = torch.rand(1, 1, 16, 16)
    wrapped = EquivariantDenoiser(LoFiDenoiser(), flips=False, rotations=False)
    plain, found = (
        PnPADMM(Identity((16, 16)), d, noise_std=0.1, stop=Stop(max_iter=2)).solve(y).report["weights"]
        for d in (wrapped.denoiser, wrapped)
    )
    assert plain == found


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
    from pnp import PnPADMM, Stop

    op = MRI(random_columns((24, 24), 2.0))
    phase = torch.polar(torch.ones(24, 24), torch.linspace(0, 3, 24).expand(24, 24))
    y = op((1 + torch.rand(1, 1, 24, 24)) * phase)
    y = y.to(torch.complex128)  # in single precision rounding grows to 1e-4
    plain, wrapped = (PnPADMM(op, d, noise_std=0.01).solve(y) for d in (TVDenoiser(), RealImaginary(TVDenoiser())))
    assert torch.allclose(plain.x, wrapped.x, atol=1e-6)
    magnitude = PnPADMM(op, MagnitudePhase(TVDenoiser()), noise_std=0.01).solve(y)
    assert "real and imaginary" in plain.details() and "real and imaginary" not in magnitude.details()
    assert magnitude.x.is_complex() and not torch.allclose(plain.x, magnitude.x, atol=1e-3)
    short = PnPADMM(op, MagnitudePhase(TVDenoiser()), noise_std=0.01, stop=Stop(max_iter=3, tolerance=0))
    with pytest.warns(RuntimeWarning, match="MagnitudePhase keeps the noise of the phase.*real and imaginary part"):
        assert "MagnitudePhase" in short.solve(y).report["convergence"]


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


class Grain(nn.Module):
    """Depends on where a pixel is."""

    def forward(self, x):
        return (x + torch.arange(x[0, 0].numel()).reshape(x.shape[-2:]).to(x)).sin()


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (3, 5), (1, 5)])
def test_equivariant_with_shifts_is_exact(shape):
    x = torch.rand(2, 1, *shape, dtype=torch.float64)
    half = {(0, False), (0, True), (2, False), (2, True)}
    every = {(k, m) for k in range(4) for m in (False, True)}
    for flips, rotations, group in (
        (True, True, every), (True, False, half), (False, True, {(k, False) for k in range(4)}),
        (False, False, {(0, False)}),
    ):  # fmt: skip
        mean = EquivariantDenoiser(Net(Grain()), flips=flips, rotations=rotations, shifts=4)
        for turn, mirror in every:

            def move(v, turn=turn, mirror=mirror):
                return torch.rot90(v.flip(-1) if mirror else v, turn, (-2, -1))

            same = mean(move(x), 0.1).shape == move(x).shape and torch.allclose(
                mean(move(x), 0.1), move(mean(x, 0.1)), rtol=0, atol=1e-14
            )
            assert same == ((turn, mirror) in group) or min(shape) == 1


def test_equivariant_keeps_one_answer_at_a_time():
    alive = []

    def count(x, sigma):
        out = x.clone()
        alive.append(weakref.ref(out))
        assert sum(r() is not None for r in alive) <= 2
        return out

    EquivariantDenoiser(count, shifts=3)(torch.rand(1, 1, 9, 9), 0.1)
    assert len(alive) == 24


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
