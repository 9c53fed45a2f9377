"""MRI: the direct sum over pixels, maps that learn, measured data (the laws are in test_concrete)."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from denoisers import TVDenoiser
from operators.compose import Weighted
from operators.fourier.fft import fft2c, ifft2c
from operators.image.mask import random_mask
from operators.mri.cartesian import MRI
from operators.mri.coils import estimate_coil_maps
from operators.mri.sampling import equispaced_columns, poisson_disc, random_columns
from pnp import PnPHQS, Stop, data


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.complex128)


@pytest.mark.parametrize("shape", [(4, 6), (5, 7), (1, 3)])
def test_samples_are_sums_over_pixels(shape):
    height, width = shape
    x, maps = random(2, 1, *shape), random(3, *shape, seed=1)
    rows, columns = torch.arange(height) - height // 2, torch.arange(width) - width // 2
    waves = torch.exp(-2j * math.pi * (rows[:, None, None, None] * rows[:, None] / height).double())
    waves = waves * torch.exp(-2j * math.pi * (columns[:, None, None] * columns / width).double())  # (p, q, r, s)
    expected = torch.einsum("pqrs,bcrs->bcpq", waves, maps * x) / math.sqrt(height * width)
    mask = random_mask(shape, 0.7)
    assert torch.allclose(MRI(mask, maps)(x), mask * expected, atol=1e-12)


def test_one_sample_has_the_frequency_of_its_index():
    y = torch.zeros(1, 1, 9, 8, dtype=torch.complex128)
    y[..., 9 // 2 + 1, 8 // 2] = 1  # one period along the rows
    x = MRI(torch.ones(9, 8)).A_adjoint(y)
    assert torch.allclose(x[0, 0, 9 // 2], torch.full((8,), 1 / math.sqrt(72), dtype=x.dtype))  # phase zero at n // 2
    turn = (x[0, 0, 1:] / x[0, 0, :-1]).angle()
    assert torch.allclose(turn, torch.full_like(turn, 2 * math.pi / 9))


def test_closed_forms_are_what_conjugate_gradients_find():
    z, y = random(2, 1, 6, 5), random(2, 3, 6, 5, seed=1)
    maps = random(3, 6, 5, seed=2)
    maps = maps / maps.abs().square().sum(0).sqrt()
    gamma = torch.tensor([0.5, 20.0], dtype=torch.float64)
    nearly = torch.ones(6, 5, dtype=torch.float64)
    nearly[0, 0] -= 1e-9  # no closed form any more
    for op, other in (
        (MRI(torch.ones(6, 5), maps), MRI(nearly, maps)),
        (MRI(random_mask((6, 5), 0.5)), MRI(random_mask((6, 5), 0.5), torch.ones(1, 6, 5))),
    ):
        own = y[:, : op.out_shape[0]]
        assert torch.allclose(op.prox_l2(z, own, gamma), other.prox_l2(z, own, gamma, rtol=1e-12), atol=1e-8)


@pytest.mark.parametrize("full", [True, False])
def test_gradients_with_respect_to_mask_and_maps(full):
    mask = (torch.ones(4, 3) if full else random_mask((4, 3), 0.6)).double().requires_grad_()
    maps = random(2, 4, 3, seed=3).requires_grad_()
    z, y = random(1, 1, 4, 3), random(1, 2, 4, 3, seed=1)

    def restore(m: Tensor, s: Tensor) -> Tensor:
        return MRI(m.clamp_min(0), s).prox_l2(z, y, 0.7, rtol=1e-13)

    # away from weights of zero, where the clamp has no derivative
    inside = mask.detach().clamp_min(0.1).requires_grad_() if not full else mask
    assert torch.autograd.gradcheck(restore, (inside, maps), atol=1e-6)


def test_coils_undo_the_aliasing():
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, 24, dtype=torch.float64)] * 2, indexing="ij")
    corners = ((-1, -1), (-1, 1), (1, -1), (1, 1))
    maps = torch.stack([torch.exp(-((rows - r) ** 2) - (columns - c) ** 2) + 0j for r, c in corners])
    x = random(1, 1, 24, 24)
    mask = equispaced_columns((24, 24), 2.0, 0.0)
    op = MRI(mask, maps)
    assert torch.allclose(op.A_dagger(op(x), max_iter=2000), x, atol=1e-6)
    alone = MRI(mask)
    assert (alone.A_dagger(alone(x)) - x).norm() > 0.5 * x.norm()


def test_precision_follows_the_data():
    op = MRI(torch.ones(4, 4, dtype=torch.float64), torch.ones(2, 4, 4, dtype=torch.complex128))
    assert op(torch.ones(1, 1, 4, 4, dtype=torch.complex64)).dtype == torch.complex64
    assert op(torch.ones(1, 1, 4, 4, dtype=torch.float64)).dtype == torch.complex128


def brain(source: str) -> Tensor:
    """Measured k-space (1, 8, 230, 180): a Poisson disc of an eighth of the samples about a full square of 24."""
    if source == "shipped":
        return data.sample("brain")
    folder = os.environ.get("PNP_DATA")
    if not folder or not (path := Path(folder) / "mri" / "brain_8coil_kspace.npy").exists():
        pytest.skip("PNP_DATA does not name a folder that holds mri/brain_8coil_kspace.npy")
    return torch.from_numpy(np.load(path))[None]


@pytest.mark.parametrize("source", ["shipped", "PNP_DATA"])
def test_maps_of_a_measured_brain(source):
    kspace = brain(source)
    maps = estimate_coil_maps(kspace)
    power = maps.abs().square().sum(1)
    # coil images can be compared only where k-space is complete: the square of calibration
    square = torch.zeros(230, 180)
    square[103:127, 78:102] = 1
    images = ifft2c(square * kspace)
    strength = images.abs().square().sum(1)
    inside = strength.sqrt() > 0.1 * strength.sqrt().max()
    rest = (images - maps * (maps.conj() * images).sum(1, keepdim=True)).abs().square().sum(1)
    assert (rest[inside].sum() / strength[inside].sum()).sqrt() < 0.05
    assert (power[inside] > 0.99).float().mean() > 0.98 and bool(((power < 1e-6) | ((power - 1).abs() < 1e-3)).all())
    # maps that are right predict samples that took no part; maps that belong to other coils do not
    taken = kspace[0].abs().sum(0) > 0
    held = taken & (square == 0) & (torch.rand(230, 180, generator=torch.Generator().manual_seed(0)) < 0.1)
    for chosen, low, high in ((maps, 0.0, 0.4), (maps.roll(1, 1), 0.8, math.inf)):
        op = MRI(taken & ~held, chosen)
        x = op.prox_l2(torch.zeros(1, 1, 230, 180, dtype=kspace.dtype), op.mask * kspace, 100.0, rtol=1e-3)
        truth = held * kspace
        assert low <= (MRI(held, chosen)(x) - truth).norm() / truth.norm() < high


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: MRI([[1.0]]), TypeError, "mask"),  # pyright: ignore
        (lambda: MRI(torch.ones(4, 4) + 0j), ValueError, "mask"),
        (lambda: MRI(torch.ones(2, 4, 4)), ValueError, "mask"),
        (lambda: MRI(torch.ones(0, 1, 4, 4)), ValueError, "mask"),
        (lambda: MRI(torch.arange(2.0)[:, None, None, None].expand(2, 1, 4, 4)), ValueError, "mask"),
        (lambda: MRI(torch.ones(4, 4), [[[1.0]]]), TypeError, "coil_maps"),  # pyright: ignore
        (lambda: MRI(torch.ones(4, 4), torch.zeros(2, 4, 4)), ValueError, "coil_maps: zero"),
        (lambda: MRI(torch.ones(4, 4), torch.full((2, 4, 4), math.nan)), ValueError, "coil_maps"),
        (lambda: MRI(torch.ones(3, 1, 4, 4), random(2, 2, 4, 4)), ValueError, "coil_maps: hold 2"),
        (lambda: MRI(torch.ones(3, 1, 4, 4))(random(2, 1, 4, 4)), ValueError, "mask: holds 3"),
        (lambda: MRI(torch.ones(4, 4), random(3, 2, 4, 4))(random(2, 1, 4, 4)), ValueError, "coil_maps: holds 3"),
        (lambda: random_columns((4, 4, 4), 2.0), ValueError, "image_shape"),  # pyright: ignore
        (lambda: equispaced_columns((4, 8), math.inf, 0.0), ValueError, "acceleration"),
        (lambda: poisson_disc((64, 64), 4.0, calibration=-1), ValueError, "calibration"),
        (lambda: poisson_disc((64, 64), 4.0, slope=math.nan), ValueError, "slope"),
        (lambda: estimate_coil_maps(np.ones((1, 2, 32, 32)) + 0j), TypeError, "kspace"),  # pyright: ignore
        (lambda: estimate_coil_maps(random(1, 2, 32, 32) * math.nan), ValueError, "kspace"),
        (lambda: estimate_coil_maps(random(1, 2, 32, 32), kernel=0), ValueError, "kernel"),
        (lambda: estimate_coil_maps(random(1, 2, 32, 32), threshold=1.0), ValueError, "threshold"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(call, error, word):
    with pytest.raises(error, match=word):
        call()


@pytest.mark.parametrize("acceleration", [2.0, 4.0, 8.0, 12.0])
def test_poisson_disc_comes_close_to_the_acceleration(acceleration):
    mask = poisson_disc((128, 120), acceleration, calibration=20, seed=3)
    assert mask.float().mean().item() * acceleration == pytest.approx(1, abs=0.1)
    assert torch.equal(mask, poisson_disc((128, 120), acceleration, calibration=20, seed=3))
    assert not torch.equal(mask, poisson_disc((128, 120), acceleration, calibration=20, seed=4))
    if acceleration > 2:  # density falls outwards
        rows = (torch.arange(128) - 64)[:, None] / 64
        columns = (torch.arange(120) - 60) / 60
        distance = (rows**2 + columns**2).sqrt()
        near, far = (mask[(distance > low) & (distance < low + 0.2)].float().mean() for low in (0.3, 0.8))
        assert near > 1.5 * far


def test_random_and_equispaced_columns_repeat_over_rows():
    for mask in (random_columns((5, 64), 4.0, seed=2), equispaced_columns((5, 64), 4.0, offset=3)):
        assert bool((mask == mask[:1]).all()) and mask.dtype == torch.bool
    combs = [equispaced_columns((1, 64), 4.0, 0.0, offset=o).float() for o in range(4)]
    assert torch.equal(torch.cat(combs).sum(0), torch.ones(64))  # the four combs tile k-space


def test_fourier_pair_is_unitary():
    x = random(2, 1, 5, 6)
    assert torch.allclose(ifft2c(fft2c(x)), x) and fft2c(x).norm() == pytest.approx(x.norm().item())


@pytest.mark.parametrize("shape", [(48,), (1, 48, 1), (1, 1, 48, 1)])
def test_a_line_of_columns_is_told_how_it_goes_in(shape):
    line = (torch.arange(48) % 3 == 0).reshape(shape)
    with pytest.raises(ValueError, match=r"mask.*line of 48 columns.*goes in as (.*expand\(H, 48\))") as found:
        MRI(line)
    how = str(found.value).split("goes in as ")[1]
    assert MRI(eval(how, {"mask": line, "H": 5})).in_shape == (1, 5, 48)


@pytest.mark.parametrize(
    "wrap", [lambda op: op, lambda op: 2.0 * op, lambda op: Weighted(torch.ones(2, 24, 24), dtype=op.out_dtype) @ op]
)
def test_solvers_warn_of_a_centre_that_is_not_in_the_middle(wrap):
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, 24)] * 2, indexing="ij")
    maps = torch.stack((0.8 + 0.3 * rows, 0.8 - 0.3 * columns)) + 0j
    x = ((rows**2 + columns**2 < 0.5) + 0j)[None, None]
    op = wrap(MRI(torch.ones(24, 24), maps))
    solver = PnPHQS(op, TVDenoiser(), noise_std=0.01, stop=Stop(max_iter=2))
    assert "data" not in solver.solve(op(x)).report
    with pytest.warns(RuntimeWarning, match="PnPHQS: the energy of k-space is not in its middle.*fftshift"):
        assert "fftshift" in solver.solve(torch.fft.ifftshift(op(x), (-2, -1))).report["data"]
