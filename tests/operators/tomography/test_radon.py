"""Parallel-beam tomography: analytic ellipses, others' projectors, laws, conventions, filtered backprojection."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from operators import FanBeam, Radon, Weighted, check, gaussian_noise
from operators.tomography.fbp import angle_weights, filter_sinogram
from tests.contracts import operator_laws, relative

from .ellipses import image, sinogram


def half_circle(n: int) -> Tensor:
    return torch.arange(n, dtype=torch.float64) * torch.pi / n


def random(*shape: int, seed: int = 0, dtype=torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def edges(op: Radon) -> np.ndarray:
    """Of the detector's bins, in pixels."""
    bins = (np.arange(op.detector_count + 1) - op.detector_count / 2) * op.detector_spacing + op.offset
    return bins / op.pixel_size


def error(n: int, views: int, **options) -> float:
    op = Radon(n, half_circle(views), **options)
    exact = sinogram(n, op.angles.numpy(), edges(op)) * op.pixel_size
    y = op(torch.from_numpy(image(n))[None, None])[0, 0].numpy()
    return float(np.linalg.norm(y - exact) / np.linalg.norm(exact))


def test_ellipses_are_projected_as_well_as_pixels_can_and_better_with_size():
    # area means on a pixel grid are all that is known: exact strip integrals of the pixels are off by 0.76 % at 256
    errors = [error(n, 60) for n in (64, 128, 256)]
    assert errors[2] < 0.008 and errors[0] > 1.8 * errors[1] > 3.2 * errors[2]


@pytest.mark.parametrize(
    "options",
    [
        {"detector_spacing": 0.5},
        {"detector_spacing": 2.0},
        {"pixel_size": 0.7, "detector_spacing": 0.7},
        {"offset": 11.3},
        {"detector_count": 80},
        {"detector_count": 81, "offset": -20.0},
        {"circle": True},
    ],
)
def test_geometries(options):
    assert error(128, 30, **options) < 0.022


