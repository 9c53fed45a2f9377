"""How a solve settles: half steps where the residual grows, single precision once sigma is constant, the last level."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from denoisers import Denoiser
from denoisers.evaluation.precision import wants_full_precision
from operators import (
    MRI,
    Identity,
    Inpainting,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    gaussian_noise,
    radial_trajectory,
    random_mask,
)
from operators.linalg import accurate
from pnp import Anderson, Expert, PnPADMM, PnPHQS, State, Stop

SPIN, STRENGTH = 1.1, 0.01
GAMMA = 1 / STRENGTH  # of the identity, whatever the noise


class Spin(Denoiser):
    """z + SPIN J z, J a quarter turn between two channels: ADMM's iterates turn around the fixed point, and away."""

    intensity_range = None

    def forward(self, x: Tensor, sigma) -> Tensor:
        return x + SPIN * torch.stack((-x[:, 1], x[:, 0]), 1)


def fixed_point(y: Tensor) -> Tensor:
    """z = x + u with gamma D z + (I - D) z = gamma y, and x = D z, by dense algebra."""
    turn = torch.tensor([[1.0, -SPIN], [SPIN, 1.0]], dtype=y.dtype)
    z = torch.linalg.solve((GAMMA - 1) * turn + torch.eye(2, dtype=y.dtype), GAMMA * y.flatten(2))
    return (turn @ z).reshape(y.shape)


def solver(**others) -> PnPADMM:
    settings = {"noise_std": 0.1, "strength": STRENGTH, "calibration": (8.0, 0.0), "stop": Stop(tolerance=1e-9)}
    return PnPADMM(Identity((6, 5), channels=2), Spin(), **{**settings, **others})


pytestmark = pytest.mark.filterwarnings("ignore:.*raise strength:RuntimeWarning")  # so low, to circle


