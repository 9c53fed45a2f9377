"""Corrections of CT: analytic ellipses and discs with known centres, simulated counts, algotom."""

import math

import numpy as np
import pytest
import torch

from operators import FanBeam, Radon
from pnp.corrections.ct import (
    centred,
    correct_hardening,
    find_offset,
    fit_hardening,
    remove_stripes,
    transmission,
)
from pnp.io import Measurement
from tests.operators.tomography.ellipses import sinogram
from tests.operators.tomography.test_fanbeam import rays

BLOBS = [
    (1.0, 0.6, 0.7, 0.05, -0.1, 0.2),
    (-0.4, 0.2, 0.3, -0.2, 0.1, 0.5),
    (0.6, 0.1, 0.15, 0.25, -0.3, 0.0),
]


STRIPES = [52, 53, 77, 100]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def views(n: int, turn: float = math.pi) -> torch.Tensor:
    return torch.arange(n, dtype=torch.float64) * turn / n


def exact(op, noise: float = 0.0) -> torch.Tensor:
    """Sinogram of the ellipses, with noise as a share of its largest value."""
    n = op.in_shape[-1]
    if isinstance(op, Radon):
        edges = (np.arange(op.detector_count + 1) - op.detector_count / 2) * op.detector_spacing + op.offset
        y = sinogram(n, op.angles.numpy(), edges / op.pixel_size, BLOBS) * op.pixel_size
    else:
        y = rays(n, op, ellipses=BLOBS)
    y = torch.from_numpy(y)[None, None]
    return y + noise * y.max() * torch.randn(y.shape, generator=generator(), dtype=y.dtype)


# ---- centre of rotation


def test_the_centre_of_a_parallel_scan_within_a_tenth_of_a_bin():
    op = Radon(32, views(30), 41, offset=-6.2)
    y = exact(op, 0.02)
    found = find_offset(op.with_offset(0.0), y)
    assert abs(found + 6.2) < 0.1
    assert abs(find_offset(op.with_offset(-5.0), 1e-8 * y, within=3.0) - found) < 0.02
    with pytest.raises(ValueError, match="within"):
        find_offset(op.with_offset(0.0), y, within=2.0)


def test_physical_units_and_measurements():
    op = Radon(64, views(48), 81, detector_spacing=0.5, pixel_size=0.5, offset=1.6)
    y = exact(op)
    m = Measurement(y, Radon, {"image_shape": 64, "angles": views(48), "detector_count": 81, "detector_spacing": 0.5,
                               "pixel_size": 0.5}, provenance={"corrections": ("one",)})  # fmt: skip
    found = centred(m, within=5.0)
    assert abs(found.arguments["offset"] - 1.6) < 0.05 and abs(found.operator().offset - 1.6) < 0.05
    assert found.provenance["corrections"][0] == "one" and "centre" in found.provenance["corrections"][1]
    column = float(found.provenance["corrections"][1].rpartition("column ")[2])
    assert abs(column - (40 - 1.6 / 0.5)) < 0.2  # of 81, from 0: the ray of bin j is at (j - 40) 0.5 + 1.6
    assert "offset" not in m.arguments


@pytest.mark.parametrize(
    ("turn", "options", "of", "tolerance"),
    [
        (2 * math.pi, {"centre_offset": 2.3}, "centre_offset", 0.1),
        (math.pi + 0.7, {"offset": -3.1}, "offset", 0.2),  # a short scan
    ],
)
def test_the_centre_of_a_fan(turn, options, of, tolerance):
    op = FanBeam(32, views(24, turn), 75.0, 50.0, 41, detector_spacing=1.8, **options)
    found = find_offset(op.with_offset(0.0, 0.0), exact(op, 0.01), of=of, within=6.0)
    assert abs(found - options[of]) < tolerance


@pytest.mark.slow
def test_the_centre_of_an_offset_detector():
    op = Radon(48, views(64, 2 * math.pi), 34, offset=15.3)
    assert abs(find_offset(op.with_offset(0.0), exact(op, 0.01)) - 15.3) < 0.5