@pytest.mark.parametrize(("kind", "bound"), [("strip", 0.005), ("linear", 0.006)])
def test_astra_has_the_same_conventions(kind, bound):
    astra = pytest.importorskip("astra")
    n, angles = 256, half_circle(40).numpy()
    x = image(n).astype(np.float32)
    x[:, : n // 3] *= 1.5  # no symmetry
    op = Radon(n, angles)
    volume = astra.create_vol_geom(n, n)
    geometry = astra.create_proj_geom("parallel", 1.0, op.detector_count, angles)
    _, expected = astra.create_sino(x, astra.create_projector(kind, geometry, volume))
    astra.clear()
    y = op(torch.from_numpy(x)[None, None])[0, 0].numpy()
    assert np.linalg.norm(y - expected) < bound * np.linalg.norm(expected)


def test_skimage_after_the_documented_changes():
    transform = pytest.importorskip("skimage.transform")
    n, views = 97, 40  # odd: skimage turns about pixel n // 2, and its bins about bin D // 2
    x = image(n)
    x[:, : n // 3] *= 1.5
    expected = transform.radon(x, theta=np.arange(views) * 180 / views, circle=False)
    op = Radon(n, half_circle(views), expected.shape[0], offset=-0.5)
    y = op(torch.from_numpy(x)[None, None])[0, 0].T.numpy()
    assert np.linalg.norm(y - expected) < 0.01 * np.linalg.norm(expected)


def test_deepinv_has_the_same_conventions():
    physics = pytest.importorskip("deepinv").physics
    n, views = 96, 40
    x = torch.from_numpy(image(n))[None, None].float()
    x[..., : n // 3] *= 1.5
    theirs = physics.Tomography(angles=torch.arange(views) * 180 / views, img_width=n, circle=False, normalize=False)
    expected = theirs.A(x)
    y = Radon(n, half_circle(views), expected.shape[-2])(x).mT
    assert (y - expected).norm() < 0.01 * expected.norm()


def test_mass_centre_and_axes():
    x = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    x[..., 6, 25] = 1.0  # 10 up, 9 to the right
    angles = torch.tensor([0.0, torch.pi / 2, torch.pi, 0.7], dtype=torch.float64)
    op = Radon(33, angles, pixel_size=0.5, detector_spacing=0.5, offset=1.0)
    y = op(x)[0, 0]
    s = torch.from_numpy((edges(op)[1:] + edges(op)[:-1]) / 2) * 0.5
    assert torch.allclose(y.sum(1) * 0.5, torch.full((4,), 0.25, dtype=torch.float64))  # value times area
    expected = 0.5 * (9 * angles.cos() + 10 * angles.sin())
    centre = torch.stack([s[row.argmax()] for row in y])
    assert (centre - expected).abs().max() <= 0.26


def test_an_edge_and_a_point_ring_no_more_than_the_band_demands():
    x = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    x[..., 20:40, 24:44] = 1.0
    y = Radon(64, [0.3])(x)[0, 0, 0]
    assert y.min() > -0.03 * y.max()
    x = torch.zeros(1, 1, 65, 65, dtype=torch.float64)
    x[..., 32, 32] = 1.0
    y = Radon(65, [0.3])(x)[0, 0, 0]
    assert y.min() > -0.2 * y.max()


CASES: dict[str, Radon] = {
    "plain": Radon(8, half_circle(16), threads=1),
    "rectangle": Radon((6, 9), 0.1 + half_circle(16).flip(0), threads=1),
    "even detector": Radon((5, 4), half_circle(5), 12, threads=1),
    "truncated": Radon(8, half_circle(5), 6, threads=1),
    "truncated, even length": Radon((7, 8), half_circle(5), 5, threads=1),
    "circle, colour": Radon(7, half_circle(16), circle=True, channels=2, threads=1),
    "physical": Radon((6, 7), half_circle(16), pixel_size=0.3, detector_spacing=0.25, offset=0.2, threads=1),
    "fine detector": Radon(6, half_circle(5), detector_spacing=0.4, threads=1),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_and_doctor(name, dtype):
    operator_laws(CASES[name], dtype=dtype)
    report = check(CASES[name], dtype=dtype)
    assert report.ok, report


def test_normal_is_toeplitz_where_the_detector_covers():
    assert [op.covers for op in CASES.values()] == [True, True, True, False, False, True, True, True]
    for dtype, bound in ((torch.float64, 1e-11), (torch.float32, 2e-6)):
        op, x = Radon(60, half_circle(50), threads=1), random(2, 1, 60, 60, dtype=dtype)
        composed = op.A_adjoint(op.A(x))
        assert (op.A_adjoint_A(x) - composed).norm() < bound * composed.norm()


def test_weights_of_views_keep_the_normal_toeplitz(monkeypatch):
    op, x = Radon((9, 8), torch.linspace(0, 3, 7), 13), torch.randn(2, 1, 9, 8, dtype=torch.float64)
    weights = torch.rand(7, 1, dtype=torch.float64)
    within = op.A_adjoint(weights * op(x))
    one = Weighted(weights.sqrt()) @ op
    with monkeypatch.context() as without:
        without.setattr(Radon, "A", None)
        assert relative(one.A_adjoint_A(x), within) < 1e-10
        one.outer.weights.mul_(2)  # in place
        assert relative(one.A_adjoint_A(x), 4 * within) < 1e-10
    uneven = torch.rand(1, 7, 13, dtype=torch.float64)
    assert relative((Weighted(uneven) @ op).A_adjoint_A(x), op.A_adjoint(uneven**2 * op(x))) < 1e-12
    each = torch.rand(2, 1, 7, 1, dtype=torch.float64)  # of each sample
    assert relative((Weighted(each, shape=op.out_shape) @ op).A_adjoint_A(x), op.A_adjoint(each**2 * op(x))) < 1e-12


def test_weights_of_data_are_solved_as_quickly_as_none(monkeypatch):
    op = Radon(24, torch.linspace(0, 3.1, 30))
    weights = torch.exp(-1.5 * torch.rand(op.out_shape, dtype=torch.float64))
    one, b = Weighted(weights) @ op, torch.randn(1, 1, 24, 24, dtype=torch.float64)
    gamma, count = 1000 / one.norm() ** 2, []
    normal = type(one).A_adjoint_A
    monkeypatch.setattr(type(one), "A_adjoint_A", lambda self, x: count.append(1) or normal(self, x))
    found = one.solve_normal(b, gamma, rtol=1e-9)
    some = len(count)
    columns = op.A(torch.eye(576, dtype=torch.float64).reshape(-1, 1, 24, 24)).flatten(1) * weights.flatten()
    dense = torch.eye(576, dtype=torch.float64) + gamma * columns @ columns.mT
    assert relative(found.flatten()[None], torch.linalg.solve(dense, b.flatten())[None]) < 1e-7
    count.clear()
    monkeypatch.setattr(type(one), "preconditioner", lambda self, gamma: None)
    one.solve_normal(b, gamma, rtol=1e-9)
    assert some < 0.6 * len(count)


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 24), st.integers(2, 24), st.integers(0, 99), st.floats(0.3, 3), st.floats(-5, 5))
def test_adjoint_of_any_geometry(height, width, seed, spacing, offset):
    views = 1 + seed % 9
    op = Radon((height, width), random(views, seed=seed), detector_spacing=spacing, offset=offset, threads=1)
    x, y = random(1, 1, height, width, seed=seed), random(1, *op.out_shape, seed=seed + 1)
    assert abs(float((op(x) * y).sum() - (x * op.A_adjoint(y)).sum())) <= 1e-10 * float(op(x).norm() * y.norm())


def test_derivatives_through_operator_and_fbp():
    op = Radon(5, half_circle(4), threads=1)
    x, y = random(1, 1, 5, 5).requires_grad_(), random(1, *op.out_shape).requires_grad_()
    assert torch.autograd.gradcheck(op.A, x) and torch.autograd.gradgradcheck(op.A, x)
    assert torch.autograd.gradcheck(op.fbp, y) and torch.autograd.gradgradcheck(op.fbp, y)


@pytest.mark.parametrize("name", ["ram-lak", "shepp-logan", "cosine", "hamming", "hann"])
def test_fbp_gives_the_image_back_in_its_own_units(name):
    n = 128
    x = torch.from_numpy(image(n))[None, None]
    choices: list[dict[str, Any]] = [
        {}, {"pixel_size": 0.25, "detector_spacing": 0.25}, {"offset": 7.5}, {"detector_count": 400},
    ]  # fmt: skip
    for options in choices:
        op = Radon(n, half_circle(200), **options)
        exact = torch.from_numpy(sinogram(n, op.angles.numpy(), edges(op)) * op.pixel_size)[None, None]
        back = op.fbp(exact, name)
        inside = back[..., 40:60, 40:60]
        assert (inside - x[..., 40:60, 40:60]).mean().abs() < 2e-3
        assert (back - x).square().mean() < 3e-3


def test_fbp_weighs_angles_by_what_they_stand_for():
    assert torch.allclose(angle_weights(half_circle(7)), torch.full((7,), torch.pi / 7, dtype=torch.float64))
    for n in (8, 720, 1234):
        around = 0.3 + 2 * half_circle(n)  # the full circle sees everything twice
        for angles in (around, around.float()):
            expected = torch.full((n,), torch.pi / n, dtype=torch.float64)
            assert torch.allclose(angle_weights(angles), expected, rtol=1e-3)
    limited = half_circle(60)[:40]
    assert torch.allclose(angle_weights(limited), torch.full((40,), torch.pi / 60, dtype=torch.float64))
    uneven = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.4, 2.0, 2.7])
    assert angle_weights(uneven).sum().item() == pytest.approx(math.pi)
    n = 64
    x = torch.from_numpy(image(n))[None, None]
    for angles in (half_circle(150), 2 * half_circle(150) - 1, half_circle(150).flip(0)):
        op = Radon(n, angles)
        exact = torch.from_numpy(sinogram(n, op.angles.numpy(), edges(op)))[None, None]
        assert (op.fbp(exact) - x).square().mean() < 4e-3


