"""Deviations of every method against dense algebra, for Gaussian priors and linear operators, in double precision."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from denoisers import WienerDenoiser
from operators import MRI, Blur, Identity, Inpainting, gaussian_kernel, random_columns, random_mask
from pnp import (
    DiffPIR,
    Expert,
    Gaussian,
    Huber,
    PnPADMM,
    PnPPDHG,
    PnPPGD,
    PnPULA,
    Poisson,
    Stop,
    Transmission,
    uncertainty,
)
from pnp.analysis.bootstrap import bootstrap_draws
from pnp.analysis.probes import diagonal
from pnp.analysis.simulate import simulated
from pnp.analysis.transforms import checked_kinds, transform_of
from tests.contracts import dense

N, NOISE = 5, 0.5
COUNT = N * N


class Ridge(torch.nn.Module):
    """Proximal map of sigma² x'Qx / 2 for Q = 1 + 0.3 times the circular Laplacian, doubled in the upper half."""

    def __init__(self) -> None:
        super().__init__()
        unit = torch.eye(COUNT, dtype=torch.float64).reshape(COUNT, N, N)
        rolled = [unit.roll(s, a) for s, a in ((1, 1), (-1, 1), (1, 2), (-1, 2))]
        uneven = 1 + (torch.arange(COUNT) < COUNT // 2).double()
        self.q = (4 * unit - sum(rolled)).reshape(COUNT, COUNT) * 0.3 + torch.diag(uneven)

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        s = float(torch.as_tensor(sigma).flatten()[0])
        system = torch.eye(COUNT, dtype=torch.float64) + s**2 * self.q
        return torch.linalg.solve(system, x.reshape(-1, COUNT).T).T.reshape(x.shape)


PRIOR = Ridge()
MASK = Inpainting(random_mask((N, N), 0.6)).double()
BLUR = Blur(gaussian_kernel(0.8, 5), (N, N)).double()


def by_hand(method: Any, op: Any, prior: Any = PRIOR, rho: float = 2.0, tolerance: float = 1e-9, **others: Any) -> Any:
    noise = None if isinstance(op, Gaussian) else NOISE
    return method(op, prior, noise_std=noise, calibration=None, expert=Expert(rho, rho**-0.5),
                  stop=Stop(max_iter=5000, tolerance=tolerance), **others)  # fmt: skip


def data(op: Any, seed: int = 0, batch: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 1, N, N, generator=g, dtype=torch.float64)
    clean = op.A(x)
    noise = NOISE * torch.randn(clean.shape, generator=g, dtype=torch.float64)
    return torch.where(clean == 0, clean, clean + noise)


def algebra(op: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A; the estimator W; the posterior's covariance; that of the noise in the answer."""
    a = dense(op)[0]
    posterior = torch.linalg.inv(a.T @ a / NOISE**2 + PRIOR.q)
    w = posterior @ a.T / NOISE**2
    return a, w, posterior, NOISE**2 * w @ w.T


def agree(variance: Tensor, expected: Tensor, draws: int) -> None:
    """Sample variances of so many independent draws within five of their own deviations, and without a bias."""
    ratio = variance.flatten() / expected.flatten()
    assert float((ratio - 1).abs().max()) < 5 * (2 / draws) ** 0.5
    assert abs(float(ratio.mean()) - 1) < 3 * (2 / draws) ** 0.5


def two(x: Tensor) -> Tensor:
    return torch.stack((x.mean((1, 2, 3)), x[:, 0, 2, 3]), 1)


GRADIENTS = torch.stack((torch.full((COUNT,), 1 / COUNT), torch.eye(COUNT)[2 * N + 3])).double()


@pytest.mark.parametrize("op", [MASK, BLUR], ids=["mask", "blur"])
@pytest.mark.parametrize("method", ["jacobian", "bootstrap"])
def test_noise_in_the_answer_is_the_estimators_covariance(op, method):
    draws, y = 200, data(op)
    _, w, _, noise = algebra(op)
    found: Any = uncertainty(
        by_hand(PnPADMM, op), y, method=method, draws=draws, transforms=(), batch=200, functional=two
    )
    assert torch.allclose(found.x.flatten(), w @ y.flatten(), atol=1e-7)
    agree(found.std**2, noise.diag(), draws)
    agree(found.functional.std**2, (GRADIENTS @ noise @ GRADIENTS.T).diag(), draws)
    assert torch.allclose(found.functional.value, two(found.x))
    away = found.mean.flatten() - (found.x.flatten() if method == "jacobian" else w @ dense(op)[0] @ found.x.flatten())
    assert float((away / (noise.diag() / draws).sqrt()).abs().max()) < 5
    half = 1.6448536269514722 * torch.hypot(found.std, found.mean - found.x)
    assert torch.allclose(found.upper - found.x, half) and torch.allclose(found.x - found.lower, half)


@pytest.mark.parametrize("method", [PnPADMM, PnPPGD])
def test_curvature_at_the_answer_is_the_gaussian_posterior(method):
    rho = 2.0 if method is PnPADMM else 1.2 * BLUR.norm() ** 2 / NOISE**2
    _, _, posterior, _ = algebra(BLUR)
    solver = by_hand(method, BLUR, rho=rho)
    found: Any = uncertainty(solver, data(BLUR), method="laplace", draws=COUNT, batch=COUNT, functional=two)
    assert torch.allclose(found.std.flatten() ** 2, posterior.diag(), rtol=1e-5)
    assert torch.allclose(found.functional.std[0] ** 2, (GRADIENTS @ posterior @ GRADIENTS.T).diag(), rtol=1e-5)
    many = uncertainty(solver, data(BLUR), method="laplace", draws=4 * COUNT, batch=COUNT)
    assert torch.allclose(many.std, found.std, rtol=1e-5)
    few = uncertainty(solver, data(BLUR), method="laplace", draws=9, batch=9)
    assert float((few.std.flatten() / posterior.diag().sqrt() - 1).abs().max()) < 0.15


@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 1, 9), (9,), (1, 9, 1)])
@pytest.mark.parametrize("draws", [1, 9, 100])
def test_more_probes_than_pixels_are_those_of_the_pixels(shape, draws):
    values, asked = torch.arange(1.0, 10.0, dtype=torch.float64), []

    def scaled(x: Tensor) -> Tensor:
        asked.append(bool((x.flatten(1).abs().amax(1) > 0).all()))
        return values.reshape(shape) * x

    found = diagonal(scaled, torch.ones(1, *shape, dtype=torch.float64), draws=draws, batch=4)
    assert torch.allclose(found.flatten(), values) and all(asked)