@pytest.mark.slow
def test_algotom_finds_the_same_centre():
    pytest.importorskip("algotom", reason="needs algotom: pip install 'pnp-imaging[ct]'")
    op = Radon(64, views(64), 91, offset=5.25)
    y = exact(op, 0.01)
    assert abs(find_offset(op.with_offset(0.0), y, method="vo") - 5.25) < 0.6
    assert abs(find_offset(op.with_offset(0.0), y, within=20.0) - 5.25) < 0.1


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda op, y: find_offset(object(), y), TypeError, "op"),
        (lambda op, y: find_offset(op, y[0]), ValueError, "y"),
        (lambda op, y: find_offset(op, y * math.nan), ValueError, "y"),
        (lambda op, y: find_offset(op, 0 * y), ValueError, "y"),
        (lambda op, y: find_offset(op, y, of="centre_offset"), ValueError, "of"),
        (lambda op, y: find_offset(op, y, within=-1.0), ValueError, "within"),
        (lambda op, y: find_offset(Radon(16, [0.3] * 8, 23), y), ValueError, "op"),
        (
            lambda op, y: find_offset(op, y, method="eye"),  # pyright: ignore[reportArgumentType]
            ValueError,
            "method",
        ),
        (lambda op, y: find_offset(op.with_offset(torch.zeros(8)), y), ValueError, "offset"),
    ],
)
def test_bad_scans_are_named(call, error, word):
    op = Radon(16, views(8), 23)
    with pytest.raises(error, match=f"^{word}: "):
        call(op, torch.ones(1, *op.out_shape))


# ---- counts


def photons(mean: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.poisson(mean, generator=generator(seed)).double()


def test_counts_give_line_integrals_with_their_noise():
    op = Radon(64, views(90), 81)
    y = exact(op)[0, 0] * 0.06
    flat = 4000 * (1 + 0.3 * torch.sin(torch.arange(81.0) / 5)).double()
    gain, dark = 2.5, 300.0
    counts = gain * photons(flat * (-y).exp(), 1) + dark
    white = gain * photons(flat.expand(100, -1), 2) + dark
    found = transmission(counts, white, torch.full((3, 81), dark, dtype=torch.float64))
    assert found.gain == pytest.approx(gain, rel=0.1)
    assert found.gain is not None and found.noise_std is not None
    z = (found.y - y) / found.noise_std
    assert abs(float(z.std()) - 1) < 0.07 and abs(float(z.mean())) < 0.05
    assert not found.unusable.any() and "0 of 7290" in found.said()
    assert transmission(torch.full((4, 6), 50.0), torch.full((6,), 80.0)).noise_std is None
    scaled = transmission(1e-6 * counts, 1e-6 * white, torch.full((81,), 1e-6 * dark).double())
    assert torch.allclose(scaled.y, found.y) and torch.allclose(scaled.noise_std, found.noise_std)  # pyright: ignore


def test_a_beam_that_drifts_between_flat_fields():
    y = torch.linspace(0.1, 1.5, 12).expand(31, 12).double()
    beam = torch.linspace(1000, 700, 31).double()[:, None]
    white = torch.cat((beam[:1].expand(4, 12), beam[15:16].expand(2, 12), beam[-1:].expand(4, 12)))
    at = [0.0] * 4 + [15.0] * 2 + [30.0] * 4
    counts = beam * (-y).exp()
    assert torch.allclose(transmission(counts, white, white_at=at, gain=1.0).y, y, atol=1e-12)
    assert (transmission(counts, white, gain=1.0).y - y).abs().max() > 0.1
    assert torch.allclose(transmission(counts[15:16], white[4:6], white_at=[-0.5, -0.5], gain=1.0).y, y[:1])


def test_counts_without_a_logarithm_are_filled_and_left_out():
    y = torch.linspace(0.5, 1.5, 20).expand(10, 20).double()
    counts, white = 500 * (-y).exp(), torch.full((1, 20), 500.0).double()
    counts[3, 7], counts[4, 8], counts[5, 0], counts[5, 1], counts[6, 19] = 0, -3, -1, 0, math.nan
    white[0, 12] = 0  # a dead pixel
    with pytest.warns(UserWarning, match=r"transmission: 7.5% of the counts"):
        found = transmission(counts, white, gain=1.0)
    assert found.noise_std is not None and int(found.unusable.sum()) == 15
    assert torch.equal(found.noise_std.isinf(), found.unusable)
    assert torch.isfinite(found.y).all()
    inner = found.unusable.clone()
    inner[5, :2] = inner[6, 19] = False
    assert torch.allclose(found.y[inner], y[inner]) and torch.allclose(found.y[5, :2], y[5, 2:3])
    from pnp import PnPADMM

    op = Radon(14, views(10), 20)
    result = PnPADMM(op, noise_std=found.noise_std[None, None].float()).solve(found.y[None, None].float())
    assert torch.isfinite(result.x).all()


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        ({"counts": "a"}, TypeError, "counts"),
        ({"white": torch.ones(2, 5)}, ValueError, "white"),
        ({"white": torch.full((2, 6), math.inf)}, ValueError, "white"),
        ({"dark": torch.ones(1, 5)}, ValueError, "dark"),
        ({"white_at": [0.0]}, ValueError, "white_at"),
        ({"gain": 0.0}, ValueError, "gain"),
        ({"dark": torch.full((6,), 90.0)}, ValueError, "counts"),
    ],
)
def test_bad_counts_are_named(change, error, word):
    given = {"counts": torch.full((4, 6), 50.0), "white": torch.full((2, 6), 80.0), "gain": 1.0, **change}
    with pytest.raises(error, match=f"^{word}: "):
        transmission(**given)


