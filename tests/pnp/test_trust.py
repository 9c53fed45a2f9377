"""What trials found: answers that were wrong without a word, and errors that did not say what was wrong."""

import math

import numpy as np
import pytest
import torch

from denoisers import LoFiDenoiser, TVDenoiser
from operators import (
    MRI,
    NUFFT,
    Blur,
    Identity,
    Inpainting,
    KaiserSquires,
    LinearOperator,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    Weighted,
    gaussian_kernel,
    gaussian_noise,
    radial_trajectory,
    random_columns,
    random_mask,
    stack,
)
from pnp import (
    RED,
    SNORE,
    DiffPIR,
    Gaussian,
    PnPADMM,
    PnPDescent,
    PnPFISTA,
    PnPHQS,
    PnPMACE,
    PnPULA,
    Stop,
    data,
    estimate_noise,
    tv_reconstruction,
)

SIDE = 64


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return data.sample("camera")[..., 100 : 100 + SIDE, 180 : 180 + SIDE]


# ---- noise: what was measured, the operator knows


@pytest.mark.parametrize("keep", [0.1, 0.3, 0.7])
def test_noise_of_masks_whose_unmeasured_pixels_carry_noise(photo, keep):
    op = Inpainting(random_mask((SIDE, SIDE), keep))
    y = gaussian_noise(op(photo), 0.02)  # noise everywhere, as docs/coming_from.md makes it
    clean = torch.where(op.mask > 0, y, torch.zeros_like(y))
    levels = [float(estimate_noise(op, v)[0]) for v in (y, clean)]
    assert levels[0] == pytest.approx(levels[1]) and levels[0] < 0.06
    stop = Stop(max_iter=6, tolerance=0)
    with_noise, without = (PnPADMM(op, TVDenoiser(), stop=stop)(v) for v in (y, clean))
    assert torch.allclose(with_noise, without, atol=1e-5)
    behind = Weighted(torch.full((1, SIDE, SIDE), 2.0)) @ op
    assert float(estimate_noise(behind, 2 * y)[0]) == pytest.approx(2 * levels[0], rel=1e-4)


@pytest.mark.parametrize("value", [-1.0, 0.0, 3.0])
def test_constant_padding_is_no_noise(photo, value):
    y = gaussian_noise(photo, 0.05)
    y[..., 20:] = value
    assert 0.035 < float(estimate_noise(Identity((SIDE, SIDE)), y)[0]) < 0.075


def test_operators_say_what_they_measure_and_what_they_never_see():
    shape = (8, 8)
    mask, columns = random_mask(shape, 0.5), random_columns(shape, 2.0, 0.3)
    maps = torch.ones(2, *shape, dtype=torch.complex64)
    maps[:, :, :3] = 0
    painted, mri = Inpainting(mask), MRI(columns, maps)
    assert torch.equal(painted.measured[0, 0], mask) and painted.support is None
    assert mri.measured.shape == (1, 2, *shape) and mri.support is not None and not mri.support[..., :3].any()
    assert NonCartesianMRI(radial_trajectory(4, 16), shape, maps).support is not None
    assert Identity(shape).measured is None and (2.0 * mri).support is not None
    assert KaiserSquires(shape, mask=mask).measured is not None
    both = stack(painted, Identity(shape))
    assert both.measured is not None and both.measured.sum() == mask.sum() + 64 and both.support is None
    weights = torch.ones(1, *shape)
    weights[..., 0] = 0
    assert (Weighted(weights) @ painted).measured.sum() == (mask & (weights[0] > 0)).sum()  # pyright: ignore
    assert (painted @ Blur(gaussian_kernel(0.5), shape)).measured is not None


@pytest.mark.parametrize("method", [PnPADMM, PnPHQS])
def test_nothing_is_painted_where_no_coil_sees(method, photo):
    rows = torch.linspace(-1, 1, SIDE)
    inside = (rows[:, None] ** 2 + rows**2) < 0.6
    maps = torch.stack([inside * torch.exp(1j * rows), inside * (1 + rows[:, None])]).to(torch.complex64)
    op = MRI(random_columns((SIDE, SIDE), 2.0, 0.2), maps)
    x = photo * inside
    y = op(x + 0j)
    y = torch.where(y == 0, y, gaussian_noise(y, 0.01))
    result = method(op, LoFiDenoiser("natural-gray-fast"), noise_std=0.01).solve(y)
    assert float(result.x[..., ~inside].abs().max()) == 0 and "support" in result.report


def of_an_ellipse(side: int = 20) -> tuple[MRI, torch.Tensor]:
    """Two coils that see an ellipse, and data of it."""
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    inside = rows**2 + 2 * columns**2 < 0.7
    op = MRI(torch.ones(side, side), inside * torch.stack([torch.exp(1j * rows), 1 + columns + 0j]))
    return op, gaussian_noise(op((rows**2 + 2 * columns**2 < 0.5)[None, None] + 0j), 0.1, seed=1)


@pytest.mark.parametrize("method", [RED, SNORE, DiffPIR, PnPULA, PnPDescent, PnPFISTA, PnPMACE])
def test_nor_by_any_other_method(method):
    op, y = of_an_ellipse()
    assert op.support is not None
    for measured, seen in ((op, y), (2.0 * op, 2 * y)):
        solver = method(measured, LoFiDenoiser("natural-gray-fast"), noise_std=0.1, stop=Stop(max_iter=3))
        assert float((solver(seen) * ~op.support).abs().max()) == 0
        x0 = torch.ones(1, *op.in_shape, dtype=torch.complex64)
        assert float((solver.solve(seen, x0=x0).x * ~op.support).abs().max()) == 0
    assert float((tv_reconstruction(op, y, 0.1) * ~op.support).abs().max()) == 0