DISC = [(1.0, 0.8, 0.8, 0.05, 0.03, 0.0)]
FULL = 2 * half_circle(300)


def back_of_disc(angles: Tensor, detector_count: int, **options) -> tuple[Tensor, Tensor]:
    """What filtered backprojection makes of the exact sinogram of a disc of one, and the disc."""
    op = Radon(128, angles, detector_count, **options)
    exact = torch.from_numpy(sinogram(128, op.angles.numpy(), edges(op), DISC) * op.pixel_size)[None, None]
    return op.fbp(exact), torch.from_numpy(image(128, DISC))[None, None]


@pytest.mark.parametrize(
    ("angles", "detector_count", "options"),
    [
        (FULL, 110, {"offset": 40.0}),
        (FULL.flip(0) + 0.3, 110, {"offset": -40.0}),
        (FULL.float(), 90, {"offset": 40.0}),
        (FULL, 100, {"offset": 45.25}),
        (2 * half_circle(301), 80, {"offset": 17.0, "detector_spacing": 0.5, "pixel_size": 0.5}),
        (FULL, 101, {"offset": 30.0, "circle": True}),
        (FULL, 110, {"offset": 1.0}),
    ],
)
def test_an_offset_detector_all_around_sees_everything_once(angles, detector_count, options):
    back, disc = back_of_disc(angles, detector_count, **options)
    assert (back - disc)[..., 40:88, 40:88].square().mean().sqrt() < 0.01
    for columns in (slice(30, 40), slice(60, 68), slice(90, 98)):
        assert (back - 1)[..., 60:68, columns].mean().abs() < 2e-3


