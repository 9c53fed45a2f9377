"""Fan-beam tomography: analytic ellipses along rays, ASTRA, laws, filtered backprojection."""

import math

import numpy as np
import pytest
import torch

from operators import FanBeam, check
from tests.contracts import operator_laws

from .ellipses import PHANTOM, image


def turn(n: int) -> torch.Tensor:
    return 0.2 + 2 * torch.pi / n * torch.arange(n, dtype=torch.float64)


def rays(n: int, op: FanBeam, fine: int = 8, ellipses=PHANTOM) -> np.ndarray:
    """Line integrals of the phantom's ellipses, ``fine`` rays a bin, from the source to the detector point by point."""
    beta = op.angles.numpy()[:, None, None]
    t = (np.arange(op.detector_count)[:, None] - (op.detector_count - 1) / 2) + (np.arange(fine) + 0.5) / fine - 0.5
    t = t * op.detector_spacing + op.offset
    far = op.source_distance + op.detector_distance
    sx, sy = op.source_distance * np.sin(beta), -op.source_distance * np.cos(beta)
    sx, sy = sx + op.centre_offset * np.cos(beta), sy + op.centre_offset * np.sin(beta)
    if op.curved:  # a circle around the source
        dx, dy = (
            far * (np.sin(t / far) * c + np.cos(t / far) * s)
            for c, s in ((np.cos(beta), -np.sin(beta)), (np.sin(beta), np.cos(beta)))
        )
    else:
        dx, dy = -far * np.sin(beta) + t * np.cos(beta), far * np.cos(beta) + t * np.sin(beta)
    length = np.hypot(dx, dy)
    dx, dy = dx / length, dy / length
    total = np.zeros_like(dx)
    for value, a, b, x0, y0, angle in ellipses:
        a, b, x0, y0 = (v * n / 2 for v in (a, b, x0, y0))
        c, s = np.cos(angle), np.sin(angle)
        px, py = (c * (sx - x0) + s * (sy - y0)) / a, (-s * (sx - x0) + c * (sy - y0)) / b
        qx, qy = (c * dx + s * dy) / a, (-s * dx + c * dy) / b
        # |p + r q| = 1
        qq, pq, pp = qx**2 + qy**2, px * qx + py * qy, px**2 + py**2
        total += value * 2 * np.sqrt(np.clip(pq**2 - qq * (pp - 1), 0, None)) / qq
    return total.mean(-1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"curved": True},
        {"detector_spacing": 0.8},
        {"detector_count": 301, "detector_spacing": 2.0},
        {"detector_count": 90},
        {"offset": 30.0, "detector_count": 151},
        {"offset": -11.3, "centre_offset": 6.5, "curved": True},
    ],
)
def test_ellipses_seen_from_the_source(options):
    n = 128
    op = FanBeam(n, turn(20), 300.0, 200.0, **options)
    y = op(torch.from_numpy(image(n))[None, None])[0, 0].numpy()
    exact = rays(n, op)
    assert np.linalg.norm(y - exact) < 0.022 * np.linalg.norm(exact)


def test_physical_units():
    x = torch.from_numpy(image(64))[None, None]
    plain = FanBeam(64, turn(7), 150.0, 100.0, 120, detector_spacing=1.5)
    scaled = FanBeam(64, turn(7), 75.0, 50.0, 120, detector_spacing=0.75, pixel_size=0.5)
    assert torch.allclose(scaled(x), 0.5 * plain(x), atol=1e-9)
    plain = FanBeam(64, turn(60), 150.0, 100.0, 90, detector_spacing=1.5, offset=30.0, centre_offset=4.0)
    scaled = FanBeam(
        64, turn(60), 75.0, 50.0, 90, detector_spacing=0.75, pixel_size=0.5, offset=15.0, centre_offset=2.0
    )
    assert torch.allclose(scaled.fbp(scaled(x)), plain.fbp(plain(x)), atol=1e-9)