def test_nor_by_draws_from_the_posterior_nor_by_descent_that_still_falls():
    op, y = of_an_ellipse()
    assert op.support is not None
    chain = PnPULA(op, LoFiDenoiser("natural-gray-fast"), noise_std=0.1, burn=2)
    assert float((chain.draws(y, 2, thin=1) * ~op.support).abs().max()) == 0
    for way in ("prox", "gradient"):
        falls: list[float] = []
        solver = PnPDescent(
            op, LoFiDenoiser("natural-gray-fast"), method=way, noise_std=0.1, stop=Stop(tolerance=0, max_iter=30)
        )
        solver.solve(y, callback=lambda s, _, f=falls: f.append(float(s.values.objective)))
        level = solver.settled + 1
        assert len(falls) > level + 2 and all(b <= a * (1 + 1e-6) for a, b in zip(falls[level:], falls[level + 1 :]))


@pytest.mark.parametrize("contrast", [1e2, 1e4])
def test_bright_points_do_not_make_skies_ring(contrast):
    rows = torch.linspace(-1, 1, SIDE)
    x = torch.exp(-4 * (rows[:, None] ** 2 + rows**2))[None, None] / contrast
    x[0, 0, 20, 40] = x[0, 0, 45, 15] = 1.0
    angle = torch.rand(2000, generator=torch.Generator().manual_seed(0)) * 2 * math.pi
    radius = torch.linspace(0.02, 3.0, 2000)
    op = RadioInterferometry(torch.stack((radius * angle.cos(), radius * angle.sin())), (SIDE, SIDE), unit="rad/pixel")
    y = gaussian_noise(op(x), 0.02)
    result = PnPADMM(op, noise_std=0.02).solve(y)
    assert "within bounds" in result.report["denoiser"] and float(result.x.min()) >= 0
    assert float((result.x - x).norm() / x.norm()) < 0.1
    for row, column in ((20, 40), (45, 15)):
        flux, true = (v[0, 0, row - 2 : row + 3, column - 2 : column + 3].sum() for v in (result.x, x))
        assert float(flux) == pytest.approx(float(true), rel=0.03)


# ---- not linear, not finite, not solved


class Crooked(LinearOperator):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.in_shape, self.kind = (1, 16, 16), kind

    def A(self, x):
        changed = {"square": x + x**2, "offset": x + 1, "clip": x.clamp(max=0.5), "abs": x.abs(), "nan": x / 0 * 0}
        return changed[self.kind]

    def A_adjoint(self, y):
        return y


@pytest.mark.parametrize(
    ("kind", "words"), [*((k, "linear") for k in ("square", "offset", "clip", "abs")), ("nan", "NaN")]
)
def test_operators_that_are_not_linear_are_refused(kind, words):
    with pytest.raises(ValueError, match=words):
        PnPADMM(Crooked(kind), TVDenoiser(), noise_std=0.1)(torch.rand(1, 1, 16, 16))


def test_least_squares_that_are_not_reached_say_so():
    op = Blur(gaussian_kernel(2.0), (48, 48), boundary="zero")
    y = torch.rand(1, 1, 48, 48, dtype=torch.float64)
    with pytest.warns(RuntimeWarning, match="A_dagger: a relative residual"):
        op.A_dagger(y)
    assert op.A_dagger(y, max_iter=8).shape == y.shape  # on purpose: not a word


def test_conjugate_gradients_are_reported():
    op = Inpainting(random_mask((24, 24), 0.6)) @ Blur(gaussian_kernel(1.0), (24, 24))
    told = PnPADMM(op, TVDenoiser(), noise_std=0.05, stop=Stop(max_iter=3)).solve(torch.rand(1, 1, 24, 24)).report
    assert "3 solves" in told["conjugate gradients"]


# ---- arguments


@pytest.mark.parametrize("bad", [float("nan"), 2.5, "3", True, 0])
def test_numbers_of_iterations(bad):
    with pytest.raises(ValueError, match="max_iter"):
        Stop(max_iter=bad)


@pytest.mark.parametrize("bad", ["foo", (1.0, math.nan), (math.inf, 0.0), (0.0, 0.0), (1.0,), 3, ("a", "b")])
def test_calibrations(bad):
    with pytest.raises(ValueError, match="calibration"):
        PnPADMM(Identity((8, 8)), TVDenoiser(), noise_std=0.1, calibration=bad)(torch.rand(1, 1, 8, 8))


@pytest.mark.parametrize("bad", [0.1j, torch.tensor(0.1 + 0.1j), torch.full((1, 1, 8, 8), 0.1j)])
def test_complex_noise_levels(bad):
    with pytest.raises(TypeError, match="noise_std"):
        Gaussian(Identity((8, 8)), bad)


def test_angles_of_any_array():
    angles = np.linspace(0, np.pi, 5, endpoint=False)
    for other in (angles[::-1], angles.astype(">f8"), angles[::2], list(angles)):
        assert Radon(8, other).angles.tolist() == list(map(float, other))


def test_weights_in_a_loop_keep_one_kernel():
    op = NUFFT(torch.rand(2, 50), (8, 8))
    x = torch.randn(1, 1, 8, 8, dtype=torch.complex64)
    for k in range(5):
        op.weighted_normal(x, torch.rand(50) + k)
    assert sum(key[0] == "toeplitz" for key in op._made) <= 2