def test_uneven_noise_counts_as_it_is():
    std = torch.linspace(0.2, 1.0, COUNT, dtype=torch.float64).reshape(1, 1, N, N)
    std = torch.where(torch.arange(COUNT).reshape(1, 1, N, N) % 7 == 0, float("inf"), std)
    y = torch.where(torch.isfinite(std), data(BLUR), 0.0)
    a, weights = dense(BLUR)[0], torch.diag(1 / std.flatten() ** 2)
    posterior = torch.linalg.inv(a.T @ weights @ a + PRIOR.q)
    noise = posterior @ a.T @ weights @ a @ posterior
    solver = by_hand(PnPADMM, Gaussian(BLUR, std), tolerance=1e-6)
    agree(uncertainty(solver, y, method="jacobian", draws=100, batch=100).std ** 2, noise.diag(), 100)
    agree(uncertainty(solver, y, draws=100, batch=100, transforms=()).std ** 2, noise.diag(), 100)
    exact = uncertainty(solver, y, method="laplace", draws=COUNT, batch=COUNT)
    assert torch.allclose(exact.std.flatten() ** 2, posterior.diag(), rtol=1e-4)


def test_equivariant_bootstrap_is_the_mixture_over_the_group():
    draws, y = 200, data(MASK)
    a, w, _, noise = algebra(MASK)
    x = (w @ y.flatten()).reshape(1, 1, N, N)
    unit = torch.eye(COUNT, dtype=torch.float64).reshape(-1, 1, N, N)
    kinds = checked_kinds("auto", (1, N, N))
    means, covariances = [], []
    for k in range(8):
        g = transform_of(kinds, (1, N, N), 0, k)
        turn = g(unit).reshape(COUNT, COUNT).T  # as a matrix: column j is the image of pixel j
        means.append(turn.T @ w @ a @ turn @ x.flatten())
        covariances.append(turn.T @ noise @ turn)
    mean = torch.stack(means).mean(0)
    spread = torch.stack(covariances).mean(0).diag() + torch.stack(means).var(0, correction=0)
    found: Any = uncertainty(by_hand(PnPADMM, MASK, tolerance=1e-7), y, draws=draws, batch=200)
    agree(found.std**2, spread, draws)
    assert float(((found.mean.flatten() - mean) / (spread / draws).sqrt()).abs().max()) < 5
    plain = uncertainty(by_hand(PnPADMM, MASK, tolerance=1e-7), y, draws=50, batch=50, transforms=())
    hidden = dense(MASK)[0].diag() == 0  # turned, the image is seen there, too
    assert float(found.std.flatten()[hidden].mean()) > float(plain.std.flatten()[hidden].mean())


