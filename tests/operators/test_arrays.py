"""Constants may be numpy's: big-endian as in FITS files, views that run backwards, read-only memory maps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from denoisers import Bounded, PowerTable
from operators import (
    MRI,
    NUFFT,
    NUFFT3D,
    Blur,
    Downsampling,
    FanBeam,
    FunctionOperator,
    Inpainting,
    KaiserSquires,
    MatrixOperator,
    NonCartesianMRI,
    PhaseRetrieval,
    RadioInterferometry,
    Radon,
    StackedMRI,
    VolumeMRI,
    Weighted,
    as_operator,
    density_compensation,
    shape_noise_std_map,
    uv_coverage,
    visibility_weights,
)
from operators.shapes import as_constant
from pnp import Gaussian

from ..contracts import random_image, relative

R = np.random.default_rng(0)
MASK = (R.random((6, 6)) > 0.3).astype(float)
POINTS = R.uniform(-3, 3, (2, 20))
MAPS = R.normal(size=(3, 6, 6)) + 1j * R.normal(size=(3, 6, 6))
RADIO = RadioInterferometry(torch.from_numpy(POINTS), (6, 6), unit="rad/pixel", threads=1)

Make = Callable[[Any], Any]
OPERATORS: dict[str, tuple[Make, np.ndarray]] = {
    "Inpainting": (Inpainting, MASK),
    "Blur": (lambda k: Blur(k, (6, 6)), R.random((3, 3))),
    "Downsampling": (lambda k: Downsampling(2, (6, 6), filter=k), R.random((3, 3))),
    "MRI mask": (MRI, MASK),
    "MRI coil_maps": (lambda m: MRI(torch.ones(6, 6), m), MAPS),
    "VolumeMRI mask": (VolumeMRI, np.stack([MASK, 1 - MASK])),
    "VolumeMRI coil_maps": (lambda m: VolumeMRI(torch.ones(2, 6, 6), m), np.stack([MAPS, MAPS], 1)),
    "StackedMRI": (lambda p: StackedMRI(p, (2, 6, 6), threads=1), POINTS),
    "NonCartesianMRI points": (lambda p: NonCartesianMRI(p, (6, 6), threads=1), POINTS),
    "NonCartesianMRI coil_maps": (lambda m: NonCartesianMRI(torch.from_numpy(POINTS), (6, 6), m, threads=1), MAPS),
    "NUFFT": (lambda p: NUFFT(p, (6, 6), threads=1), POINTS),
    "NUFFT3D": (lambda p: NUFFT3D(p, (2, 6, 6)), R.uniform(-3, 3, (3, 20))),
    "RadioInterferometry": (lambda p: RadioInterferometry(p, (6, 6), unit="rad/pixel", threads=1), POINTS),
    "Radon": (lambda a: Radon(6, a, threads=1), R.uniform(0, 3, 5)),
    "FanBeam": (lambda a: FanBeam(6, a, 20.0, 10.0, threads=1), R.uniform(0, 3, 5)),
    "KaiserSquires": (lambda m: KaiserSquires((6, 6), mask=m), MASK),
    "Weighted": (lambda w: Weighted(w[None]), R.random((6, 6))),
    "MatrixOperator": (lambda m: MatrixOperator(m, in_shape=(1, 6, 6)), R.normal(size=(4, 36))),
    "as_operator": (lambda m: as_operator(m, in_shape=(1, 6, 6)), R.normal(size=(4, 36))),
    "PhaseRetrieval": (PhaseRetrieval, MAPS),
}
VALUES: dict[str, tuple[Make, np.ndarray]] = {
    "visibility_weights points": (lambda p: visibility_weights(p, (6, 6), "briggs"), POINTS),
    "visibility_weights natural": (lambda w: RADIO.weights("uniform", natural=w), R.random(20)),
    "psf": (RADIO.psf, R.random(20)),
    "dirty_image": (lambda w: RADIO.dirty_image(torch.ones(1, 1, 20) + 0j, w), R.random(20)),
    "density_compensation": (lambda p: density_compensation(p, (6, 6)), POINTS),
    "uv_coverage": (lambda p: uv_coverage(p, latitude=30.0, samples=2), R.normal(size=(4, 3))),
    "shape_noise_std_map": (shape_noise_std_map, R.integers(1, 9, (6, 6))),
    "PowerTable": (lambda v: PowerTable(v, v, 1.0).variances((6, 6)), np.array([1.0, 2.0, 3.0])),
    "Bounded": (lambda v: Bounded(lambda x, s: x, low=v)(torch.zeros(1, 1, 6, 6), 0.1), R.random((6, 6))),
    "noise_std": (lambda v: Gaussian(Inpainting(torch.ones(6, 6)), v[None, None]).deviation(torch.ones(1, 1, 6, 6)),
                  0.1 + R.random((6, 6))),
}  # fmt: skip


def forms(a: np.ndarray) -> dict[str, np.ndarray]:
    """The same values, stored in ways that torch.from_numpy refuses or warns of."""
    backwards = np.flip(np.flip(a).copy())
    locked = a.copy()
    locked.setflags(write=False)
    big = a.astype(a.dtype.newbyteorder(">"))
    return {"big-endian": big, "backwards": backwards, "read-only": locked, "columns first": np.asfortranarray(big)}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_take_arrays(name):
    make, array = OPERATORS[name]
    expected = make(torch.from_numpy(array))
    x = random_image(expected, batch=1)
    for how, same in forms(array).items():
        assert relative(make(same).A(x), expected.A(x)) < 1e-12, how


@pytest.mark.parametrize("name", VALUES)
def test_functions_take_arrays(name):
    make, array = VALUES[name]
    expected = make(torch.from_numpy(array))
    for how, same in forms(array).items():
        assert torch.allclose(make(same), expected), how


def test_constants_are_copies():
    mask = np.ones((3, 3))
    op = Inpainting(mask)
    mask[:] = 0
    assert op.mask.all()


def test_functions_may_answer_in_any_order():
    op = FunctionOperator(
        lambda x: np.asarray(x)[..., ::-1].astype(">f8"), adjoint=lambda y: np.asarray(y)[..., ::-1], in_shape=(1, 2, 3)
    )
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert torch.equal(op(x), x.flip(-1)) and torch.equal(op.A_adjoint(x), x.flip(-1))


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([1.0, 2.0], "mask: expected a torch.Tensor or an array, got list"),
        (np.array(["a"]), "mask: expected an array of numbers, got <U1"),
        (np.array([None]), "mask: expected an array of numbers, got object"),
        (np.ma.masked_less(np.array([1.0, 2.0]), 1.5), "masked array; fill it first"),
    ],
)
def test_other_values_are_refused(value, word):
    with pytest.raises(TypeError, match=word):
        as_constant("mask", value)


@pytest.mark.parametrize("kind", ["?", ">i2", ">u2", "u1", ">u4", ">f2", ">f4", ">f8", "g", ">c8", ">c16"])
def test_values_of_every_kind_stay_what_they_are(kind):
    array = np.array([0, 1, 200 if "1" in kind else 300], dtype=kind)
    assert as_constant("a", array).tolist() == array.tolist()
