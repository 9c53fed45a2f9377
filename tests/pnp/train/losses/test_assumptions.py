"""Wrong assumptions are found and said: noise levels, correlated noise, moves that an operator is equivariant to."""

import warnings
from typing import Any

import pytest
import torch

from denoisers import DRUNetDenoiser
from operators import MRI, Blur, Identity, Inpainting, KaiserSquires, Radon, gaussian_kernel, gaussian_noise
from operators.noise import poisson_noise
from pnp import Reconstructor, data
from pnp.likelihood import Gaussian, Poisson
from pnp.train import NoisyCrops, SelfSupervised
from pnp.train.losses import (
    SURE,
    UNSURE,
    Augmented,
    BlindSpot,
    Equivariant,
    EquivariantSplitting,
    Noise2Noise,
    Noisier2Inverse,
    Recorrupted,
    Splitting,
    Together,
    UnknownNoise,
    angles,
    blocks,
    columns,
    doubts_of,
    halves,
    samples,
    smeared_noise,
    useless_moves,
)

STD, SIDE = 0.1, 96
PHOTOGRAPH = data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE]
TOMOGRAPHY = Radon(SIDE, torch.arange(60) * (torch.pi / 60))
MASK = MRI(torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) < 0.5)
SHEAR = KaiserSquires((SIDE, SIDE))
OPERATORS = {
    "image": (Identity((SIDE, SIDE)), 1.0),
    "ct": (TOMOGRAPHY, 10.0),
    "missing": (Inpainting(torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)) < 0.5), 1.0),
    "mri": (MASK, 1.0),
    "shear": (SHEAR, 1.0),
}


def causes(loss, y, likelihood) -> list[str]:
    return [doubt.cause for doubt in doubts_of(loss, y, likelihood)]


@pytest.mark.parametrize("name", OPERATORS)
def test_right_assumptions_are_not_doubted_and_wrong_levels_are(name):
    op, unit = OPERATORS[name]
    clean = op.A(PHOTOGRAPH.to(op.in_dtype))
    y = gaussian_noise(clean, STD * unit, seed=3)
    y = y if op.measured is None else torch.where(op.measured, y, clean)
    for loss in (SURE(), Recorrupted(), BlindSpot()):
        assert causes(loss, y, Gaussian(op, STD * unit)) == []
    for wrong in (0.5, 2.0):
        (doubt,) = doubts_of(SURE(), y, Gaussian(op, wrong * STD * unit))
        assert doubt.cause == "noise level" and ("keeping noise" in doubt.words) == (wrong < 1)


@pytest.mark.parametrize("name", ["image", "ct"])
def test_correlated_noise_is_found(name):
    op, unit = OPERATORS[name]
    clean = op.A(PHOTOGRAPH)
    draw = smeared_noise(STD * unit, width=2)
    y = clean + draw(clean[0], torch.Generator().manual_seed(8))
    likelihood = Gaussian(op, STD * unit)
    for loss in (SURE(), Recorrupted(), BlindSpot(), Together((1.0, SURE()), (1.0, Equivariant(["flips"])))):
        found = doubts_of(loss, y, likelihood)
        assert "correlated noise" in [d.cause for d in found]
        assert "neighbouring columns" in next(d.words for d in found if d.cause == "correlated noise")
        assert all("or neighbours share noise of that level" in d.words for d in found if d.cause == "noise level")
    for fine in (Splitting(), Noisier2Inverse(draw)):
        assert causes(fine, y, likelihood) == []


def test_gains_that_are_none_are_found():
    y = poisson_noise(PHOTOGRAPH, 50.0, seed=1)
    assert causes(Recorrupted(), y, Poisson(Identity((SIDE, SIDE)), 50.0)) == []
    assert causes(Recorrupted(), y, Poisson(Identity((SIDE, SIDE)), 70.0)) == ["noise level"]

    assert causes(SURE(), y, Poisson(Identity((SIDE, SIDE)), 100.0)) == ["noise level"]  # whole, but twice as many