@pytest.fixture
def y() -> Tensor:
    return torch.randn(3, 2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_half_steps_lead_into_the_fixed_point_that_whole_ones_leave(y, monkeypatch):
    result = solver().solve(y)
    assert result.reasons == ["converged"] * 3 and "half steps" in result.report["damping"]
    assert torch.allclose(result.x, fixed_point(y), atol=1e-7)
    residuals = torch.stack([r.residual for r in result.history])[26:]  # of whole iterations
    assert bool((residuals[1:] < residuals[:-1]).all())
    monkeypatch.setattr(PnPADMM, "damps", False)
    assert solver().solve(y).reason != "converged"


def test_half_steps_are_of_each_sample_and_resume_with_the_same_bits(y):
    y[1] = 0  # ends at once
    together = solver().solve(y)
    for b in (0, 2):
        alone = solver().solve(y[b : b + 1])
        assert torch.allclose(together.x[b : b + 1], alone.x, atol=1e-8)
    whole = solver(stop=Stop(max_iter=40, tolerance=0)).solve(y)
    first = solver(stop=Stop(max_iter=30, tolerance=0)).solve(y)
    kept = State.from_dict(first.state.to_dict())
    rest = solver(stop=Stop(max_iter=10, tolerance=0)).solve(y, state=kept)
    assert torch.equal(rest.x, whole.x)


def test_smaller_steps_where_half_ones_lead_away(y, monkeypatch):
    monkeypatch.setattr(f"{__name__}.SPIN", 2.0)
    result = solver(stop=Stop(tolerance=1e-9, max_iter=400)).solve(y)
    assert result.reason == "converged" and "steps of 1/" in result.report["damping"]
    assert torch.allclose(result.x, fixed_point(y), atol=1e-7)
    monkeypatch.setattr("pnp.state._PATIENCE", 10**9)
    assert solver(stop=Stop(tolerance=1e-9, max_iter=400)).solve(y).reason == "diverged"


@pytest.mark.slow
@pytest.mark.parametrize("noise_std", [1e-3, 1e-4])
def test_one_coil_along_48_spokes_with_little_noise(noise_std, monkeypatch):
    path, side = Path(os.environ.get("PNP_DATA", ".")) / "mri_images" / "complex_brain31.npy", 64
    if not path.exists():
        pytest.skip("needs mri_images/complex_brain31.npy in the folder that PNP_DATA names")
    whole = torch.from_numpy(np.load(path)[25].astype(np.float32))[None].movedim(-1, 1)
    x = torch.view_as_complex(
        torch.nn.functional.interpolate(whole, (side, side), mode="area").movedim(1, -1).contiguous()
    )
    op = NonCartesianMRI(radial_trajectory(48, 2 * side), (side, side))
    y = gaussian_noise(op((x / x.abs().max())[None]), noise_std)
    slow = PnPADMM(op, noise_std=noise_std, stop=Stop(tolerance=5e-3, max_iter=80))
    assert slow.solve(y).reason == "converged"
    monkeypatch.setattr("pnp.state._PATIENCE", 10**9)
    assert slow.solve(y).reason == "max_iter"


@pytest.mark.parametrize("noise_std", [0.002, 0.0005])
def test_inner_solves_are_as_accurate_as_the_tolerance_however_little_the_noise(noise_std, monkeypatch):
    """Radial k-space, whose normal operator has eigenvalues of five decades."""
    shape = (32, 32)
    x = torch.zeros(1, 1, *shape, dtype=torch.complex64)
    x[..., 8:20, 10:24], x[..., 12:16, 12:30] = 1, 0.5
    op = NonCartesianMRI(radial_trajectory(16, 64), shape)
    y = gaussian_noise(op(x), noise_std)

    def smooth(x, sigma):
        return (4 * x + x.roll(1, -1) + x.roll(-1, -1) + x.roll(1, -2) + x.roll(-1, -2)) / 8

    def solved(tolerance):
        stop = Stop(tolerance=tolerance)
        return PnPADMM(op, smooth, noise_std=noise_std, calibration=None, stop=stop).solve(y).x

    def off(x):
        return ((x - limit).norm() / limit.norm()).item()

    limit = solved(1e-7)
    assert off(solved(1e-3)) < 2e-3
    monkeypatch.setattr("pnp.fit.accurate", lambda error, share: accurate(None))
    assert off(solved(1e-3)) > 4e-3  # to 1e-5 of a right-hand side that is much larger


@pytest.mark.parametrize("c", [1e-8, 1e8])
def test_half_steps_have_no_unit(c, y):
    scaled = solver(noise_std=0.1 * c, calibration=(8.0 * c, 0.0)).solve(c * y).x / c
    assert torch.allclose(scaled, solver().solve(y).x, atol=1e-7)


def test_an_iteration_that_contracts_is_left_alone(y):
    result = PnPADMM(Identity((6, 5), channels=2), lambda x, sigma: x / 2, noise_std=0.1).solve(y)
    assert "damping" not in result.report and bool((result.state.pace == 1).all())
    expert = solver(expert=Expert(rho=1.0, sigma=0.1), strength=1.0, stop=Stop(max_iter=12)).solve(y)
    assert bool((expert.state.pace == 1).all())  # its sigma and rho may change at any step


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
def test_single_precision_from_where_sigma_is_constant(method):
    seen = []

    def denoiser(x, sigma):
        seen.append((float(sigma), wants_full_precision()))
        return (x + x.roll(1, -1)) / 2  # x / 2 contracts to a residual of zero, which ends ADMM

    op, y = Identity((6, 6)), torch.rand(1, 1, 6, 6)
    method(op, denoiser, noise_std=0.05, stop=Stop(max_iter=30, tolerance=0)).solve(y)
    falling = [sigma > seen[-1][0] * (1 + 1e-6) for sigma, _ in seen]
    assert [full for _, full in seen] == [k >= method.annealing for k in range(30)]
    assert not any(fell and full for fell, (_, full) in zip(falling, seen)) and not wants_full_precision()
    seen.clear()
    method(op, denoiser, noise_std=0.05, expert=Expert(rho=1.0, sigma=0.05), stop=Stop(max_iter=3)).solve(y)
    assert all(full for _, full in seen)


@pytest.mark.parametrize(("method", "share"), [(PnPADMM, 1.0), (PnPHQS, 0.7)])
def test_the_last_level_is_the_noise_for_the_identity_and_nears_a_tenth_as_data_get_fewer(method, share):
    def level(op, noise_std: float) -> tuple[float, float]:
        solver = method(op, lambda x, sigma: x, noise_std=noise_std, calibration=None)
        facts = solver.begin(op(torch.rand(1, *op.in_shape))).facts
        return float(torch.as_tensor(solver.end(facts)[0])) / share, float(facts.image_noise)

    end, noise = level(Identity((16, 16)), 0.4)
    assert end == pytest.approx(0.4, rel=1e-4) and noise == pytest.approx(0.4, rel=1e-4)
    shares = []
    for views in (90, 30, 8):
        end, noise = level(Radon(32, torch.arange(views) * (torch.pi / views)), 5.0)
        assert 0.1 <= end < noise
        shares.append((end - 0.1) / (noise - 0.1))
    assert shares[0] > shares[1] > shares[2] and shares[2] < 0.05
    if method is PnPHQS:  # a level below a tenth stays as it is
        assert level(Radon(32, torch.arange(8) * (torch.pi / 8)), 0.01)[0] < 0.01


def test_levels_and_tolerance_are_those_of_the_field():
    radio = RadioInterferometry(torch.rand(2, 20) - 0.5, (8, 8), unit="rad/pixel")
    for op, annealing, tolerance in (
        (Identity((8, 8)), 8, 0.012),
        (MRI(torch.ones(8, 8)), 16, 0.009),
        (radio, 16, 0.005),
    ):
        made = PnPADMM(op, lambda x, sigma: x / 2)
        assert (made.annealing, made.settled, made.stop.tolerance) == (annealing, annealing, tolerance)
        assert Anderson(made).annealing == annealing and PnPADMM(op, stop=Stop(0.1)).stop.tolerance == 0.1
        assert PnPHQS(op).annealing == 24 and PnPHQS(op).stop == Stop()
        for moved in (
            PnPADMM(Identity((8, 8))).with_op(op),
            PnPADMM(radio).with_op(op),
            made.with_op(radio).with_op(op),
        ):
            assert (moved.annealing, moved.stop.tolerance) == (annealing, tolerance)
        assert Anderson(PnPADMM(Identity((8, 8)))).with_op(op).stop.tolerance == tolerance
        assert PnPADMM(Identity((8, 8)), stop=Stop(0.1)).with_op(op).stop == Stop(0.1)


class Recording(Denoiser):
    sigma_range = (0.01, 0.3)

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def forward(self, x, sigma):
        self.seen.append(float(sigma))
        return x / 2


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("any_unit", [True, False])
def test_skies_begin_at_the_level_of_their_brightest_sources_and_end_lower_than_photographs(any_unit, wrapped):
    points = 6 * (torch.rand(2, 40, generator=torch.Generator().manual_seed(0)) - 0.5)
    sky, photo = RadioInterferometry(points, (32, 32), unit="rad/pixel"), Inpainting(random_mask((32, 32), 0.04))
    for op, first, last in ((sky, 3.0 if any_unit else 0.3, 0.04), (photo, 0.3, 0.1)):
        denoiser = Recording()
        denoiser.intensity_range = None if any_unit else (0.0, 1.0)
        solver = PnPADMM(op, denoiser, noise_std=1e-6, stop=Stop(0.0, 17))
        y = op(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)))
        (Anderson(solver) if wrapped else solver).solve(y)
        # as the data hold next to nothing; the limit of gamma may end it earlier, never below
        assert denoiser.seen[0] == pytest.approx(first) and denoiser.seen[16] == pytest.approx(last, rel=1e-4)


