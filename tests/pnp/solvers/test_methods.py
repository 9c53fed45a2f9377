"""Every method against independent optima: dense algebra, L-BFGS-B, total variation, Gaussian posteriors."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import optimize
from torch import Tensor

from denoisers import Bounded, RandomEquivariant, Slicewise, TVDenoiser
from operators import Blur, Identity, Inpainting, LinearOperator, ReducedShear, gaussian_kernel, random_mask
from operators.lensing import KaiserSquires
from pnp import (
    RED,
    SNORE,
    Anderson,
    Damped,
    DiffPIR,
    Expert,
    Gaussian,
    Huber,
    PnPADMM,
    PnPDRS,
    PnPFISTA,
    PnPHQS,
    PnPMACE,
    PnPMass,
    PnPPDHG,
    PnPPGD,
    PnPULA,
    Poisson,
    Solver,
    State,
    Stop,
    Transmission,
)
from tests.contracts import dense

N = 6
NOISE = 0.5
STOP = Stop(max_iter=20_000, tolerance=1e-13)


class Ridge(torch.nn.Module):
    """Proximal map of sigma² x'Qx / 2 for Q = q I + l times the circular Laplacian."""

    def __init__(self, q: float = 1.0, laplacian: float = 0.0) -> None:
        super().__init__()
        f = torch.fft.fftfreq(N, dtype=torch.float64)
        self.spectrum = q + laplacian * (4 - 2 * (2 * torch.pi * f).cos()[:, None] - 2 * (2 * torch.pi * f).cos())

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        s = torch.as_tensor(sigma, dtype=torch.float64).reshape(-1, 1, 1, 1)
        return torch.fft.ifft2(torch.fft.fft2(x) / (1 + s**2 * self.spectrum)).real

    def matrix(self, sigma: float = 0.0) -> Tensor:
        """Q, or the denoiser at a level."""
        unit = torch.eye(N * N, dtype=torch.float64).reshape(-1, 1, N, N)
        if sigma:
            return self(unit, sigma).reshape(N * N, N * N).T
        return torch.fft.ifft2(torch.fft.fft2(unit) * self.spectrum).real.reshape(N * N, N * N).T


def cases() -> dict[str, LinearOperator]:
    shape = (N, N)
    return {
        "blur": Blur(gaussian_kernel(0.8, 5), shape).double(),
        "inpainting": Inpainting(random_mask(shape, 0.6)).double(),
        "product": (Inpainting(random_mask(shape, 0.7)) @ Blur(gaussian_kernel(0.8, 5), shape)).double(),
    }


OPERATORS = cases()
PROX = Ridge(1.0, 0.3)
RHO, SIGMA = 2.0, 0.6
WEIGHT = RHO * SIGMA**2  # lambda


def measured(op: Any, batch: int = 2, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *op.out_shape, dtype=torch.float64, generator=g)


def by_hand(method: Any, op: Any, denoiser: Any, rho: float = RHO, sigma: float = SIGMA, **others: Any) -> Solver:
    others = {"calibration": None, "expert": Expert(rho, sigma), "stop": STOP, **others}
    if not isinstance(op, Gaussian | Poisson | Transmission | Huber):
        others = {"noise_std": NOISE, **others}
    return method(op, denoiser, **others)


def minimiser(op: LinearOperator, y: Tensor) -> Tensor:
    """Of |Ax - y|² / (2 noise²) + lambda x'Qx / 2."""
    a = dense(op, 1)[0]
    normal = a.T @ a / NOISE**2 + WEIGHT * PROX.matrix()
    return torch.linalg.solve(normal, a.T @ y.flatten(1).T / NOISE**2).T.reshape(-1, 1, N, N)


