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


def rays(n: int, op: FanBeam, fine: int = 8) -> np.ndarray:
    """Line integrals of the phantom's ellipses, ``fine`` rays a bin, from the source to the detector point by point."""
    beta = op.angles.numpy()[:, None, None]
    t = (np.arange(op.detector_count)[:, None] - (op.detector_count - 1) / 2) + (np.arange(fine) + 0.5) / fine - 0.5
    t = t * op.detector_spacing
    far = op.source_distance + op.detector_distance
    sx, sy = op.source_distance * np.sin(beta), -op.source_distance * np.cos(beta)
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
    for value, a, b, x0, y0, angle in PHANTOM:
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


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: FanBeam(64, [0.0], 40.0, 10.0), "source_distance"),
        (lambda: FanBeam(64, [0.0], math.nan, 10.0), "source_distance"),
        (lambda: FanBeam(64, [0.0], 100.0, -1.0), "detector_distance"),
        (lambda: FanBeam(64, [0.0], 100.0, 10.0, 0), "detector_count"),
        (lambda: FanBeam(64, [0.0], 100.0, 10.0, detector_spacing=0.0), "detector_spacing"),
        (lambda: FanBeam(64, [], 100.0, 10.0), "angles"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
