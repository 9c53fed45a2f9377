"""Methods with denoisers that are not quite non-expansive, with bright sources, and with constants of each sample."""

import pytest
import torch

from denoisers import LoFiDenoiser
from operators import (
    Blur,
    Identity,
    Inpainting,
    LinearOperator,
    RadioInterferometry,
    Scaled,
    gaussian_kernel,
    random_mask,
    uv_coverage,
)
from operators.linalg import power_norms
from pnp import (
    RED,
    SNORE,
    Anderson,
    Damped,
    DiffPIR,
    Expert,
    PnPADMM,
    PnPFISTA,
    PnPHQS,
    PnPMass,
    PnPPDHG,
    PnPPGD,
    PnPULA,
    Poisson,
    PoissonRoots,
    Stop,
    data,
)
from pnp.likelihood import Ball, Exact, Gaussian, Huber


def photograph(side=32):
    return data.sample("camera")[..., 100 : 100 + side, 100 : 100 + side]


def expanding(factor):
    """A turn in the plane of each two neighbours that stretches by ``factor``: no fixed point but zero."""

    def denoiser(x, sigma):
        a, b = x[..., ::2], x[..., 1::2]
        angle = torch.tensor(2.6)
        turned = torch.stack((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1)
        return factor * turned.flatten(-2)

    return denoiser


@pytest.mark.parametrize("method", [PnPFISTA, PnPPGD, DiffPIR, PnPHQS])
def test_what_a_denoiser_expands_is_damped(method):
    # A x has half of the pixels: of the others a step is the denoiser alone, which grows by 5 % at each of them
    op = Inpainting(random_mask((16, 16), 0.5, seed=0))
    y = op(torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)))
    solver = method(op, expanding(1.05), noise_std=0.05, calibration=None, stop=Stop(1e-6, 200))
    result = solver.solve(y)
    assert float(result.x.abs().max()) < 2 and result.reason != "diverged"


def test_momentum_has_whole_steps_where_nothing_expands():
    op = Blur(gaussian_kernel(1.5), (32, 32))
    y = op(photograph())
    solver = PnPFISTA(op, lambda x, sigma: x / (1 + sigma**2), noise_std=0.05, stop=Stop(1e-5, 400))
    result = solver.solve(y)
    assert result.reason == "converged" and float(result.state.values.pace) == 1


@pytest.mark.parametrize(
    "share, around",
    [(0.5, None), (0.1, None), (0.02, None), (0.5, Anderson), (0.1, Anderson)],
)
def test_small_shares_do_not_end_sooner(share, around):
    op = Inpainting(random_mask((32, 32), 0.4, seed=0)) @ Blur(gaussian_kernel(1.0), (32, 32))
    y = op(photograph())
    plain = PnPHQS(op, lambda x, sigma: x / (1 + sigma), noise_std=0.02, stop=Stop(1e-3, 2000))
    exact = PnPHQS(op, lambda x, sigma: x / (1 + sigma), noise_std=0.02, stop=Stop(1e-7, 4000))(y)
    result = Damped(around(plain) if around else plain, share).solve(y)
    assert result.reason == "converged"
    far = ((result.x - exact).norm() / exact.norm()).item()
    assert far < 3 * ((plain(y) - exact).norm() / exact.norm()).item() + 1e-3


def test_shares_within_shares_count_and_accelerated_ones_stay_finite():
    op = Inpainting(random_mask((32, 32), 0.5, seed=0)) @ Blur(gaussian_kernel(1.0), (32, 32))
    y, stop = op(photograph()), Stop(1e-3, 3000)

    def plain(tolerance):
        return PnPHQS(op, lambda x, sigma: x / (1 + sigma), noise_std=0.02, stop=Stop(tolerance, 4000))

    exact, usual = plain(1e-7)(y), plain(1e-3)
    error = ((usual(y) - exact).norm() / exact.norm()).item()
    for solver in (Damped(Damped(usual, 0.3), 0.3), Anderson(Damped(usual, 0.05)), Damped(Anderson(usual), 0.05)):
        result = solver.solve(y)
        assert result.reason == "converged"
        assert ((result.x - exact).norm() / exact.norm()).item() < 3 * error + 2e-3
    wild = Damped(PnPFISTA(op, expanding(1.05), noise_std=0.05, calibration=None, stop=stop)).solve(y)
    assert float(wild.x.abs().max()) < 3 and bool(wild.state.values.size.isfinite().all())