def close(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


VARIATIONAL = {
    "ADMM": PnPADMM,
    "DRS": PnPDRS,
    "PDHG": PnPPDHG,
    "MACE": lambda op, d, **o: PnPMACE(op, [d], **o),
    "Anderson of ADMM": lambda *a, **o: Anderson(PnPADMM(*a, **o)),
    "Anderson of DRS": lambda *a, **o: Anderson(PnPDRS(*a, **o)),
    "Damped DRS": lambda *a, **o: Damped(PnPDRS(*a, **o)),
}
STEPS = {"PGD": PnPPGD, "FISTA": PnPFISTA, "Anderson of PGD": lambda *a, **o: Anderson(PnPPGD(*a, **o))}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("method", [*VARIATIONAL, *STEPS])
def test_fixed_points_are_the_minimiser(method, name):
    op = OPERATORS[name]
    y = measured(op)
    expected = minimiser(op, y)
    if method in STEPS:  # short steps: tau <= 1 / L
        rho = 1.05 * op.norm() ** 2 / NOISE**2
        solver = by_hand(STEPS[method], op, PROX, rho, (WEIGHT / rho) ** 0.5)
    else:
        solver = by_hand(VARIATIONAL[method], op, PROX)
    result = solver.solve(y)
    assert result.reason == "converged" and close(result.x, expected) < 1e-8


@pytest.mark.parametrize("kind", ["fixed-point", "gradient"])
@pytest.mark.parametrize("name", OPERATORS)
def test_red_solves_its_equation(kind, name):
    op = OPERATORS[name]
    y, a = measured(op), dense(op, 1)[0]
    normal = a.T @ a / NOISE**2 + RHO * (torch.eye(N * N, dtype=torch.float64) - PROX.matrix(SIGMA))
    expected = torch.linalg.solve(normal, a.T @ y.flatten(1).T / NOISE**2).T.reshape(-1, 1, N, N)
    solver = by_hand(lambda *args, **o: RED(*args, method=kind, **o), op, PROX)
    assert close(solver(y), expected) < 1e-8
    with pytest.raises(ValueError, match="method"):
        RED(op, PROX, method="newton")


def test_hqs_ends_where_denoising_undoes_the_data_step():
    op = OPERATORS["blur"]
    y, a, d = measured(op), dense(op, 1)[0], PROX.matrix(SIGMA)
    eye, gamma = torch.eye(N * N, dtype=torch.float64), 1 / (RHO * NOISE**2)
    inner = torch.linalg.solve(eye + gamma * a.T @ a, torch.cat((eye, gamma * a.T @ y.flatten(1).T), 1))
    expected = torch.linalg.solve(eye - d @ inner[:, : N * N], d @ inner[:, N * N :]).T.reshape(-1, 1, N, N)
    assert close(by_hand(PnPHQS, op, PROX)(y), expected) < 1e-8


def test_consensus_of_two_priors_is_their_sum():
    op, other = OPERATORS["product"], Ridge(0.2, 1.0)
    y, a = measured(op), dense(op, 1)[0]
    solver = by_hand(lambda o, d, **others: PnPMACE(o, [PROX, d], weights=[3, 1], **others), op, other)
    prior = 0.75 * PROX.matrix() + 0.25 * other.matrix()
    expected = torch.linalg.solve(a.T @ a / NOISE**2 + WEIGHT * prior, a.T @ y.flatten(1).T / NOISE**2)
    assert close(solver(y), expected.T.reshape(-1, 1, N, N)) < 1e-8
    for wrong in ({"weights": [1.0]}, {"weights": [1.0, -1.0]}):
        with pytest.raises(ValueError, match="weights"):
            PnPMACE(op, [PROX, other], **wrong)
    with pytest.raises(ValueError, match="denoisers"):
        PnPMACE(op, [])


@pytest.mark.parametrize("method", [PnPADMM, PnPDRS, PnPPDHG, PnPFISTA])
def test_noise_of_each_datum(method):
    op = OPERATORS["blur"]
    y, std = measured(op), torch.linspace(0.3, 1.2, N * N, dtype=torch.float64).reshape(1, 1, N, N)
    std[..., 0, 0] = float("inf")
    a, weights = dense(op, 1)[0], 1 / std.flatten() ** 2
    normal = a.T @ (weights[:, None] * a) + WEIGHT * PROX.matrix()
    expected = torch.linalg.solve(normal, a.T @ (weights[:, None] * y.flatten(1).T)).T.reshape(-1, 1, N, N)
    rho = 1.05 / 0.3**2 if method is PnPFISTA else RHO
    solver = by_hand(method, Gaussian(op, std), PROX, rho, (WEIGHT / rho) ** 0.5)
    result = solver.solve(y)
    assert close(result.x, expected) < 1e-8
    again = solver.solve(y, state=result.state)
    assert close(again.x, expected) < 1e-8
    assert close(solver.with_op(op)(y), expected) < 1e-8
    with pytest.raises(ValueError, match="noise_std"):
        Gaussian(op, std[..., 1:])
    with pytest.raises(ValueError, match="noise_std"):
        Gaussian(op, -std)


# ---- other data


def reference(f: Any, bounds: Any = None) -> np.ndarray:
    """Minimiser of a function of x with gradient, by L-BFGS-B."""

    def both(v: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(v).reshape(1, 1, N, N).requires_grad_()
        value = f(x)
        (gradient,) = torch.autograd.grad(value, x)
        return float(value.detach()), gradient.numpy().ravel()

    start = np.full(N * N, 0.5)
    options = {"maxiter": 50_000, "maxfun": 500_000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 40}
    found = optimize.minimize(both, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return found.x


def ridge(x: Tensor) -> Tensor:
    """lambda x'Qx / 2."""
    v = x.reshape(-1)
    return WEIGHT * (v @ PROX.matrix() @ v) / 2


def bounded_ridge() -> Bounded:
    """Proximal map of ridge and x >= 0 together, which is not the projected one: only for a diagonal Q."""
    return Bounded(Ridge(1.0), low=0.0)


@pytest.mark.parametrize("method", [PnPADMM, PnPDRS, PnPPDHG, PnPHQS])
@pytest.mark.parametrize("background", [0.0, 0.3])
def test_poisson_counts_and_positivity(method, background):
    op = OPERATORS["blur"]
    g = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 1, N, N, dtype=torch.float64, generator=g).square() * 2
    y = torch.poisson(20 * (op.A(truth).clamp(min=0) + background), generator=g) / 20
    likelihood = Poisson(op, photons=20.0, background=background)
    solver = by_hand(method, likelihood, bounded_ridge())
    result = solver.solve(y)
    assert bool((result.x >= 0).all())
    if method is PnPHQS:  # its fixed point is no minimiser
        return

    def objective(x: Tensor) -> Tensor:
        v = op.A(x) + background
        return 20 * (v - y * v.clamp(min=1e-12).log()).sum() + WEIGHT * x.square().sum() / 2

    expected = torch.from_numpy(reference(objective, [(0, None)] * N * N)).reshape(1, 1, N, N)
    assert close(result.x, expected) < 1e-6


@pytest.mark.parametrize("method", [PnPADMM, PnPPDHG, PnPDRS])
@pytest.mark.parametrize("background", [0.0, 4.0])
def test_transmission_counts(method, background):
    op = OPERATORS["blur"]
    g = torch.Generator().manual_seed(1)
    truth = torch.rand(1, 1, N, N, dtype=torch.float64, generator=g)
    y = torch.poisson(50 * (-op.A(truth)).exp() + background, generator=g)
    solver = by_hand(method, Transmission(op, photons=50.0, background=background), PROX)

    def objective(x: Tensor) -> Tensor:
        through = 50 * (-op.A(x)).exp() + background
        return (through - y * through.log()).sum() + ridge(x)

    expected = torch.from_numpy(reference(objective)).reshape(1, 1, N, N)
    assert close(solver(y), expected) < 2e-6


@pytest.mark.parametrize("method", [PnPADMM, PnPPDHG, PnPDRS])
def test_outliers(method):
    op = OPERATORS["product"]
    y = measured(op, 1)
    y[0, 0, 1, 2] = 30.0
    solver = by_hand(method, Huber(op, NOISE, threshold=1.0), PROX)

    def objective(x: Tensor) -> Tensor:
        r = (op.A(x) - y).abs() / NOISE
        return torch.where(r <= 1, r**2 / 2, r - 0.5).sum() + ridge(x)

    expected = torch.from_numpy(reference(objective)).reshape(1, 1, N, N)
    assert close(solver(y), expected) < 2e-6


@pytest.mark.parametrize("likelihood", ["gaussian", "huber", "poisson", "transmission"])
@pytest.mark.parametrize("background", [0.0, 0.4])
def test_likelihoods_obey_their_definitions(likelihood, background):
    op = Identity((3, 4)).double()
    g = torch.Generator().manual_seed(2)
    y = torch.poisson(5 * torch.rand(3, 1, 3, 4, dtype=torch.float64, generator=g), generator=g)
    y[0, 0, 0, 0] = 0
    made = {
        "gaussian": Gaussian(op, 0.7), "huber": Huber(op, 0.7), "poisson": Poisson(op, 3.0, background),
        "transmission": Transmission(op, 9.0, background),
    }[likelihood]  # fmt: skip
    v = (torch.rand(3, 1, 3, 4, dtype=torch.float64, generator=g) + 0.2).requires_grad_()
    (slope,) = torch.autograd.grad(made.value(v, y).sum(), v)
    assert torch.allclose(slope, made.gradient(v, y), atol=1e-10)
    s = torch.tensor([1e-3, 0.3, 50.0], dtype=torch.float64)
    v = v.detach()
    u = made.prox(v, y, s)
    weight = s.reshape(-1, 1, 1, 1)
    inside = (u > -background + 1e-5) | (y > 0) if likelihood == "poisson" else torch.ones_like(u, dtype=torch.bool)
    rest = weight * made.gradient(u, y) + u - v
    assert float((rest[inside].abs() / (1 + 50 * v.abs()[inside])).max()) < 1e-6
    assert made.weights(y).min() > 0


def test_bad_counts_are_named():
    op = Identity((3, 4))
    y = torch.ones(1, 1, 3, 4)
    for made in (Poisson(op, 3.0), Transmission(op, 3.0)):
        with pytest.raises(ValueError, match="y: counts"):
            PnPADMM(made, TVDenoiser())(-y)
    for wrong in ({"photons": 0.0}, {"photons": float("nan")}, {"photons": 1.0, "background": -1.0}):
        for kind in (Poisson, Transmission):
            with pytest.raises(ValueError, match=r"photons|background"):
                kind(op, **wrong)
    with pytest.raises(ValueError, match="noise_std"):
        PnPADMM(Poisson(op, 3.0), TVDenoiser(), noise_std=0.1)
    with pytest.raises(TypeError, match="photons"):
        Poisson(op, "many")  # pyright: ignore


# ---- nonlinear operators


@pytest.mark.parametrize("method", [PnPADMM, PnPDRS, PnPPGD])
def test_reduced_shear(method):
    op = ReducedShear(KaiserSquires((N, N)).double()).double()
    g = torch.Generator().manual_seed(0)
    truth = 0.3 * torch.rand(1, 1, N, N, dtype=torch.float64, generator=g)
    y = op.A(truth - truth.mean())
    noise = 0.05
    likelihood = Gaussian(op, noise)
    rho = RHO if method is not PnPPGD else 3 / noise**2
    solver = by_hand(method, likelihood, PROX, rho, (WEIGHT / rho) ** 0.5)
    solver.stop = Stop(max_iter=3000, tolerance=1e-8)
    found = solver(y)

    def objective(x: Tensor) -> Tensor:
        return (op.A(x) - y).abs().square().sum() / (2 * noise**2) + ridge(x)

    start = found.clone().requires_grad_()
    (slope,) = torch.autograd.grad(objective(start), start)
    free = slope - slope.mean()  # the mean is set to zero, as the data at zero do not know it
    assert float(free.norm()) < 1e-4 * float(1 / noise**2) * float(y.abs().norm())


# ---- total variation from every method


def test_all_methods_find_the_same_total_variation_image():
    op = OPERATORS["blur"]
    y = measured(op, 1)
    found = {}
    # the minimiser does not depend on the penalty; gradient steps need one above 1
    penalties = {"ADMM": (PnPADMM, 0.1), "DRS": (PnPDRS, 0.1), "PDHG": (PnPPDHG, 0.4), "FISTA": (PnPFISTA, 1.05)}
    for name, (method, penalty) in penalties.items():
        # TVDenoiser at sigma is the prox of 0.8 sigma TV: for sigma²/tau TV with another weight sigma goes with tau
        rho = penalty * op.norm() ** 2 / NOISE**2
        sigma = 0.5 / rho
        solver = by_hand(method, op, TVDenoiser(rtol=1e-7, max_iter=1000).double(), rho, sigma,
                         stop=Stop(max_iter=1000, tolerance=1e-7))  # fmt: skip
        found[name] = solver(y)
    first = found.pop("ADMM")
    assert {name: close(x, first) < 1e-5 for name, x in found.items()} == dict.fromkeys(found, True)


# ---- draws from posteriors


class GaussianPrior(torch.nn.Module):
    """Best denoiser of x ~ N(0, s² I)."""

    own_units = True

    def __init__(self, s: float) -> None:
        super().__init__()
        self.s = s

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        level = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1)
        return x / (1 + (level / self.s) ** 2)


@pytest.mark.filterwarnings("ignore:.*spread:RuntimeWarning")  # one pixel is measured as much as another is not
def test_langevin_draws_from_a_gaussian_posterior():
    op = Inpainting(torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])).double()
    y = torch.tensor([[[[1.0, 0.0, -2.0], [0.5, 3.0, 0.0]]]], dtype=torch.float64)
    noise, s, epsilon = 0.5, 1.0, 0.2
    count, pace = 12_000, 0.4
    solver = PnPULA(op, GaussianPrior(s), noise_std=noise, calibration=None, pace=pace, burn=500,
                    expert=Expert(1 / epsilon**2, epsilon), stop=Stop(max_iter=count + 500, tolerance=0))  # fmt: skip
    result = solver.solve(y)
    prior = s**2 + epsilon**2  # the density that the score belongs to
    precision = op.mask.double() / noise**2 + 1 / prior
    delta = pace / (1 / noise**2 + 1 / epsilon**2)
    mean = y / noise**2 / precision
    variance = 1 / precision / (1 - delta * precision / 2)  # exact for steps of this length
    independent = count * delta * precision / 2  # draws: the chain forgets at the rate delta precision
    assert float(((result.x - mean) / (variance / independent).sqrt()).abs().max()) < 4
    spread = result.state.values.std**2 / variance - 1
    assert float((spread * (independent / 2).sqrt()).abs().max()) < 4
    draws = solver.draws(y, 300, thin=40)
    assert draws.shape == (300, 1, 1, 2, 3)
    effective = (300 * 40 * delta * precision / 2).clamp(max=300)
    assert float(((draws.mean(0) - mean) / (variance / effective).sqrt()).abs().max()) < 4
    kept, solver.stop = State.from_dict(result.state.to_dict()), Stop(max_iter=100, tolerance=0)
    assert torch.equal(solver.solve(y, state=kept).x, solver.solve(y, state=result.state).x)
    with pytest.raises(ValueError, match="pace"):
        PnPULA(op, GaussianPrior(s), pace=0.0)
    with pytest.raises(ValueError, match="burn"):
        PnPULA(op, GaussianPrior(s), burn=-1)