def test_sampling_is_the_posterior():
    """A Gaussian map of known power behind a blur: all pixels have one variance, which a short chain gives together."""
    size, noise, epsilon, pace = 16, 0.3, 0.3, 0.2
    op = Blur(gaussian_kernel(0.6, 5), (size, size)).double()
    power = torch.full((size, size), 1.0, dtype=torch.float64)
    g = torch.Generator().manual_seed(1)
    y = op.A(torch.randn(1, 1, size, size, generator=g, dtype=torch.float64))
    y = y + noise * torch.randn(y.shape, generator=g, dtype=torch.float64)
    solver = PnPULA(op, WienerDenoiser(power), noise_std=noise, pace=pace, burn=150,
                    expert=Expert(1 / epsilon**2, epsilon))  # fmt: skip
    draws = 100
    found: Any = uncertainty(solver, y, method="sampling", draws=draws, functional=lambda x: x.mean((1, 2, 3)))
    a = dense(op)[0]
    gains = torch.linalg.eigvalsh(a.T @ a)
    precision = gains / noise**2 + 1 / (1 + epsilon**2)  # of the density that the denoiser is the score of
    delta = pace / (op.norm() ** 2 / noise**2 + 1 / epsilon**2)
    variance = 1 / precision / (1 - delta * precision / 2)  # exact for steps of this length
    independent = (draws * 20 * delta * precision / 2).clamp(max=draws)
    error = (2 * (variance**2 / independent).mean() / size**2).sqrt()  # of the mean over all pixels
    assert abs(float((found.std**2).mean() - variance.mean())) < 4 * float(error)
    mean = torch.linalg.solve(a.T @ a / noise**2 + torch.eye(size**2) / (1 + epsilon**2), a.T @ y.flatten() / noise**2)
    assert float(((found.x.flatten() - mean) ** 2).mean()) < 3 * float((variance / independent).mean())
    assert found.functional.value.shape == (1, 1) and float(found.functional.std) > 0


# ---- streams, batches, units


def test_draws_depend_on_their_number_alone():
    y = data(MASK, batch=2)
    solver = by_hand(PnPADMM, MASK)
    both = uncertainty(solver, y, draws=4)
    for b in range(2):
        for batch in (1, 3):
            alone = uncertainty(solver, y[b : b + 1], draws=4, batch=batch)
            for name in ("x", "mean", "std", "lower", "upper"):
                assert torch.allclose(getattr(alone, name)[0], getattr(both, name)[b], atol=1e-8), name
    few, many = (bootstrap_draws(solver, y, count, 0, ("flips",), 1)[1] for count in (2, 3))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(few, many, strict=False))
    other = uncertainty(solver, y, draws=4, seed=1)
    assert not torch.allclose(other.std, both.std)