def test_astra_has_the_same_conventions():
    astra = pytest.importorskip("astra")
    n, angles = 192, turn(40).numpy()
    x = image(n).astype(np.float32)
    x[:, : n // 3] *= 1.5
    op = FanBeam(n, angles, 2.0 * n, 1.5 * n, detector_spacing=1.75)
    volume = astra.create_vol_geom(n, n)
    geometry = astra.create_proj_geom("fanflat", 1.75, op.detector_count, angles, 2.0 * n, 1.5 * n)
    _, expected = astra.create_sino(x, astra.create_projector("strip_fanflat", geometry, volume))
    astra.clear()
    y = op(torch.from_numpy(x)[None, None])[0, 0].numpy()
    assert np.linalg.norm(y - expected) < 0.006 * np.linalg.norm(expected)


CASES = {
    "flat": FanBeam(5, turn(12), 20.0, 10.0, detector_spacing=0.8, threads=1),
    "curved": FanBeam((5, 4), turn(12), 15.0, 5.0, detector_spacing=0.7, curved=True, threads=1),
    "off": FanBeam(5, -turn(12), 15.0, 5.0, 9, offset=2.0, centre_offset=-0.7, threads=1),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_and_doctor(name, dtype):
    operator_laws(CASES[name], dtype=dtype)
    report = check(CASES[name], dtype=dtype)
    assert report.ok, report


@pytest.mark.parametrize("curved", [False, True])
def test_fbp_of_a_full_turn(curved):
    n = 128
    x = torch.from_numpy(image(n))[None, None]
    op = FanBeam(n, turn(360), 256.0, 200.0, detector_spacing=1.0, curved=curved)
    back = op.fbp(torch.from_numpy(rays(n, op))[None, None])
    assert (back - x).square().mean() < 2e-3
    assert (back - x)[..., 40:60, 40:60].mean().abs() < 3e-3
    with pytest.raises(ValueError, match="full turn"):
        half = FanBeam(8, turn(360)[:180], 60.0, 30.0)
        half.fbp(torch.zeros(1, *half.out_shape))


def astra_rays(x: np.ndarray, op: FanBeam, fine: int = 8) -> np.ndarray:
    """Source, detector and bins placed by hand, one view at a time, ``fine`` rays a bin."""
    astra = pytest.importorskip("astra")
    b, shift = op.angles.numpy()[:, None], op.centre_offset
    along, away = np.hstack((np.cos(b), np.sin(b))), np.hstack((np.sin(b), -np.cos(b)))
    source = op.source_distance * away + shift * along
    detector = -op.detector_distance * away + (shift + op.offset) * along
    geometry = astra.create_proj_geom(
        "fanflat_vec", fine * op.detector_count, np.hstack((source, detector, op.detector_spacing / fine * along))
    )
    volume = astra.create_vol_geom(*x.shape)
    _, y = astra.create_sino(x.astype(np.float32), astra.create_projector("line_fanflat", geometry, volume))
    astra.clear()
    return y.reshape(len(y), -1, fine).mean(-1)


@pytest.mark.parametrize(("offset", "centre_offset"), [(0.0, 9.0), (-25.0, 0.0), (14.0, -6.5)])
def test_astra_has_the_same_offsets(offset, centre_offset):
    n = 192
    x = image(n)
    x[:, : n // 3] *= 1.5
    op = FanBeam(n, -turn(30), 2.0 * n, 1.5 * n, 301, detector_spacing=1.75, offset=offset, centre_offset=centre_offset)
    expected = astra_rays(x, op)
    y = op(torch.from_numpy(x)[None, None])[0, 0].numpy()
    assert np.linalg.norm(y - expected) < 0.006 * np.linalg.norm(expected)


DISC = [(1.0, 0.8, 0.8, 0.05, 0.03, 0.0)]
OPENING = 2 * math.asin(64 * 2**0.5 / 256)  # of a fan that sees 128 x 128 pixels from 256
SCANS = {
    "single precision": ((torch.arange(240) * (2 * torch.pi / 240)).float(), {}),
    "both ends": (torch.linspace(0, 2 * torch.pi, 301), {}),
    "clockwise": (-turn(300), {"curved": True}),
    "any order": (turn(300)[torch.randperm(300, generator=torch.Generator().manual_seed(0))], {}),
    "two turns": (2 * turn(600), {}),
    "short": (turn(360)[: math.ceil(360 * (0.5 + OPENING / (2 * torch.pi)))], {}),
    "short, clockwise": (-turn(360)[:240], {"curved": True, "offset": 3.0}),
    "three quarters": (turn(360)[:270], {"centre_offset": 4.0}),
    "detector offset": (turn(300), {"offset": 7.3}),
    "centre offset": (turn(300), {"offset": 12.0, "centre_offset": -5.0}),
    "half a beam": (turn(300), {"detector_count": 150, "offset": 60.0}),
    "half a beam, clockwise": (-turn(300), {"detector_count": 120, "offset": -52.0, "curved": True}),
}


@pytest.mark.parametrize("name", SCANS)
def test_fbp_of_a_disc_is_one_inside(name):
    angles, options = SCANS[name]
    n = 128
    op = FanBeam(n, angles, 256.0, 200.0, **options)
    y = torch.from_numpy(rays(n, op, ellipses=DISC))[None, None]
    inside = torch.from_numpy(image(n, [(1.0, 0.72, 0.72, 0.05, 0.03, 0.0)]))[None, None] == 1
    error = (op.fbp(y) - 1)[inside]
    assert error.mean().abs() < 1e-3 and error.square().mean().sqrt() < 0.015
    low, high = (op.fbp(y)[..., 50:78, columns].mean() for columns in (slice(30, 50), slice(80, 100)))
    assert abs(low - 1) < 1e-3 and abs(high - 1) < 1e-3


@pytest.mark.parametrize("count", [160, 200, 240, 251, 360, 719, 1000])
def test_a_full_turn_in_single_precision_is_one(count):
    op = FanBeam(8, (torch.arange(count) * (2 * torch.pi / count)).float(), 40.0, 20.0)
    assert op.fbp(op(torch.ones(1, 1, 8, 8)))[..., 3:5, 3:5].mean() == pytest.approx(1, abs=0.05)


def test_scans_that_see_too_little_say_so():
    n = 64
    fan = FanBeam(n, turn(360)[:200], 128.0, 100.0)
    with pytest.raises(ValueError, match=r"angles: .* 200 degrees leave rays unseen"):
        fan.fbp(fan(torch.ones(1, 1, n, n)))
    fan = FanBeam(n, turn(360)[:215], 128.0, 100.0)
    with pytest.warns(UserWarning, match="corners"):
        fan.fbp(fan(torch.ones(1, 1, n, n)))
    uneven = FanBeam(n, turn(100) ** 1.1, 128.0, 100.0)
    with pytest.raises(ValueError, match="angles: expected evenly spaced"):
        uneven.fbp(torch.zeros(1, *uneven.out_shape))
    x = torch.from_numpy(image(n, DISC))[None, None]
    cut = FanBeam(n, turn(200), 128.0, 100.0, 70)
    with pytest.warns(UserWarning, match="cuts the object off"):
        back = cut.fbp(cut(x))
    assert (back - x)[..., 24:40, 24:40].mean().abs() < 0.1  # zeros beyond the detector make it 0.6


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: FanBeam(64, [0.0], 40.0, 10.0), "source_distance"),
        (lambda: FanBeam(64, [0.0], math.nan, 10.0), "source_distance"),
        (lambda: FanBeam(64, [0.0], 100.0, -1.0), "detector_distance"),
        (lambda: FanBeam(64, [0.0], 100.0, 10.0, 0), "detector_count"),
        (lambda: FanBeam(64, [0.0], 100.0, 10.0, detector_spacing=0.0), "detector_spacing"),
        (lambda: FanBeam(64, [], 100.0, 10.0), "angles"),
        (lambda: FanBeam(64, [0.0], 100.0, 10.0, offset=math.nan), "offset"),
        (lambda: FanBeam(64, [0.0], 100.0, 10.0, centre_offset=math.inf), "centre_offset"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