def test_samplers_repeat_themselves_and_other_seeds_differ():
    op = OPERATORS["inpainting"]
    y = measured(op, 2)
    for method in (DiffPIR, SNORE, PnPULA):
        stop = Stop(max_iter=70, tolerance=0)
        a, b, c = (method(op, PROX, noise_std=NOISE, seed=s, stop=stop)(y) for s in (0, 0, 1))
        assert torch.equal(a, b) and not torch.allclose(a, c)
        alone = method(op, PROX, noise_std=NOISE, seed=0, stop=stop)(y[1:])
        assert torch.allclose(alone, a[1:], atol=1e-9)
    spread = DiffPIR(op, PROX, noise_std=NOISE).draws(y, 4).std(0)
    assert float(spread.min()) >= 0 and float(spread.max()) > 0
    with pytest.raises(ValueError, match="zeta"):
        DiffPIR(op, PROX, zeta=2.0)


def test_snore_without_noise_in_its_prior_is_red():
    op = OPERATORS["blur"]
    y = measured(op)
    solver = by_hand(SNORE, op, PROX, stop=Stop(max_iter=6000, tolerance=0))
    expected = by_hand(RED, op, PROX)(y)
    assert close(solver(y), expected) < 0.05  # the mean of the noise vanishes for a linear denoiser


