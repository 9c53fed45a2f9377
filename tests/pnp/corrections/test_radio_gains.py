"""Gains and closures of a ring that stations with known gains see, against closures by hand and a search."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from pnp.corrections.radio import average_scans, closure_misfit, fit_gains, remove_gains, self_calibrate
from pnp.io.visibilities import Visibilities, measured_visibilities

CELL, SIDE, SCANS = 10.0, 16, 3
NUMBERS = (2, 3, 5, 7, 11, 40)  # of stations
RADIANS = math.radians(CELL / 3600)


def ring() -> Tensor:
    """Brighter in the south, flux 1."""
    north, west = torch.meshgrid(2 * [torch.arange(SIDE) - SIDE // 2], indexing="ij")
    x = torch.exp(-(((north**2 + west**2).double().sqrt() - 4) ** 2)) * (1 - 0.1 * north)
    return (x / x.sum())[None, None].float()


def seen(level: float, gains: Any = None, seed: int = 0, sky: Any = None) -> tuple[Visibilities, Tensor]:
    """Three scans of six stations, the last of them missing in the second scan, and one whole flux; with noise and
    gains (scans, stations). Visibilities without both come second."""
    g = np.random.default_rng(seed)
    uv, rows = [], []
    for scan in range(SCANS):
        places = g.normal(size=(2, 6)) * 0.15 / RADIANS
        used = [p for p in itertools.combinations(range(6), 2) if scan != 1 or p[1] != 5]
        uv += [places[:, i] - places[:, j] for i, j in used]
        rows += [(scan, i, j) for i, j in used]
    rows.append((0, 0, 0))
    scan, i, j = np.array(rows).T
    numbers = np.array(NUMBERS)
    m = measured_visibilities(
        np.array([*uv, (0.0, 0.0)]).T, np.ones(len(rows)), np.full(len(rows), level**-2), image_shape=SIDE, cell=CELL,
        baseline=2**16 * numbers[i] + numbers[j], scan=scan,
    )  # fmt: skip
    u, v = m.arguments["uv"].numpy()
    north, west = np.indices((SIDE, SIDE)) - SIDE // 2
    clean = np.exp(-2j * np.pi * RADIANS * (u[:, None, None] * -west + v[:, None, None] * north))
    clean = torch.from_numpy((clean * (ring() if sky is None else sky)[0, 0].numpy()).sum((1, 2)))[None, None]
    both = 1 if gains is None else torch.where(torch.from_numpy(i == j), 1, gains[scan, i] * gains[scan, j].conj())
    noise = level * (g.normal(size=len(rows)) + 1j * g.normal(size=len(rows)))
    return m.changed("seen", y=(both * clean + torch.from_numpy(noise)).to(torch.complex64)), clean


def some_gains(spread: float = 0.3) -> Tensor:
    g = np.random.default_rng(5)
    return torch.from_numpy(np.exp(spread * g.normal(size=(SCANS, 6)) + 2j * np.pi * g.uniform(size=(SCANS, 6))))


def test_gains_are_found():
    gains = some_gains()
    m, clean = seen(1e-5, gains)
    found = fit_gains(m, clean, amplitude=1.0)
    relative = found / gains
    relative[1, 5] = relative[1, 0]  # not in this scan
    assert torch.allclose(relative.abs(), torch.ones_like(relative.abs()), atol=1e-3) and found[1, 5] == 1
    assert torch.allclose(relative / relative[:, :1], torch.ones_like(relative), atol=1e-3)
    back = remove_gains(m, found)
    assert (back.y - clean).abs().max() < 3e-4 and "gains of 6 stations in 3 scans" in back.provenance["corrections"][
        -1
    ]
    assert torch.allclose((m.noise_std / back.noise_std)[0, 0, -1], torch.ones(()))  # type: ignore[operator]
    assert torch.allclose(back.noise_std * m.y.abs(), m.noise_std * back.y.abs(), rtol=1e-4)  # type: ignore[operator]
    phases = fit_gains(m, clean, amplitude=0.0)
    assert torch.allclose(phases.abs(), torch.ones_like(phases.abs()), atol=1e-9)


def test_gains_are_those_of_least_squares_with_the_prior():
    m, clean = seen(0.05, some_gains())
    m, clean = m.kept(m.columns["scan"] == 2, "one"), clean[..., m.columns["scan"] == 2]  # type: ignore[assignment]
    i, j = (np.array(x) for x in zip(*itertools.combinations(range(6), 2)))
    v, model = m.y[0, 0].numpy(), clean[0, 0].numpy()

    def objective(p):
        g = np.exp(p[:6] + 1j * p[6:])
        return (np.abs(v - g[i] * g[j].conj() * model) ** 2).sum() / (2 * 0.05**2) + (p[:6] ** 2).sum() / (2 * 0.2**2)

    log = fit_gains(m, clean, amplitude=0.2)[0].log()
    ours = np.concatenate((log.real, log.imag))
    g = np.random.default_rng(0)
    best = min((minimize(objective, ours + k * g.normal(size=12)) for k in (0, 0.3, 1)), key=lambda r: r.fun)
    assert objective(ours) == pytest.approx(best.fun, rel=1e-6) and objective(ours + 0.01) > objective(ours)


def test_closures_know_no_gains():
    single, clean = seen(0.003)
    noise: Any = single.noise_std
    m: Any = single.changed("double", y=single.y.to(torch.complex128), noise_std=noise.double())
    spoilt = remove_gains(m, some_gains())
    wrong = clean * (1 + 0.2 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)))
    for model in (clean, wrong, m.operator()(ring().flip(-2))):
        one, two = closure_misfit(m, model), closure_misfit(spoilt, model * m.y / remove_gains(m, some_gains(0.5)).y)
        assert one == pytest.approx(two, rel=1e-6)
    assert closure_misfit(m, clean)[:2] == pytest.approx((1, 1), abs=0.4)
    assert closure_misfit(m, clean)[2:] == (10 + 6 + 10, 9 + 5 + 9)
    assert closure_misfit(m, m.operator()(ring().flip(-2))).phases > 20


def test_closures_by_hand():
    m, clean = seen(0.01)
    pairs = [2**16 * a + b for a, b in ((2, 3), (3, 5), (5, 7), (2, 7))]  # a quadrangle, and no more
    which = torch.tensor([int(((m.columns["scan"] == 0) & (m.columns["baseline"] == p)).nonzero()) for p in pairs])
    m, clean = m.kept(which, "four"), clean[..., which]
    v = m.y[0, 0].numpy()
    model = clean[0, 0].numpy() * np.exp([0.4, -0.1, 0.2, 0.05]) * np.exp(1j * np.array([2.0, 0.5, 0.3, -0.2]))
    signs, error = np.array([1, 1, 1, -1]), np.sqrt(((0.01 / np.abs(v)) ** 2).sum())
    phase = np.angle(np.exp(1j * (signs * np.angle(v / model)).sum())) / error
    amplitude = (np.array([1, -1, 1, -1]) * np.log(np.abs(v / model))).sum() / error
    found = closure_misfit(m, torch.from_numpy(model)[None, None])
    assert found == pytest.approx((phase**2, amplitude**2, 1, 1), rel=1e-5)


def test_gains_and_image_by_turns():
    pixels, flux = (3 * SIDE + 5, 8 * SIDE + 8, 12 * SIDE + 6), torch.tensor([0.2, 0.5, 0.3])
    sky = torch.zeros(SIDE**2).index_add_(0, torch.tensor(pixels), flux).reshape(1, 1, SIDE, SIDE)
    start = (sky > 0) / 3.0
    m, clean = seen(1e-4, some_gains(0.1), sky=sky)
    columns = [m.operator()(p.reshape(1, 1, SIDE, SIDE))[0, 0] for p in torch.eye(SIDE**2)[list(pixels)]]
    rounds = []

    def image(part: Visibilities) -> Tensor:
        design, y = (torch.cat((x.real, x.imag)) for x in (torch.stack(columns, 1), part.y[0, 0]))
        fluxes = torch.linalg.lstsq(design, y[:, None]).solution[:, 0]
        rounds.append(fluxes)
        return torch.zeros(SIDE**2).index_add_(0, torch.tensor(pixels), fluxes).reshape(1, 1, SIDE, SIDE)

    calibrated, x = self_calibrate(m, image, start, rounds=30)
    assert len(rounds) == 30 and torch.allclose(rounds[-1], flux, atol=0.01)
    assert closure_misfit(m, m.operator()(start)).phases > 100 * closure_misfit(m, m.operator()(x)).phases
    assert (calibrated.y - clean).abs().max() < 0.02


def test_scans():
    time = np.repeat([0.0, 10.0, 20.0, 500.0, 510.0, 2000.0], 3)
    g = np.random.default_rng(0)
    uv, y = g.normal(size=(2, 18)) * 2000, g.normal(size=18) + 1j
    baseline = np.tile([2**16 + 2, 2**16 + 3, 2 * 2**16 + 3], 6)
    m = measured_visibilities(uv, y, np.full(18, 4.0), image_shape=SIDE, cell=CELL, time=time, baseline=baseline)
    found = average_scans(m, gap=100.0)
    assert found.columns["scan"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and found.provenance["corrections"] == (
        "averaged over 3 scans: 18 to 9",
    )
    assert found.y[0, 0, 1].item() == pytest.approx(y[[1, 4, 7]].mean(), rel=1e-5)
    assert found.noise_std[0, 0, [0, 3, 6]].tolist() == pytest.approx([0.5 / n**0.5 for n in (3, 2, 1)])  # type: ignore[index]
    assert average_scans(m, gap=481.0).y.shape[-1] == 6


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda m, v: average_scans(m, gap=0.0), "gap"),
        (lambda m, v: average_scans(m), "no time"),
        (lambda m, v: fit_gains(m, v[..., 1:]), "model"),
        (lambda m, v: fit_gains(m, v, amplitude=-1.0), "amplitude"),
        (lambda m, v: fit_gains(m.changed("", columns={"scan": m.columns["scan"]}), v), "no baseline"),
        (lambda m, v: fit_gains(m.changed("", columns={"baseline": m.columns["baseline"]}), v), "average_scans"),
        (lambda m, v: fit_gains(m.changed("", noise_std=None), v), "noise is not known"),
        (lambda m, v: remove_gains(m, torch.ones(2, 6)), r"gains: expected \(3, 6\)"),
        (lambda m, v: remove_gains(m, torch.zeros(3, 6)), "not 0"),
        (lambda m, v: closure_misfit(m, v[..., 1:]), "model"),
        (lambda m, v: closure_misfit(m, v, snr=1e9), "0 closure phases"),
        (lambda m, v: self_calibrate(m, lambda part: ring(), ring(), rounds=0), "rounds"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(ValueError, match=word):
        call(*seen(0.1))


@pytest.mark.parametrize("bad", [math.nan, 0.0, -1.0])
def test_noise_that_is_none_is_refused(bad):
    m, sky = seen(0.01)
    noise = torch.as_tensor(m.noise_std).clone()
    noise[..., 3] = bad
    wrong = m.changed("", noise_std=noise)
    for use in (lambda: fit_gains(wrong, sky), lambda: closure_misfit(wrong, sky)):
        with pytest.raises(ValueError, match="measured: expected noise > 0"):
            use()


def test_flagged_visibilities_count_nothing_whatever_they_hold():
    m, sky = seen(0.01)
    noise, y = torch.as_tensor(m.noise_std).clone(), m.y.clone()
    noise[..., 3], y[..., 3] = math.inf, math.nan
    flagged, there = m.changed("", noise_std=noise, y=y), torch.isfinite(noise[0, 0])
    without, rest = m.kept(there, "one less"), sky[..., there]
    assert torch.allclose(fit_gains(flagged, sky), fit_gains(without, rest), atol=1e-9)
    assert closure_misfit(flagged, sky) == closure_misfit(without, rest)
    with pytest.raises(ValueError, match="measured: y holds NaN"):
        fit_gains(m.changed("", y=y), sky)
    with pytest.raises(ValueError, match="model: holds NaN"):
        fit_gains(m, sky * math.nan)
    with pytest.raises(ValueError, match="model: holds NaN, infinite values or zeros"):
        closure_misfit(m, 0 * sky)


def test_images_are_checked_before_and_after_each_round():
    m = seen(0.01)[0]
    good = ring()
    for start, image, amplitude, words in (
        (good[0, 0], lambda q: good, 0.1, r"start: expected an image \(1, 1, 16, 16\)"),
        (0 * good, lambda q: good, 0.1, "start: is zero"),
        (good + 0j, lambda q: good, 0.1, "start: expected a real tensor"),
        (good, good, 0.1, "image: expected a function"),
        (good, lambda q: good[..., :8], 0.1, "image: its answer: expected an image"),
        (good, lambda q: good * math.nan, 0.1, "image: its answer: is zero everywhere, or holds NaN"),
        (good, lambda q: None, 0.1, "image: its answer: expected a real tensor, got NoneType"),
        (good, lambda q: good, -1.0, "amplitude"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            self_calibrate(m, image, start, amplitude=amplitude, rounds=1)  # pyright: ignore[reportArgumentType]


def test_several_sets_and_times_that_are_none_are_refused():
    m, sky = seen(0.01)
    both = m.changed("", y=m.y.expand(2, 1, -1))
    for use in (fit_gains, closure_misfit):
        with pytest.raises(ValueError, match=r"measured: expected one set of visibilities, y \(1, 1, M\)"):
            use(both, sky.expand(2, 1, -1))
    time = torch.arange(m.y.shape[-1]).double()
    time[2] = math.nan
    with pytest.raises(ValueError, match="measured: its times hold NaN"):
        average_scans(m.changed("", columns={**m.columns, "time": time}))
