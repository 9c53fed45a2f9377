"""Coil compression, oversampling, centre: exact against the image domain and numpy."""

import numpy as np
import pytest
import torch

from operators import MRI, fft2c, ifft2c, random_columns
from pnp.corrections.mri import centre_kspace, compress_coils, remove_oversampling
from pnp.io import Measurement
from tests.contracts import relative
from tests.operators.mri.test_coils import scene

from .test_whitening import crandom

MAPS, X = scene(32, 28)
Y = fft2c(MAPS * X)[None]


def test_virtual_coils_are_principal_components():
    few = compress_coils(Y, 2)
    u, s, _ = np.linalg.svd(Y[0].flatten(1).numpy(), full_matrices=False)
    kept = np.abs(few.matrix.matrix.numpy() @ u)  # the first two directions, but for their phases
    assert np.allclose(kept, np.eye(2, 4), atol=1e-9)
    assert abs(float(few.y.norm()) - float(np.sqrt((s[:2] ** 2).sum()))) < 1e-9
    share = float((s[:2] ** 2).sum() / (s**2).sum())
    assert compress_coils(Y, energy=share * 0.9999).y.shape[1] == 2
    assert (
        compress_coils(Y, energy=1.0).y.shape[1] == 4
        and compress_coils(1e-12 * Y, energy=share * 0.9999).y.shape[1] == 2
    )


@pytest.mark.parametrize("readout", [None, "rows", "columns"])
def test_noise_stays_white_and_the_operator_agrees(readout):
    mask = torch.ones(32, 28) if readout == "columns" else random_columns((32, 28), 2.0, 0.3)
    op, x = MRI(mask, MAPS), X[None, None]
    few = compress_coils(op(x), 3, readout=readout)
    m = few.matrix.matrix
    assert float((m @ m.mH - torch.eye(3)).abs().max()) < 1e-12
    assert relative((few.matrix @ op)(x), few.y) < 1e-12


def test_places_need_fewer_coils_and_vary_slowly():
    everywhere, by_rows = (compress_coils(Y, 1, readout=r) for r in (None, "rows"))
    assert float(by_rows.y.norm()) > float(everywhere.y.norm())
    whole = compress_coils(Y, 2, readout="rows").matrix.matrix
    steps = (whole[1:] - whole[:-1]).norm(dim=(1, 2)) / 2**0.5
    assert float(steps[4:-4].max()) < 0.2  # at random phases 1.4


def test_a_measurement_goes_along():
    m = Measurement(Y, MRI, {"mask": torch.ones(32, 28), "coil_maps": MAPS})
    few = compress_coils(m, 3)
    assert few.provenance["corrections"] == ("compressed from 4 to 3 coils",)
    assert relative(few.operator()(X[None, None]), few.y) < 1e-12


@pytest.mark.parametrize(("readout", "axis"), [("rows", -2), ("columns", -1)])
@pytest.mark.parametrize("size", [None, 9, 28])
def test_the_margins_are_cut_in_the_image(readout, axis, size):
    n = Y.shape[axis]
    size = n // 2 if size is None else size
    cut = remove_oversampling(Y, size, readout=readout)
    assert relative(ifft2c(cut), ifft2c(Y).narrow(axis, n // 2 - size // 2, size)) < 1e-12


def test_noise_and_operator_after_the_cut():
    noise = remove_oversampling(crandom(1, 4, 64, 200))
    assert abs(float(noise.real.std()) - 1) < 0.02 and noise.shape == (1, 4, 32, 200)
    mask = random_columns((32, 28), 2.0, 0.3)
    x = X * ((torch.arange(32) >= 8) & (torch.arange(32) < 24))[:, None]
    y = MRI(mask, MAPS)(x[None, None])
    m = remove_oversampling(Measurement(y, MRI, {"mask": mask, "coil_maps": MAPS[None]}, noise_std=0.1))
    assert m.noise_std == 0.1 and m.provenance["corrections"] == ("readout oversampling removed, 32 to 16",)
    assert relative(m.operator()(x[None, None, 8:24]), m.y) < 1e-12
    with pytest.raises(ValueError, match="y: not fully sampled along the columns"):
        remove_oversampling(y, readout="columns")
    with pytest.raises(ValueError, match="noise_std: one for each datum"):
        remove_oversampling(Measurement(Y, MRI, {}, noise_std=torch.ones(Y.shape)))


@pytest.mark.parametrize("shape", [(32, 28), (31, 28), (32, 27), (31, 27)])
def test_the_zero_frequency_moves_to_the_middle(shape):
    maps, x = scene(*shape)
    y = fft2c(maps * x)[None]
    assert centre_kspace(y) is y
    for axes in ((-2, -1), (-2,), (-1,)):
        assert torch.equal(centre_kspace(torch.fft.ifftshift(y, axes)), y)
    mask = random_columns(shape, 2.0, 0.3)
    m = Measurement(
        torch.fft.ifftshift(mask * y, (-2, -1)), MRI, {"mask": torch.fft.ifftshift(mask), "coil_maps": maps}
    )
    m = centre_kspace(m)
    assert torch.equal(m.arguments["mask"], mask) and relative(m.operator()(x[None, None]), m.y) < 1e-12
    assert m.provenance["corrections"] == ("zero frequency moved to the middle",) and centre_kspace(m) is m


def test_arguments_out_of_range_are_named():
    for options, words in (({"coils": 5}, "coils: expected 1 ... 4"), ({"energy": 0.0}, "energy: expected"),
                           ({"readout": "up"}, "readout: expected")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            compress_coils(Y, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="y: zero everywhere"):
        compress_coils(0 * Y)
    with pytest.raises(ValueError, match="y: expected finite complex"):
        compress_coils(Y / 0)
    with pytest.raises(ValueError, match="size: expected 1 ... 32"):
        remove_oversampling(Y, 33)
    with pytest.raises(ValueError, match="readout: expected"):
        remove_oversampling(Y, readout="up")  # type: ignore[arg-type]
    for correction in (remove_oversampling, centre_kspace):
        with pytest.raises(ValueError, match="y: expected complex"):
            correction(Y.real)
