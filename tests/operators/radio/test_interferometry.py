"""Radio interferometry: direct sums on the sky, coverage against spherical astronomy, weights by counting."""

import math

import numpy as np
import pytest
import torch

from operators import RadioInterferometry, Weighted, check, uv_coverage, visibility_weights
from operators.radio.antennas import antenna_positions
from tests.contracts import adjoint_law, copy_law, dtype_law, linear_law, normal_law, operator_laws, prox_law, vjp_law

ARCSEC = math.pi / 180 / 3600


def random(*shape: int, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_visibilities_of_sources_on_the_sky():
    cell, uv = 2.5, uv_coverage("vla-c", samples=3)
    op = RadioInterferometry(uv, (40, 36), cell=cell)
    x = torch.zeros(1, 1, 40, 36, dtype=torch.float64)
    expected = torch.zeros(uv.shape[1], dtype=torch.complex128)
    for flux, north, east in ((1.0, 0, 0), (0.3, 5, -7), (2.0, -11, 4)):
        x[..., 20 + north, 18 - east] += flux  # rows go north, columns go west
        l, m = east * cell * ARCSEC, north * cell * ARCSEC
        expected += flux * torch.exp(-2j * torch.pi * (uv[0] * l + uv[1] * m))
    assert torch.allclose(op(x)[0, 0], expected, atol=1e-10)


def test_seeds_convention_in_radians_per_pixel():
    uv = (2 * torch.rand(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1) * torch.pi
    x = random(1, 1, 12, 10)
    n, m = torch.arange(12) - 6, torch.arange(10) - 5
    direct = torch.einsum(
        "pn,nm,pm->p", torch.exp(-1j * uv[0][:, None] * n), x[0, 0] + 0j, torch.exp(-1j * uv[1][:, None] * m)
    )
    assert torch.allclose(RadioInterferometry(uv, (12, 10), unit="rad/pixel")(x)[0, 0], direct, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("real", [True, False])
def test_laws_and_doctor(dtype, real):
    uv = 3 * random(2, 90, seed=1).clamp(-1, 1)
    op = RadioInterferometry(uv, (6, 7), unit="rad/pixel", real=real, threads=1)
    operator_laws(op, dtype=dtype)
    report = check(op, dtype=dtype)
    assert report.ok, report


def test_dirty_image_is_the_sky_convolved_with_the_beam():
    op = RadioInterferometry(uv_coverage("random", samples=2, count=12), (16, 14), cell=2.0)
    x = random(1, 1, 16, 14).abs()
    for scheme in ("natural", "uniform", "briggs"):
        w = op.weights(scheme)
        beam = op.psf(w, shape=(32, 28))[0, 0]
        assert beam[16, 14].item() == pytest.approx(1) and beam.max() <= 1 + 1e-9
        dirty = op.dirty_image(op(x), w)[0, 0]
        row, column = 5, 9
        shifted = torch.stack([
            torch.stack([beam[16 + row - p, 14 + column - q] for q in range(14)]) for p in range(16)
        ])  # fmt: skip
        assert dirty[row, column].item() == pytest.approx(float((shifted * x[0, 0]).sum()), rel=1e-9)


def test_weights_by_counting():
    n = 16
    p = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 300)).clip(-3, 3))
    cell = {}
    for sign in (1, -1):
        for u, v in (sign * p.T).tolist():
            key = tuple(round(k * n / (2 * math.pi)) % n for k in (u, v))
            cell[key] = cell.get(key, 0) + 1
    own = []
    for u, v in p.T.tolist():
        here = tuple(round(k * n / (2 * math.pi)) % n for k in (u, v))
        there = tuple(round(-k * n / (2 * math.pi)) % n for k in (u, v))
        own.append(cell[here] / (2 if here == there else 1))
    total = torch.tensor(own, dtype=torch.float64)
    assert torch.allclose(visibility_weights(p, (n, n), "uniform"), 1 / total)
    half: dict[tuple[int, ...], float] = {}  # half a plane, each sample in it once, as WSClean's grid has it
    for u, v in p.T.tolist():
        here, there = (tuple(round(sign * k * n / (2 * math.pi)) % n for k in (u, v)) for sign in (1, -1))
        half[max(here, there)] = half.get(max(here, there), 0) + 1
    for robust in (-0.5, 0.0, 2.0):
        f2 = (5 * 10**-robust) ** 2 / (sum(c**2 for c in half.values()) / 300)
        assert torch.allclose(visibility_weights(p, (n, n), "briggs", robust=robust), 1 / (1 + total * f2))
    natural = torch.linspace(0.5, 2, 300, dtype=torch.float64)
    assert torch.equal(visibility_weights(p, (n, n), natural=natural), natural)
    nearly = visibility_weights(p, (n, n), "briggs", robust=5.0)
    assert torch.allclose(nearly, torch.ones(300, dtype=torch.float64), atol=1e-3)