def test_uneven_noise_is_whitened():
    op = Identity((N, N)).double()
    std = torch.linspace(0.2, 0.8, N * N, dtype=torch.float64).reshape(1, 1, N, N)
    y = measured(op, 1)
    seen = []

    def denoiser(x: Tensor, sigma: Any) -> Tensor:
        seen.append(float(sigma))
        return PROX(x, sigma)

    result = PnPMass(op, denoiser, noise_std=std, calibration=None, stop=Stop(max_iter=500, tolerance=1e-10)).solve(y)
    level = seen[-1]
    assert level <= 0.2 + 1e-9
    x = result.x
    assert close(PROX(x + level * (y - x) / std, level), x) < 1e-6


# ---- constraints, random transforms, wrappers


def test_bounds_are_in_the_units_of_the_user():
    op = OPERATORS["blur"]
    y = 1000 + 300 * measured(op)
    support = torch.ones(N, N)
    support[:, 0] = 0
    for method in (PnPADMM, PnPHQS, PnPPGD, PnPPDHG, PnPDRS):
        denoiser = Bounded(TVDenoiser().double(), low=900.0, high=1100.0, support=support)
        x = method(op, denoiser, noise_std=100.0, stop=Stop(max_iter=40))(y)
        assert float(x[..., 0].abs().max()) == 0 and 900 <= float(x[..., 1:].min()) < float(x.max()) <= 1100
    loose = Bounded(TVDenoiser().double(), low=0.0, slack=0.5)
    moving = PnPADMM(op, loose, noise_std=100.0, stop=Stop(max_iter=5))
    seen: list[float] = []
    result = moving.solve(y - 1000, callback=lambda state, record: seen.append(float(state.x.min())))
    assert min(seen) < 0 and float(result.x.min()) == 0
    for inside in (Slicewise(denoiser), RandomEquivariant(denoiser)):
        with pytest.raises(ValueError, match="outermost"):
            PnPADMM(op, inside)
    with pytest.raises(ValueError, match="slack"):
        Bounded(TVDenoiser(), low=0.0, slack=-1.0)
    with pytest.raises(ValueError, match="constraint"):
        Bounded(TVDenoiser())
    with pytest.raises(ValueError, match="low <= high"):
        Bounded(TVDenoiser(), low=1.0, high=0.0)
    with pytest.raises(TypeError, match="complex"):
        Bounded(TVDenoiser(), low=0.0).project(torch.zeros(1, 1, 2, 2, dtype=torch.complex64))


