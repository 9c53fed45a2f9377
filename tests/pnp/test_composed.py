"""What methods, wrappers, likelihoods and operators do together that none of them does alone."""

import pytest
import torch

from denoisers import Bounded, TVDenoiser
from operators import Inpainting, Operator, Radon, Slices, random_mask
from pnp import (
    SNORE,
    Anderson,
    Damped,
    DiffPIR,
    FinerGrid,
    Huber,
    PnPADMM,
    PnPDRS,
    PnPMACE,
    PnPPDHG,
    PnPULA,
    Stop,
    Transmission,
)
from pnp.metrics import nrmse

G = torch.Generator().manual_seed(0)
N = 16
X = torch.linspace(0.1, 1, N, dtype=torch.float64).expand(1, 1, N, N)
CT = Radon(N, torch.arange(24) * (torch.pi / 24), pixel_size=1 / 4)


def ridge(x, sigma):
    return x / (1 + torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2)


@pytest.mark.parametrize("wrap", [Damped, Anderson, lambda s: Damped(s, 0.1)])
@pytest.mark.parametrize("method", [PnPULA, SNORE, DiffPIR])
def test_draws_are_not_blended(method, wrap):
    with pytest.raises(TypeError, match=f"{method.__name__} draws at random"):
        wrap(method(Inpainting(torch.ones(4, 4)), ridge, noise_std=0.1))


@pytest.mark.parametrize("method", [PnPADMM, PnPDRS])
@pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-5])
def test_precise_data_with_outliers_keep_the_prior_in_single_precision(method, noise):
    clean = CT(X)
    y = clean + noise * torch.randn(clean.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    double, single = (
        method(Huber(CT, noise), ridge, stop=Stop(0.012, 30)).solve(y.to(kind)).x.double()
        for kind in (torch.float64, torch.float32)
    )
    assert float(nrmse(single, X)) < float(nrmse(double, X)) + 0.05


@pytest.mark.parametrize("photons", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("value", [0.1, 1.0, 6.0])
@pytest.mark.parametrize("length", [1e-8, 1e-3, 1.0, 100.0])
def test_the_proximal_map_of_rays_keeps_its_digits(photons, value, length):
    op = Inpainting(torch.ones(1, 1))
    v, counts = torch.full((1, 1, 1, 1), value), torch.full((1, 1, 1, 1), 0.4 * photons)
    likelihood = Transmission(op, photons)
    u = likelihood.prox(v, counts, torch.tensor([length])).double()
    slope = u - v.double() + length * (counts.double() - photons * (-u).exp())
    curvature = 1 + length * photons * (-u).exp()
    assert float((slope / curvature).abs()) < 1e-6 * (1 + value)  # a step of Newton would change nothing


@pytest.mark.filterwarnings("ignore:PnPPDHG. the steepest datum")  # as it is
@pytest.mark.parametrize("photons", [1e4, 1e6, 1e8])
def test_many_photons_in_single_precision(photons):
    op = Inpainting(random_mask((N, N), 0.3, seed=0))
    counts = torch.poisson(photons * (-op(X)).exp(), generator=torch.Generator().manual_seed(1))
    answer = PnPPDHG(Transmission(op, photons), ridge, stop=Stop(max_iter=60))(counts.float()).double()
    off = (op(answer) - op(X)) * (photons * (-op(X)).exp()).sqrt() * op.measured
    assert float(off.square().mean().sqrt()) < 1.0  # of the noise


def test_constants_of_samples_are_not_those_of_slices():
    masks = torch.stack([random_mask((N, N), 0.5, seed=s).reshape(N, N) for s in (0, 1)])[:, None].float()
    with pytest.raises(ValueError, match="constants are of 2 samples"):
        Slices(Inpainting(masks), 2)
    one = Slices(Inpainting(masks[:1]), 3)
    torch.testing.assert_close(one(torch.ones(2, 1, 3, N, N))[:, :, 1], masks[:1].expand(2, -1, -1, -1))


class Squared(Operator):
    """No derivative at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.in_shape = (1, 8, 8)

    def A(self, x):
        return x**2


class SquaredFrom(Squared):
    """The same, with a place to begin."""

    def first_image(self, y):
        return torch.full_like(y, float(y.mean()) ** 0.5)


def test_an_operator_without_a_derivative_where_solvers_begin():
    y = 0.5 + torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="write first_image"):
        PnPADMM(Squared(), lambda x, s: x, noise_std=0.01).solve(y)
    x = PnPADMM(SquaredFrom(), lambda x, s: x, noise_std=0.01, stop=Stop(max_iter=60))(y)
    torch.testing.assert_close(x.abs(), y.sqrt(), rtol=0.02, atol=0)


@pytest.mark.parametrize("method", ["mace", "damped", "damped mace"])
def test_supports_are_refined_wherever_they_are(method):
    support = torch.ones(N, N)
    support[:, :4] = 0
    bounded = Bounded(TVDenoiser(), support=support)
    mace = PnPMACE(CT, [bounded, TVDenoiser()], noise_std=0.5, stop=Stop(max_iter=3))
    solver = {"mace": mace, "damped mace": Damped(mace)}.get(method)
    solver = solver or Damped(PnPADMM(CT, bounded, noise_std=0.5, stop=Stop(max_iter=3)))
    found = FinerGrid(solver).solve(CT(X.float()))
    assert found.x.shape == X.shape and bool(torch.isfinite(found.x).all())
    if method == "damped":
        assert float(found.x[..., :4].abs().max()) == 0 < float(found.x.abs().max())
    assert bounded.support is not None and bounded.support.shape[-1] == N  # the user's own is as it was