@pytest.mark.parametrize(
    ("angles", "detector_count", "options"),
    [
        (half_circle(180), 70, {}),
        (FULL, 70, {}),
        (FULL, 80, {"offset": 10.0}),
        (half_circle(180), 90, {"offset": 12.0}),
        (half_circle(180), 70, {"detector_spacing": 0.25, "pixel_size": 0.25}),
    ],
)
def test_a_cut_object_is_continued_and_warned_of(angles, detector_count, options):
    with pytest.warns(UserWarning, match="fbp: the detector cuts the object off"):
        back, disc = back_of_disc(angles, detector_count, **options)
    assert (back - disc)[..., 48:80, 48:80].square().mean().sqrt() < 0.1  # zeros beyond the detector make it 0.5


def test_continuing_is_linear_and_says_nothing_of_objects_within_the_detector():
    op = Radon(5, half_circle(4), 4, offset=0.3, threads=1)
    with pytest.warns(UserWarning, match="cuts"):
        assert torch.autograd.gradcheck(op.fbp, random(1, *op.out_shape).abs().requires_grad_())
    back, disc = back_of_disc(half_circle(180), 128)
    assert (back - disc)[..., 40:88, 40:88].square().mean().sqrt() < 0.01


def test_ramp_kills_a_constant_and_keeps_parabolas():
    s = torch.arange(-200, 201, dtype=torch.float64)
    disc = 2 * (100.0**2 - s**2).clamp_min(0).sqrt()  # projection of a disc of one
    filtered = filter_sinogram(disc[None], 1.0)[0]
    assert (filtered[150:250] * math.pi - 1).abs().max() < 0.02  # the same from every angle: its share of 1 / pi