@pytest.mark.parametrize("method", ["bootstrap", "jacobian", "laplace"])
@pytest.mark.parametrize("c", [1e-8, 1e8])
def test_units(method, c):
    def smooth(x: Tensor, sigma: Any) -> Tensor:
        return (6 * x + sum(x.roll(s, a) for s, a in ((1, -1), (-1, -1), (1, -2), (-1, -2)))) / 10

    y = 2 + data(BLUR, batch=2)
    one = uncertainty(PnPADMM(BLUR, smooth, noise_std=NOISE), y, method=method, draws=4)
    other = uncertainty(PnPADMM(BLUR, smooth, noise_std=c * NOISE), c * y, method=method, draws=4)
    assert float((one.std - other.std / c).abs().max()) < 1e-6 * float(one.std.max())
    assert float((one.width - other.width / c).abs().max()) < 1e-6 * float(one.width.max())


def test_complex_images_by_magnitude_or_by_parts():
    op = MRI(random_columns((8, 8), 2.0, 0.25, seed=0))
    g = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 8, 8, generator=g, dtype=torch.complex64) + 2j
    y = op.A(x)
    solver = PnPADMM(op, lambda v, s: 0.9 * v, noise_std=0.1, calibration=None)
    for method in ("bootstrap", "laplace"):
        size = uncertainty(solver, y, method=method, draws=4)
        assert not size.x.is_complex() and size.told["maps of"] == "the magnitude" and float(size.lower.min()) >= 0
        parts = uncertainty(solver, y, method=method, draws=4, part="parts")
        assert parts.std.is_complex() and parts.std.dtype == torch.complex64
        assert torch.allclose(parts.x.abs(), size.x) and parts.covers(x).shape == (1, 1, 8, 8, 2)
        assert size.covers(x).shape == (1, 1, 8, 8)
    assert float(parts.std.real.min()) > 0 and float(parts.std.imag.min()) > 0


# ---- noise of each likelihood


@pytest.mark.parametrize("kind", [Poisson, Transmission])
def test_counts_scatter_as_counts(kind):
    v = torch.full((1, 1, 40, 50), 0.7, dtype=torch.float64)
    likelihood = kind(Identity((40, 50)).double(), photons=200.0, background=0.1 if kind is Poisson else 10.0)
    counts = simulated(likelihood, v, torch.ones_like(v), 0, [3])
    expected = 200 * 0.8 if kind is Poisson else 200 * float(np.exp(-0.7)) + 10
    counts = counts * 200 if kind is Poisson else counts
    assert torch.allclose(counts, counts.round(), rtol=0, atol=1e-9)
    assert abs(float(counts.mean()) / expected - 1) < 5 * (1 / expected / 2000) ** 0.5
    assert abs(float(counts.var()) / expected - 1) < 5 * (2 / 2000) ** 0.5
    both = simulated(likelihood, torch.cat((v, v)), torch.ones_like(v), 0, [2, 3])
    assert torch.equal(both[1:], simulated(likelihood, v, torch.ones_like(v), 0, [3]))


def test_every_likelihood_has_a_bootstrap():
    y = (3 + data(BLUR).abs()).float()
    op = Blur(gaussian_kernel(0.8, 5), (N, N))
    for likelihood in (Poisson(op, photons=100.0), Huber(op, NOISE), Gaussian(op, NOISE)):
        found: Any = uncertainty(PnPADMM(likelihood, lambda x, s: (x + x.mean((-2, -1), keepdim=True)) / 2), y, draws=4)
        assert bool((found.std > 0).all()) and found.std.dtype == torch.float32
    with pytest.raises(TypeError, match="jacobian"):
        uncertainty(PnPADMM(Poisson(op, 100.0), lambda x, s: x), y, method="jacobian")