def test_slack_leaves_noise_alone_and_cuts_what_rings():
    x, sigma = torch.zeros(3, 1, 4, 4), torch.tensor([1.0, 1.0, 2.0])
    x[:, 0, 0, :3] = torch.tensor([[-1.4, -0.5, 9.0], [-6.0, -0.5, 9.0], [-4.0, -2.0, 9.0]])
    expected = x.clone()
    expected[1, 0, 0, :2] = -0.25  # far out: a quarter of the level
    expected[2, 0, 0, 0] = -2.0  # 2 levels beyond of 3: one level is left
    loose = Bounded(PROX, low=0.0, slack=0.25)
    for v in (x, x[..., None, :, :]):
        assert torch.equal(loose.project(v, sigma), expected.reshape(v.shape))
    above = Bounded(PROX, high=1.0, slack=0.25).project(1 - x, sigma)
    assert torch.allclose(above, 1 - expected) and float(loose.project(x).min()) == 0


def test_bounds_with_slack_cost_nothing_where_nothing_rings():
    op = OPERATORS["blur"]
    y = 0.02 * measured(op, 2)
    free = PnPADMM(op, PROX, noise_std=NOISE).solve(y)
    bound = PnPADMM(op, Bounded(PROX, low=0.0, slack=0.25), noise_std=NOISE).solve(y)
    assert float(free.x.min()) < 0 and torch.equal(bound.x, free.x.clamp(min=0))