def test_noise_on_counts_is_judged_with_its_gain():
    y = gaussian_noise(poisson_noise(PHOTOGRAPH, 1000.0, seed=1), 0.02, seed=2)
    for loss in (SURE(gain=1e-3), Augmented(SURE(gain=1e-3), ["flips"]), Together((1.0, SURE(gain=1e-3)))):
        assert causes(loss, y, Gaussian(Identity((SIDE, SIDE)), 0.02)) == []
    (doubt,) = doubts_of(SURE(gain=1e-2), y, Gaussian(Identity((SIDE, SIDE)), 0.02))
    assert doubt.cause == "noise level" and "smoothing" in doubt.words


def test_details_of_photographs_are_not_taken_for_correlated_noise():
    """Sinograms of 128 x 128 pixels, where what is there beside the noise is as large as the noise."""
    image, op = data.sample("camera")[..., 100:228, 180:308], Radon(128, torch.arange(60) * (torch.pi / 60))
    y = gaussian_noise(op.A(image), 0.25, seed=3)
    assert "correlated noise" not in causes(Recorrupted(), y, Gaussian(op, 0.25))
    smeared = op.A(image) + smeared_noise(0.25)(y, torch.Generator().manual_seed(8))
    assert "correlated noise" in causes(Recorrupted(), smeared, Gaussian(op, 0.25))


def test_moves_that_an_operator_is_equivariant_to_are_found():
    """Fourier masks lose the same frequencies of a shifted image, and of a mirrored one where they are symmetric."""
    blur = Blur(gaussian_kernel(2.0), (32, 32))
    assert useless_moves(blur, ["shifts", "flips", "quarters"]) == ["shifts", "flips", "quarters"]
    columns = torch.zeros(32, 32)
    columns[:, ::4] = 1
    columns[:, 12:20] = 1
    op = MRI(columns)
    assert useless_moves(op, ["shifts", "quarters", "rotations"]) == ["shifts"]
    assert useless_moves(Inpainting(torch.rand(32, 32) < 0.5), ["shifts", "flips", "quarters"]) == []
    few = Radon(32, torch.arange(8) * (torch.pi / 8))
    assert useless_moves(few, ["quarters", "rotations"]) == ["quarters"]  # turned by a quarter, the angles are the same
    assert useless_moves(Identity((32, 32)), ["shifts"]) == []  # nothing is lost
    y = op.A(torch.ones(1, 1, 32, 32, dtype=torch.complex64))
    (doubt,) = doubts_of(EquivariantSplitting(["shifts"]), y, Gaussian(op))
    assert doubt.cause == "moves" and "shifts" in doubt.words


def test_a_task_says_it_once_and_refuses_what_cannot_be():
    op = Identity((SIDE, SIDE))
    y = gaussian_noise(PHOTOGRAPH.expand(3, -1, -1, -1), STD)
    with pytest.warns(RuntimeWarning, match=r"noise level: .*2 times") as caught:
        SelfSupervised([(y, Gaussian(op, STD / 2))], SURE(), batch=2)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SelfSupervised([(y, Gaussian(op, STD / 2))], SURE(), batch=2, check=False)
        SelfSupervised([(y, Gaussian(op, STD))], SURE(), batch=2)
    with pytest.raises(ValueError, match="gain"):
        SelfSupervised([(y.clamp_min(0), Poisson(op, 9.0))], SURE(gain=0.1), batch=1)
    with pytest.raises(ValueError, match="at least one"):
        SelfSupervised([], SURE(), batch=1)
    with pytest.raises(ValueError, match="seconds"):
        SelfSupervised([(y, Gaussian(op, STD))], SURE(), batch=1, seconds=[])
    with pytest.raises(ValueError, match="sigmas"):
        NoisyCrops([y[0]], SURE(), sigmas=(0.0, 0.3), crop=8, batch=1)
    task = SelfSupervised([(y, op)], Splitting(), batch=1)
    with pytest.raises(ValueError, match="a denoiser needs it"):
        task.loss(DRUNetDenoiser(None, preset="fast"), task.draw(0, [0]))