# ---- rings


def striped() -> tuple[torch.Tensor, torch.Tensor]:
    y = exact(Radon(96, views(90), 131), 0.005)
    bad = torch.zeros(131, dtype=torch.float64)
    bad[STRIPES] = torch.tensor([-4.5, 3.0, 9.0, -6.0], dtype=torch.float64)
    return y, y + bad


def test_stripes_go_and_little_else():
    y, bad = striped()
    left = (remove_stripes(bad, size=5) - y)[..., STRIPES].mean((0, 1, 2))
    assert (left / (bad - y)[0, 0, 0, STRIPES]).abs().max() < 0.15
    assert (remove_stripes(y, size=5) - y).norm() < 0.01 * y.norm()
    assert torch.allclose(remove_stripes(1e-6 * bad), 1e-6 * remove_stripes(bad))
    assert torch.equal(remove_stripes(torch.cat((y, bad)))[1:], remove_stripes(bad))


def test_algotom_sorts_the_same_way():
    removal = pytest.importorskip("algotom.prep.removal", reason="needs algotom: pip install 'pnp-imaging[ct]'")
    _, bad = striped()
    expected = torch.from_numpy(removal.remove_stripe_based_sorting(bad[0, 0].numpy().copy(), size=9, dim=1))
    assert torch.allclose(remove_stripes(bad, size=9)[0, 0], expected)
    for method in ("filtering", "all"):
        found = remove_stripes(bad.float(), size=9, method=method)
        assert found.dtype == torch.float32 and found.shape == bad.shape and torch.isfinite(found).all()


@pytest.mark.parametrize(
    ("options", "word"),
    [({"size": 4}, "size"), ({"method": "magic"}, "method"), ({"sigma": 3}, "method"), ({"y": torch.ones(5)}, "y")],
)
def test_bad_stripes_are_named(options, word):
    given = {"y": torch.ones(6, 9), **options}
    with pytest.raises(ValueError, match=f"^{word}: "):
        remove_stripes(**given)
    with pytest.raises(TypeError, match="^y: "):
        remove_stripes(torch.ones(6, 9, dtype=torch.int32))


# ---- beam hardening


def test_two_energies_are_straightened():
    length = exact(Radon(64, views(20), 91))[0, 0].clamp_min(0)
    y = -(0.6 * (-0.08 * length).exp() + 0.4 * (-0.02 * length).exp()).log()
    a = fit_hardening(y, length, degree=4)
    assert (correct_hardening(y, a) - length).abs().max() < 2e-3 * length.max()
    line = fit_hardening(y, length, degree=1)
    assert (correct_hardening(y, line) - length).abs().max() > 0.02 * length.max()
    assert torch.allclose(fit_hardening(y, 1e-8 * length, degree=4), 1e-8 * a)
    assert torch.allclose(correct_hardening(1e8 * y, fit_hardening(1e8 * y, length, degree=4)), length, atol=0.1)
    for bad, word in ((lambda: fit_hardening(y, length[:3]), "length"), (lambda: fit_hardening(y, length, 0), "degree"),
                      (lambda: fit_hardening(0 * y, length), "y"), (lambda: correct_hardening(y, []), "coefficients"),
                      (lambda: fit_hardening(torch.ones(9), torch.ones(9)), "y")):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{word}: "):
            bad()