def test_the_last_level_of_k_space_rises_where_little_of_it_is_held():
    def floor(keep: float) -> tuple[float, float]:
        mask = (torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) < keep).float()
        solver = PnPADMM(MRI(mask), lambda x, sigma: x, noise_std=1e-6)
        facts = solver.begin(solver.op(torch.rand(1, 1, 64, 64) + 0j)).facts
        return float(facts.coverage), float(solver.end(facts)[0])

    for keep in (0.1, 0.15, 0.18, 0.22, 0.3, 0.5):
        held, end = floor(keep)
        assert end == pytest.approx(0.1 * min(1.4 * (1 - held), 1) * min(max((0.32 / held) ** 4, 1), 2), rel=1e-5)
    assert floor(0.1)[1] == pytest.approx(0.2) and floor(0.3)[1] < 0.1


class Slow(PnPADMM):
    annealing, usual = 40, Stop(1e-4)


def test_what_a_class_or_a_user_says_holds_for_every_field():
    made = Slow(MRI(torch.ones(8, 8)), lambda x, sigma: x / 2)
    assert (made.annealing, made.stop) == (40, Stop(1e-4))
    made.annealing = 5
    assert made.with_op(Identity((8, 8))).annealing == 5


def test_iterations_that_end_before_the_levels_do_are_told():
    op = MRI(torch.ones(8, 8))
    y = op(torch.rand(1, 1, 8, 8) + 0j)
    short = PnPADMM(op, lambda x, sigma: x / 2, noise_std=0.1, stop=Stop(1.0, max_iter=8)).solve(y)
    assert "sigma was still falling" in str(short) and "below the tolerance" not in str(short)
    assert "still falling" not in str(PnPADMM(op, lambda x, sigma: x / 2, noise_std=0.1).solve(y))
    by_hand = Expert(rho=1.0, sigma=[0.3, 0.2, 0.1].__getitem__)
    assert "still" not in str(PnPADMM(op, lambda x, sigma: x / 2, expert=by_hand, stop=Stop(0.0, max_iter=3)).solve(y))