def test_astra_fbp_is_not_better():
    astra = pytest.importorskip("astra")
    n, angles = 128, half_circle(120).numpy()
    x = image(n)
    op = Radon(n, angles)
    exact = sinogram(n, angles, edges(op)).astype(np.float32)
    volume = astra.create_vol_geom(n, n)
    geometry = astra.create_proj_geom("parallel", 1.0, op.detector_count, angles)
    projector = astra.create_projector("linear", geometry, volume)
    data, out = astra.data2d.create("-sino", geometry, exact), astra.data2d.create("-vol", volume)
    config = astra.astra_dict("FBP")
    config.update(ProjectorId=projector, ProjectionDataId=data, ReconstructionDataId=out)
    config["option"] = {"FilterType": "ram-lak"}
    algorithm = astra.algorithm.create(config)
    astra.algorithm.run(algorithm)
    theirs = astra.data2d.get(out)
    astra.clear()
    ours = op.fbp(torch.from_numpy(exact)[None, None])[0, 0].numpy()
    assert np.square(ours - x).mean() <= np.square(theirs - x).mean()


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: Radon(8, []), ValueError, "angles"),
        (lambda: Radon(8, [[0.0, 1.0]]), ValueError, "angles"),
        (lambda: Radon(8, ["a"]), TypeError, "angles"),
        (lambda: Radon(8, [float("nan")]), ValueError, "angles"),
        (lambda: Radon(8, [0.0], 0), ValueError, "detector_count"),
        (lambda: Radon(8, [0.0], detector_spacing=0.0), ValueError, "detector_spacing"),
        (lambda: Radon(8, [0.0], pixel_size=-1.0), ValueError, "pixel_size"),
        (lambda: Radon(8, [0.0], offset=float("inf")), ValueError, "offset"),
        (lambda: Radon((8,), [0.0]), ValueError, "image_shape"),  # type: ignore[arg-type]
        (lambda: Radon(8, [0.0]).fbp(torch.zeros(1, 1, 1, 15), "ramp"), ValueError, "filter"),  # type: ignore[arg-type]
        (lambda: Radon(8, [0.0]).fbp(torch.zeros(1, 1, 13)), ValueError, "y: expected shape"),
        (lambda: Radon(8, [0.0])(torch.zeros(1, 1, 8, 8, dtype=torch.complex64)), TypeError, "x"),
    ],
)
def test_bad_arguments_are_named(call, error, word):
    with pytest.raises(error, match=word):
        call()


@pytest.mark.parametrize(
    ("degrees", "gap"),
    [
        (torch.arange(0.0, 150.0), "149 and 180"),
        (torch.arange(30.0, 150.0, 2.0), "148 and 210"),
        (torch.cat((torch.arange(0.0, 80.0), torch.arange(100.0, 180.0))) - 500.0, None),
        (torch.arange(0.0, 180.0, 6.0), ""),
        (torch.arange(0.0, 360.0, 3.0), ""),
        (torch.arange(40) * 111.246 % 180, ""),
        (torch.tensor([10.0]), ""),
        (torch.tensor([0.0, 1.0]), ""),
    ],
)
def test_backprojection_says_which_angles_a_scan_lacks(degrees, gap):
    op = Radon(16, torch.deg2rad(degrees))
    y = op(torch.ones(1, 1, 16, 16))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        op.fbp(y)
    found = [str(w.message) for w in told if "no angles between" in str(w.message)]
    assert len(found) == (gap != "")
    assert not gap or gap in found[0]