def test_a_likelihood_of_ones_own_says_how_its_data_scatter():
    class Mine(Poisson):
        def simulate(self, v: Tensor, seed: int, step: int) -> Tensor:
            return v + step % 100

    likelihood = Mine(Identity((2, 2)), 5.0)
    v = torch.ones(1, 1, 2, 2)
    assert not torch.equal(simulated(likelihood, v, v, 0, [3]), simulated(likelihood, v, v, 0, [4]))


# ---- messages


def test_what_does_not_fit_is_named():
    y, solver = data(BLUR), by_hand(PnPADMM, BLUR)
    cases: tuple[tuple[str, dict[str, Any], type[Exception]], ...] = (
        ("method", {"method": "guess"}, ValueError), ("level", {"level": 1.0}, ValueError),
        ("draws", {"draws": 1}, ValueError), ("batch", {"batch": 0}, ValueError),
        ("part", {"part": "phase"}, ValueError),
        ("transforms", {"transforms": "turns"}, ValueError), ("solver", {"method": "sampling"}, TypeError),
        ("functional", {"functional": 3}, TypeError), ("functional", {"functional": lambda x: x}, ValueError),
    )  # fmt: skip
    for name, values, kind in cases:
        with pytest.raises(kind, match=name):
            uncertainty(solver, y, **values)
    with pytest.raises(TypeError, match="solver"):
        uncertainty(BLUR, y)  # pyright: ignore
    wide = Inpainting(random_mask((4, 6), 0.7))
    with pytest.raises(ValueError, match="square"):
        uncertainty(PnPADMM(wide, lambda x, s: x), torch.rand(1, 1, 4, 6), transforms="rotations")
    with pytest.raises(TypeError, match="PnPPDHG"):
        uncertainty(by_hand(PnPPDHG, BLUR, tolerance=1e-3), y, method="laplace", draws=4)
    numpys = by_hand(PnPADMM, BLUR, lambda x, s: torch.from_numpy(0.5 * x.numpy()), tolerance=1e-3)
    with pytest.raises(RuntimeError, match="bootstrap"):
        uncertainty(numpys, y, method="jacobian", draws=2)


def test_draws_that_diverge_are_left_out():
    calls = [0]

    def sometimes(x: Tensor, sigma: Any) -> Tensor:
        calls[0] += 1
        return x * float("nan") if calls[0] == 41 else x / 2

    solver = PnPADMM(BLUR, sometimes, noise_std=NOISE, calibration=None, stop=Stop(max_iter=10, tolerance=0))
    with pytest.warns(RuntimeWarning, match="diverged"):
        found: Any = uncertainty(solver, data(BLUR), draws=5, batch=1)
    assert found.told["draws"] == [4] and bool(torch.isfinite(found.std).all())


def test_diffpir_is_a_rough_sampler_that_has_to_end_with_its_noise():
    solver = DiffPIR(BLUR, PRIOR, noise_std=NOISE)
    one, other = (uncertainty(solver, data(BLUR), method="sampling", draws=3, seed=s) for s in (0, 1))
    assert float(one.std.min()) > 0 and not torch.equal(one.x, other.x)
    assert "ends at a fixed point" in str(one)
    a, prior = dense(BLUR)[0], WienerDenoiser(torch.ones(N, N, dtype=torch.float64))
    width = float(torch.linalg.inv(a.T @ a / NOISE**2 + torch.eye(COUNT)).diag().sqrt().mean())
    spreads = []
    for stop in (None, Stop(max_iter=24, tolerance=0)):
        rough = uncertainty(DiffPIR(BLUR, prior, noise_std=NOISE, stop=stop), data(BLUR), method="sampling", draws=20)
        spreads.append(float(rough.std.mean()) / width)
        assert ("note" in rough.told) == (stop is None)
    assert spreads[0] < 0.1 and 0.5 < spreads[1] < 1.5