@pytest.mark.parametrize("scale", [255.0, 2e4])
@pytest.mark.parametrize("method", [PnPADMM, PnPHQS, PnPFISTA])
@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.filterwarnings("ignore:.*calibration:RuntimeWarning")
def test_large_intensities_end_as_others_do(method, scale, by_hand):
    op = Blur(gaussian_kernel(1.0), (32, 32))
    y = op(photograph()) + 0.02 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))

    def solved(unit):
        expert = {"expert": Expert(rho=(0.05 * unit) ** -2, sigma=0.05 * unit), "calibration": None}
        levels = expert if by_hand else {}
        return method(op, even, noise_std=0.02 * unit, **levels).solve(unit * y)

    def even(x, sigma):
        return x - 0.2 * (x - x.mean((-2, -1), keepdim=True))

    one, many = solved(1.0), solved(scale)
    assert one.reason == many.reason == "converged" and abs(len(one.history) - len(many.history)) <= 1
    torch.testing.assert_close(many.x / scale, one.x, rtol=1e-3, atol=1e-3)


def test_whitening_of_constants_of_each_sample():
    kernels = torch.stack((gaussian_kernel(1.0), 2 * gaussian_kernel(1.0)))[:, None]
    x = torch.cat((photograph(), photograph().flip(-1)))
    y = Blur(kernels, (32, 32))(x)
    both = PnPMass(Blur(kernels, (32, 32)), LoFiDenoiser(), noise_std=0.02)(y)
    for b in range(2):
        alone = PnPMass(Blur(kernels[b : b + 1], (32, 32)), LoFiDenoiser(), noise_std=0.02)(y[b : b + 1])
        torch.testing.assert_close(both[b : b + 1], alone, rtol=0, atol=2e-3)


def test_bright_sources_do_not_hide_that_a_sky_still_changes():
    yy, xx = torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 2, indexing="ij")
    base = torch.exp(-((xx - 0.1) ** 2 + (yy + 0.1) ** 2) / 0.05)[None, None]
    uv = uv_coverage("meerkat", hours=(-0.5, 0.5))[:, ::4]
    op = RadioInterferometry(uv, (64, 64), cell=float(0.5 / uv.abs().max() * 206265))
    noise = 0.1 * float(op(base).abs().square().mean().sqrt())
    sky = base.clone()
    sky[0, 0, 15, 45] += 100
    y, g = op(sky), torch.Generator().manual_seed(0)
    y = y + noise * torch.complex(*torch.randn(2, *y.shape, generator=g))
    result = PnPADMM(op, noise_std=noise).solve(y)
    assert float(result.x[0, 0, 15, 45]) == pytest.approx(100, rel=0.03)
    off = torch.ones_like(base)
    off[..., 12:19, 42:49] = 0
    assert 10 * torch.log10((off * sky).square().sum() / (off * (result.x - sky)).square().sum()) > 20


METHODS = [PnPPGD, PnPFISTA, PnPMass, PnPPDHG, PnPULA, SNORE, PnPADMM, RED, DiffPIR]


@pytest.mark.parametrize("method", METHODS)
def test_deviations_of_each_sample_leave_the_others_alone(method):
    g = torch.Generator().manual_seed(0)
    x = torch.cat((photograph(), photograph().flip(-1)))
    std = torch.full((2, 1, 32, 32), 0.02)
    std[1] = 0.02 + 0.2 * torch.rand(1, 32, 32, generator=g)
    std[1, 0, 10:20, 10:20] = 0.005
    y = x + std * torch.randn(2, 1, 32, 32, generator=g)
    stop = Stop(1e-3, 40)

    def solved(some):
        return method(Gaussian(Identity((32, 32)), std[some]), LoFiDenoiser(), stop=stop)(y[some])

    both = solved(slice(0, 2))
    torch.testing.assert_close(both[:1], solved(slice(0, 1)), rtol=0, atol=1e-4)
    if method not in (PnPULA, SNORE, DiffPIR):  # whose noise is numbered by the sample
        torch.testing.assert_close(both[1:], solved(slice(1, 2)), rtol=0, atol=1e-4)