@pytest.mark.parametrize("scheme", ["natural", "uniform", "briggs"])
@pytest.mark.parametrize("flag", [-1.0, 0.0])
def test_flagged_samples_are_left_out(scheme, flag):
    uv = uv_coverage("random", samples=4, count=8)
    x, bad = random(1, 1, 20, 20).abs(), torch.arange(uv.shape[1]) % 3 == 0
    op, rest = (RadioInterferometry(points, (20, 20), cell=2.0) for points in (uv, uv[:, ~bad]))
    natural = torch.where(bad, flag, 0.5 + random(uv.shape[1], seed=2).abs())
    y = torch.where(bad, torch.nan, op(x))
    w, expected = op.weights(scheme, natural=natural), rest.weights(scheme, natural=natural[~bad])
    assert torch.allclose(w[~bad], expected) and not w[bad].any()
    assert torch.allclose(op.dirty_image(y, w), rest.dirty_image(rest(x), expected))
    assert torch.allclose(op.dirty_image(y, natural), rest.dirty_image(rest(x), natural[~bad]))
    assert torch.allclose(op.psf(natural), rest.psf(natural[~bad])) and op.psf(natural).max().item() == pytest.approx(1)


def test_a_sharper_weighting_has_a_narrower_beam():
    op = RadioInterferometry(uv_coverage("meerkat", samples=5), (64, 64), cell=1.5)
    areas = [float((op.psf(op.weights(s, robust=r)) > 0.5).sum()) for s, r in
             (("natural", 0.0), ("briggs", 0.5), ("uniform", 0.0))]  # fmt: skip
    assert areas[0] > areas[1] > areas[2]


def test_coverage_is_that_of_spherical_astronomy():
    positions = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]], dtype=torch.float64)
    wave = 299_792_458.0 / 1e9
    overhead = uv_coverage(positions, latitude=40.0, declination=40.0, hours=(0, 0), samples=1, frequency=1e9) * wave
    # from the zenith the ground is seen as it lies: east along u, north along v
    expected = torch.tensor([[100.0, 0.0], [0.0, 100.0], [-100.0, 100.0]], dtype=torch.float64).T
    assert torch.allclose(overhead, expected, atol=1e-9)
    # at the pole a baseline turns rigidly with the Earth: a circle in 24 hours
    around = uv_coverage(positions[:2], latitude=0.0, declination=90.0, hours=(0, 6), samples=2, frequency=1e9) * wave
    assert torch.allclose(around.norm(dim=0), torch.full((2,), 100.0, dtype=torch.float64))
    assert abs(float((around[:, 0] * around[:, 1]).sum())) < 1e-6
    # on the celestial equator east-west baselines have no v
    flat = uv_coverage(positions[:2], latitude=20.0, declination=0.0, hours=(-4, 4), samples=9)
    assert flat[1].abs().max() < 1e-9