def test_random_transforms_follow_the_iteration():
    op = OPERATORS["inpainting"]
    y = measured(op)
    kernel = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.6, 0.4], [0.0, 0.0, 0.0]], dtype=torch.float64)

    def denoiser(x: Tensor, sigma: Any) -> Tensor:
        return torch.nn.functional.conv2d(x, kernel[None, None], padding=1)

    full, half, other = (Stop(max_iter=n, tolerance=0) for n in (12, 5, 7))
    whole = PnPADMM(op, RandomEquivariant(denoiser), noise_std=NOISE, stop=full).solve(y)
    part = PnPADMM(op, RandomEquivariant(denoiser), noise_std=NOISE, stop=half).solve(y)
    rest = PnPADMM(op, RandomEquivariant(denoiser), noise_std=NOISE, stop=other).solve(y, state=part.state)
    assert torch.equal(rest.x, whole.x)
    for inside in (Slicewise(RandomEquivariant(denoiser)), Bounded(RandomEquivariant(denoiser), low=-1e9)):
        assert torch.equal(PnPADMM(op, inside, noise_std=NOISE, stop=full)(y), whole.x)
    assert not torch.allclose(whole.x, PnPADMM(op, denoiser, noise_std=NOISE, stop=full)(y))


def test_wrappers_resume_and_follow_the_units():
    op, blur = OPERATORS["product"], OPERATORS["blur"]
    y = measured(op)
    for wrap in (Anderson, Damped):
        full = wrap(PnPADMM(op, PROX, noise_std=NOISE, stop=Stop(max_iter=40, tolerance=0))).solve(y)
        part = wrap(PnPADMM(op, PROX, noise_std=NOISE, stop=Stop(max_iter=30, tolerance=0))).solve(y)
        state = State.from_dict(part.state.to_dict())
        rest = wrap(PnPADMM(op, PROX, noise_std=NOISE, stop=Stop(max_iter=10, tolerance=0))).solve(y, state=state)
        assert torch.equal(rest.x, full.x)
        assert full.x.shape == y.shape and wrap(PnPADMM(op, PROX)).with_op(blur)(measured(blur)).shape == y.shape
    with pytest.raises(TypeError, match="solver"):
        Anderson(op)  # pyright: ignore
    with pytest.raises(ValueError, match="memory"):
        Anderson(PnPADMM(op, PROX), memory=0)
    with pytest.raises(ValueError, match="share"):
        Damped(PnPADMM(op, PROX), share=0.0)


def test_anderson_needs_fewer_iterations():
    op = OPERATORS["blur"]
    y = measured(op, 1)
    stop = Stop(max_iter=5000, tolerance=1e-10)
    plain = by_hand(PnPDRS, op, PROX, 0.05, (WEIGHT / 0.05) ** 0.5, stop=stop).solve(y)
    fast = Anderson(by_hand(PnPDRS, op, PROX, 0.05, (WEIGHT / 0.05) ** 0.5, stop=stop)).solve(y)
    assert close(fast.x, plain.x) < 1e-7 and len(fast.history) < 0.6 * len(plain.history)