def _turns() -> dict[str, torch.Tensor]:
    half, g = torch.arange(90) * (math.pi / 90), torch.Generator().manual_seed(2)
    jitter = torch.randn(180, generator=g, dtype=torch.float64)
    return {
        "odd step of a turn": torch.deg2rad(torch.arange(0, 360, 1.7)),
        "a turn that goes on": torch.linspace(0, 2 * math.pi * 1.003, 180),
        "a turn that ends early": torch.linspace(0, 2 * math.pi * 0.99, 180),
        "opposite views between the others": torch.cat((half, half + math.pi * (1 + 0.1 / 90))),
        "measured angles": (torch.arange(180) + 0.3 * jitter) * (math.pi / 90),
        "random": torch.rand(120, generator=g) * math.pi,
        "two densities": torch.cat((half[:45], half[45::3])),
        "golden": torch.arange(100) * 1.941611,
    }


@pytest.mark.parametrize("name", _turns())
def test_backprojection_of_complete_scans_keeps_values_whatever_the_angles(name):
    size = 48
    rows, columns = torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 2, indexing="ij")
    disc = (torch.hypot(rows, columns) < 15).double()[None, None]
    op = Radon(size, _turns()[name])  # no warning: golden angles turn many times
    core = torch.hypot(rows, columns) < 10
    assert float(op.fbp(op(disc))[0, 0, core].mean()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "degrees",
    [torch.arange(180.0), torch.arange(0, 180, 0.25), torch.linspace(0, 360, 77), torch.arange(100) * (180 / 100)],
)
def test_degrees_are_noticed(degrees):
    with pytest.warns(UserWarning, match="radians are expected"):
        Radon(8, degrees)


@pytest.mark.parametrize("fan", [False, True])
def test_an_image_that_is_smaller_than_the_object_is_doubted(fan):
    def scan(side, **others):
        if not fan:
            return Radon(side, torch.arange(60) * torch.pi / 60, 91, **others)
        angles = torch.arange(120) * torch.pi / 60
        return FanBeam(side, angles, source_distance=200.0, detector_distance=100.0, detector_count=141, **others)

    x = torch.zeros(1, 1, 64, 64)
    x[..., 8:56, 10:54] = 1
    y = gaussian_noise(scan(64)(x), 0.3)
    causes = {side: [d.cause for d in scan(side).doubts(y)] for side in (64, 24, 16)}
    assert causes[64] == [] and causes[24] == causes[16] == ["field of view"]
    assert scan(16).doubts(y)[0].sure and "pixel_size" in scan(16).doubts(y)[0].words
    assert not scan(32, pixel_size=2.0).doubts(y)  # the same field in larger pixels
    assert not scan(16).doubts(0 * y)


def _disc(side, radius, column=0.0):
    t = torch.arange(side) - (side - 1) / 2
    return ((t[None] - column) ** 2 + t[:, None] ** 2 < radius**2).float()[None, None]


def test_noise_and_images_without_a_sum_are_no_larger_objects():
    op = Radon(64, torch.arange(60) * torch.pi / 60, 121)
    x = _disc(64, 20)
    for clean in (0 * x, 0.01 * _disc(64, 6), x - x.mean()):  # the mean of the rays that meet is nothing to measure by
        for seed in range(4):
            assert not [d for d in op.doubts(gaussian_noise(op(clean), 1.0, seed=seed)) if "miss the image" in d.words]
    dead = op(x)
    dead[..., :12] = 40.0
    whitened = Weighted((torch.arange(121) >= 12).float(), shape=op.out_shape) @ op
    assert not whitened.doubts(whitened.outer(dead))


def test_larger_objects_are_seen_wherever_they_end():
    turns = torch.arange(60) * torch.pi / 60
    big, small = Radon(128, turns, 181), Radon(64, turns, 181)
    for x in (_disc(128, 50), _disc(128, 20, column=40.0)):  # just outside; at the side, so that it comes and goes
        both = gaussian_noise(torch.cat((0 * big(x), big(x))), 0.5)
        assert [d.cause for d in small.doubts(both)] == ["field of view"]  # the one sample of two that has it
    clean = small(_disc(64, 25))
    (doubt,) = small.doubts(clean + 0.2 * clean.mean())
    assert doubt.cause == "background" and not doubt.sure