class Diagonal(LinearOperator):
    """Multiples of pixels, of each sample."""

    weights: torch.Tensor

    def __init__(self, weights):
        super().__init__()
        self.in_shape = self.out_shape = tuple(weights.shape[1:])
        self.register_buffer("weights", weights)

    def A(self, x):
        return self.weights.to(x) * x


@pytest.mark.parametrize("largest", [1.05, 1.2, 1.5])
def test_a_sample_whose_norm_is_found_at_once_does_not_hide_others(largest):
    weights = torch.ones(2, 1, 64, 64, dtype=torch.float64)
    weights[1] = 0.9 * torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    weights[1, 0, 5, 7] = largest
    op = Diagonal(weights)
    assert op.norms().tolist() == pytest.approx([1.0, largest], rel=1e-4)
    assert op.norm() == pytest.approx(largest, rel=1e-4)
    start = torch.ones(1, 1, 64, 64, dtype=torch.float64)
    assert power_norms(lambda v: 4 * v, start).tolist() == pytest.approx([2.0])


@pytest.mark.parametrize("kind", [Huber, Exact, Ball])
def test_whitening_refuses_what_it_does_not_solve(kind):
    likelihood = Exact(Identity((8, 8))) if kind is Exact else kind(Identity((8, 8)), 0.1)
    with pytest.raises(TypeError, match=f"needs Gaussian data of a linear operator, got {kind.__name__}"):
        PnPMass(likelihood, lambda x, sigma: x / 2).solve(torch.ones(1, 1, 8, 8))


def test_whitening_without_noise_is_refused():
    with pytest.raises((TypeError, ValueError), match="PnPMass"):
        PnPMass(Identity((8, 8)), lambda x, sigma: x / 2, noise_std=0).solve(torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize("factor", [0.1, 10.0, 1e-5])
def test_whitening_does_not_depend_on_the_units_of_data(factor):
    y = photograph() + 0.05 * torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    plain = PnPMass(Identity((32, 32)), LoFiDenoiser(), noise_std=0.05)(y)
    scaled = PnPMass(factor * Identity((32, 32)), LoFiDenoiser(), noise_std=0.05 * factor)(factor * y)
    torch.testing.assert_close(scaled, plain, rtol=0, atol=1e-3)


@pytest.mark.parametrize("factor", [1e-3, 4.0])
def test_a_multiple_has_the_closed_forms_of_its_operator(factor):
    op = Blur(gaussian_kernel(1.5), (24, 24), boundary="valid")
    many = factor * op
    assert isinstance(many, Scaled)
    x, gamma = torch.randn(2, 1, 24, 24), torch.full((2, 1, 1, 1), 3.0)
    ours, plain = many.preconditioner(gamma), op.preconditioner(gamma * factor**2)
    assert ours is not None and plain is not None
    torch.testing.assert_close(ours(x), plain(x))
    weights = torch.rand(1, *op.out_shape)
    torch.testing.assert_close(many.weighted_normal(x, weights), factor**2 * op.weighted_normal(x, weights))
    y = op(photograph(24))
    a = PnPADMM(op, LoFiDenoiser(), noise_std=0.01)(y)
    b = PnPADMM(many, LoFiDenoiser(), noise_std=0.01 * factor)(factor * y)
    torch.testing.assert_close(a, b, rtol=0, atol=5e-3)  # the border is not measured


@pytest.mark.parametrize("kind", [PoissonRoots, Poisson])
def test_counts_behind_a_mask_are_not_clipped_data(kind):
    op = Inpainting(random_mask((32, 32), 0.5, seed=0))
    y = torch.poisson(200 * op(photograph()), generator=torch.Generator().manual_seed(0)) / 200
    assert "exactly alike" not in str(PnPADMM(kind(op, photons=200.0), LoFiDenoiser()).solve(y))