def test_arrays():
    assert antenna_positions("meerkat").shape == (64, 2) and uv_coverage("meerkat").shape == (2, 2016 * 15)
    a, d = (antenna_positions(f"vla-{c}").norm(dim=1).max().item() for c in "ad")
    assert a == pytest.approx(21e3) and a / d == pytest.approx(3.28**3)
    assert uv_coverage("random", count=5, samples=2, seed=1).shape == (2, 20)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: RadioInterferometry(uv_coverage(), (32, 32)), "cell"),
        (lambda: RadioInterferometry(uv_coverage(), (32, 32), cell=1.0, unit="rad/pixel"), "cell"),
        (lambda: RadioInterferometry(uv_coverage(), (32, 32), cell=-1.0), "cell"),
        (lambda: RadioInterferometry(uv_coverage(), (32, 32), cell=60.0), "uv: the longest baseline .* cell <="),
        (lambda: RadioInterferometry(uv_coverage(), (32, 32), cell=1.0, unit="m"), "unit"),  # type: ignore[arg-type]
        (lambda: RadioInterferometry(uv_coverage().T, (32, 32), cell=1.0), "uv: .*transpose"),
        (lambda: RadioInterferometry(torch.zeros(2, 3), (4, 4), cell=1.0, w=torch.zeros(2)), "w: expected 3"),
        (lambda: RadioInterferometry(torch.zeros(2, 3), (4, 4), unit="rad/pixel", w=torch.zeros(3)), "w: needs cell"),
        (lambda: RadioInterferometry(torch.zeros(2, 3), (4, 4), cell=2e5, w=torch.zeros(3)), "beyond the horizon"),
        (lambda: RadioInterferometry(torch.zeros(2, 3), (4, 4), cell=1.0, w=torch.zeros(3)).toeplitz(), "convolution"),
        (lambda: uv_coverage("alma"), "array"),
        (lambda: uv_coverage(torch.zeros(3, 2)), "latitude"),
        (lambda: uv_coverage(torch.zeros(1, 2), latitude=0.0), "array"),
        (lambda: uv_coverage(declination=100.0), "declination"),
        (lambda: uv_coverage(samples=0), "samples"),
        (lambda: visibility_weights(torch.zeros(2, 3), (4, 4), "robust"), "scheme"),
        (lambda: visibility_weights(torch.zeros(2, 3), (4, 4), natural=torch.ones(2)), "natural"),
        (lambda: RadioInterferometry(torch.zeros(2, 3), (4, 4), cell=1.0).psf(torch.zeros(3)), "weights"),
        (lambda: RadioInterferometry(torch.zeros(2, 3), (4, 4), cell=1.0).psf(-torch.ones(3)), "weights"),
        (lambda: RadioInterferometry(torch.zeros(2, 2), (4, 4), cell=1.0).psf(torch.tensor([1, math.nan])), "weights"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def wide(real=True, dtype=torch.float64, count=150, size=(24, 20), cell=900.0, longest=120.0, **options):
    """A field of 5 degrees, baselines that fill it, and their direct sums: (operator, image, sums)."""
    side, g = cell * ARCSEC, torch.Generator().manual_seed(3)
    uv, w = 0.98 / side * (torch.rand(2, count, dtype=torch.float64, generator=g) - 0.5), random(count, seed=4)
    w = longest * w / w.abs().max()
    x = random(*size) if real else torch.complex(random(*size), random(*size, seed=1))
    m, l = ((torch.arange(n, dtype=torch.float64) - n // 2) * side for n in size)
    m, l = m[:, None], -l
    square = l**2 + m**2
    n = -square / (1 + (1 - square).sqrt())
    phase = uv[0, :, None, None] * l + uv[1, :, None, None] * m + w[:, None, None] * n
    sums = (x * torch.exp(-2j * torch.pi * phase)).sum((-2, -1))
    return RadioInterferometry(uv, size, cell=cell, w=w, real=real, **options), x[None, None], sums


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize(("cell", "longest"), [(900.0, 120.0), (900.0, 3e4), (5.0, 1e5), (3600.0, 40.0)])
def test_w_term_against_direct_sums(real, cell, longest):
    op, x, sums = wide(real, cell=cell, longest=longest)
    assert (op(x)[0, 0] - sums).norm() < 1e-10 * sums.norm()
    single = op.float()(x.to(torch.float32 if real else torch.complex64))[0, 0]
    assert (single - sums).norm() < 1e-6 * sums.norm()
    assert (op(x)[0, 0] - sums).norm() < 1e-10 * sums.norm()  # as before
    y = torch.complex(random(1, 1, 150, seed=5), random(1, 1, 150, seed=6))
    left, right = (op(x).conj() * y).real.sum(), (x.conj() * op.A_adjoint(y)).real.sum()
    assert abs(left - right) < 1e-12 * op(x).norm() * y.norm()
    flat = RadioInterferometry(torch.full((2, 1), 0.1), op.image_shape, unit="rad/pixel", real=real)
    assert op.planes > 1 and flat.planes == 1


def test_w_term_planes_follow_field_and_baselines():
    counts = [wide(cell=cell, longest=longest)[0].planes for cell, longest in
              ((60.0, 0.0), (60.0, 100.0), (1800.0, 300.0), (1800.0, 600.0))]  # fmt: skip
    assert counts[0] == 1 < counts[1] < counts[2] < counts[3] < 2 * counts[2]
    engine = wide(longest=3e3)[0]._transform(torch.zeros(0, dtype=torch.complex128))
    assert sum(len(v) for v in engine.values) <= 15 * 150  # type: ignore[attr-defined]


@pytest.mark.parametrize("real", [True, False])
def test_w_term_laws(real):
    op = wide(real, count=20, size=(3, 4), cell=3600.0, longest=10.0, threads=1)[0]
    for law in (linear_law, adjoint_law, normal_law, vjp_law, prox_law, copy_law):
        law(op)
    dtype_law(op)
    x = random(2, 1, 3, 4, seed=9) if real else torch.complex(random(2, 1, 3, 4), random(2, 1, 3, 4, seed=1))
    assert torch.allclose(op(x), torch.cat([op(x[:1]), op(x[1:])]), rtol=1e-12)


def test_w_term_without_kept_plans_and_in_torch_alone(monkeypatch):
    op, x, sums = wide(backend="torch")
    assert (op(x)[0, 0] - sums).norm() < 1e-10 * sums.norm()
    monkeypatch.setattr("operators.radio.wterm._KEPT", 0)
    op, x, sums = wide()
    assert (op(x)[0, 0] - sums).norm() < 1e-10 * sums.norm()


def test_a_source_far_from_the_centre_is_seen_where_it_is():
    op, x, _ = wide(longest=300.0)
    x = torch.zeros_like(x)
    x[..., 3, 17] = 2.0
    flat = RadioInterferometry(op.points, op.image_shape, unit="rad/pixel")
    assert op.dirty_image(op(x)).max().item() == pytest.approx(2) == op.dirty_image(op(x))[0, 0, 3, 17].item()
    assert flat.dirty_image(op(x)).max() < 1.5  # smeared
    w = op.weights("uniform")
    assert op.psf(w)[0, 0, 12, 10].item() == pytest.approx(1)
    whitened = Weighted(1 + torch.rand(150)) @ op
    b = whitened.A_adjoint(whitened(x.float()))
    solved = whitened.solve_normal(b, 0.01)
    assert (solved + 0.01 * whitened.A_adjoint_A(solved) - b).norm() < 1e-5 * b.norm()