def test_noisy_images_of_another_level_are_said():
    noisy = gaussian_noise(PHOTOGRAPH, STD)[0]
    settings: dict[str, Any] = {"crop": 32, "batch": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NoisyCrops([noisy], SURE(), sigmas=(STD, 0.3), **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        NoisyCrops([PHOTOGRAPH[0], PHOTOGRAPH[0]], SURE(), sigmas=(STD, 0.3), **settings)
    assert [str(w.message).split(":")[0] for w in caught] == ["noise level", "correlated noise"]  # once each
    assert "smoothing the image away" in str(caught[0].message) and caught[0].filename == __file__


def test_what_cannot_be_is_named():
    op, y = Identity((8, 8)), torch.rand(2, 1, 8, 8)
    data: Any = [(y, Gaussian(op, 0.1))]
    task: Any = SelfSupervised
    together: Any = Together
    every: Any = angles
    for wrong, error, words in (
        (lambda: task(data, SURE, batch=1), TypeError, "the class SURE"),
        (lambda: task(data, torch.nn.functional.mse_loss, batch=1), TypeError, "of data alone, got function"),
        (lambda: task(y, SURE(), batch=1), TypeError, "expected pairs"),
        (lambda: task(data, Noise2Noise(), batch=1, seconds=data), ValueError, "holds the same data"),
        (lambda: doubts_of(SURE(), y * torch.nan, Gaussian(op, 0.1)), ValueError, "NaN"),
        (lambda: doubts_of(SURE(), y[0], op), ValueError, "batch axis"),
        (lambda: together([(1.0, SURE())]), TypeError, "weight, loss"),
        (lambda: together(SURE()), TypeError, "weight, loss"),
        (lambda: Equivariant([]), ValueError, "moves"),
        (lambda: BlindSpot(9)(lambda z, _: z, y, Gaussian(op), [0, 1]), ValueError, "spacing: 9 of 8 x 8"),
        (lambda: UNSURE(torch.nn.Identity()), TypeError, "UnknownNoise"),
        (lambda: UNSURE(UnknownNoise(torch.nn.Identity(), 0.1)).check(Poisson(op, 9.0)), ValueError, "Poisson"),
        (lambda: halves(1), ValueError, "count"),
        (lambda: every(2.5), ValueError, "groups"),
        (lambda: blocks(0.2, length=0), ValueError, "length"),
        (lambda: samples(0.2, centre=-1), ValueError, "centre"),
        (lambda: columns(0.2, centre=-1), ValueError, "centre"),
        (lambda: smeared_noise(0.1, width=0), ValueError, "width"),
    ):
        with pytest.raises(error, match=words):
            wrong()
    assert doubts_of(SURE(), y, op) == ()  # operators do for likelihoods


def test_samples_may_have_levels_of_their_own_and_bad_data_are_named():
    op, x = Identity((8, 8)), torch.rand(3, 1, 8, 8)
    levels = torch.tensor([0.1, 0.2, 0.3])
    for std in (levels, levels.reshape(3, 1, 1, 1).expand(3, 1, 8, 8)):
        task = SelfSupervised([(x, Gaussian(op, std))], SURE(), batch=2, check=False)
        found = [float(torch.as_tensor(its.deviation(y)).mean()) for y, its in task.measurements]  # type: ignore[union-attr]
        assert found == pytest.approx(levels.tolist())
        assert torch.isfinite(task.loss(Reconstructor(op, torch.nn.Conv2d(1, 1, 1)), task.draw(0, range(2))))
    with pytest.raises(ValueError, match="measurement 0: holds NaN"):
        SelfSupervised([(x * torch.nan, Gaussian(op, 0.1))], SURE(), batch=1)
    with pytest.raises(ValueError, match="noise_std: expected finite values >= 0"):
        SelfSupervised([(x, Gaussian(op, -0.1))], SURE(), batch=1)
    with pytest.raises(TypeError, match="of data alone"):
        Augmented(torch.nn.MSELoss())  # pyright: ignore[reportArgumentType]


def test_data_of_another_shape_and_levels_that_are_none_are_refused():
    op = Identity((16, 16))
    with pytest.raises(ValueError, match=r"y: expected data \(B, 1, 16, 16\), got \(1, 1, 16, 8\)"):
        SURE()(lambda y, _: y, torch.ones(1, 1, 16, 8), Gaussian(op, 0.1), [0])
    for level in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="noise_std: expected finite values >= 0"):
            Gaussian(op, level)
