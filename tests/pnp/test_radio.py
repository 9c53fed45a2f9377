"""Unresolved sources: found between pixels, whatever the rest, the weights and the units."""

import math

import pytest
import torch

from operators import Identity, RadioInterferometry, Weighted, uv_coverage
from pnp import PnPADMM, Stop
from pnp.radio import Peeled, Points, find_points
from pnp.radio.points import visibilities


def baselines(count: int = 1500, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3.0 * torch.randn(2, count, generator=generator).clamp(-2.0, 2.0) / 2


def array(size: tuple[int, int] = (48, 48)) -> RadioInterferometry:
    return RadioInterferometry(baselines(), size, unit="rad/pixel")


def diffuse(rows: int = 48, columns: int = 48) -> torch.Tensor:
    r, c = torch.meshgrid(torch.arange(rows) - rows / 2, torch.arange(columns) - columns / 2, indexing="ij")
    return torch.exp(-((r / 5) ** 2) - (c / 7) ** 2)[None, None]


def source(op: RadioInterferometry, flux: float, row: float, column: float) -> torch.Tensor:
    """Visibilities of a point by their definition, as numbers of Python have it."""
    p = op.points.double()
    phase = p[0] * (row - op.image_shape[0] // 2) + p[1] * (column - op.image_shape[1] // 2)
    return (flux * torch.complex(phase.cos(), -phase.sin()))[None, None].to(torch.complex64)


def noise(op: RadioInterferometry, std: float, seed: int = 3) -> torch.Tensor:
    parts = torch.randn(2, 1, *op.out_shape, generator=torch.Generator().manual_seed(seed))
    return std * torch.complex(*parts)


@pytest.mark.parametrize("size", [(48, 48), (40, 57)])
@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
def test_sources_between_pixels_are_found_beside_extended_emission(size, unit):
    op = array(size)
    wanted = [(300.0, 10.3, 30.6), (40.0, 33.0, 8.25), (9.0, 30.5, 35.0)]
    y = op(diffuse(*size)) + sum(source(op, *w) for w in wanted) + noise(op, 0.5)
    found = find_points(op, unit * y)
    assert len(found.flux) == 3
    for (flux, row, column), f, at in zip(wanted, found.flux, found.position):
        assert abs(float(f) / unit - flux) < 0.3  # noise 0.5 / sqrt(750) and what extended emission leaves
        assert math.hypot(float(at[0]) - row, float(at[1]) - column) < 0.05


def test_extended_emission_and_noise_are_no_sources():
    op = array()
    assert len(find_points(op, op(diffuse())).flux) == 0
    assert len(find_points(op, op(diffuse()) + noise(op, 1.0)).flux) == 0
    assert len(find_points(op, noise(op, 1.0)).flux) == 0
    assert len(find_points(op, torch.zeros_like(op(diffuse()))).flux) == 0


def test_weights_do_not_move_a_source():
    op = array()
    std = torch.linspace(0.5, 2.0, op.out_shape[-1])
    white = Weighted(1 / std) @ op
    y = (source(op, 50.0, 12.5, 20.25) + op(diffuse())) / std
    found = find_points(2.0 * white, 2.0 * y)
    assert float(found.flux[0]) == pytest.approx(50, abs=0.2)
    assert found.position[0].tolist() == pytest.approx([12.5, 20.25], abs=0.02)


def test_no_more_sources_than_asked_for():
    op = array()
    y = source(op, 50.0, 12.0, 20.0) + source(op, 30.0, 30.0, 33.0)
    assert len(find_points(op, y, most=1).flux) == 1


@pytest.mark.parametrize("contrast", [1e2, 1e4])
def test_the_rest_does_not_feel_a_source(contrast):
    op = array()
    sky = diffuse()
    point = source(op, contrast, 9.0, 40.0)
    y = op(sky) + noise(op, 0.5)
    solver = PnPADMM(op, noise_std=0.5, stop=Stop(max_iter=12))
    alone, peeled = solver(y), Peeled(solver).solve(y + point)
    assert float(peeled.points[0].flux) == pytest.approx(contrast, abs=0.3)
    away = torch.ones_like(sky, dtype=torch.bool)
    away[..., 6:13, 37:44] = False
    error, usual = (float((x - sky)[away].norm()) for x in (peeled.x, alone))
    assert error < 1.1 * usual
    assert float((peeled.x - sky)[..., 7:12, 38:43].sum()) == pytest.approx(contrast, rel=0.03)


def test_samples_have_sources_of_their_own():
    op = array((32, 32))
    solver = Peeled(PnPADMM(op, lambda x, s: x / 2, noise_std=0.5, stop=Stop(max_iter=4)))
    y = torch.cat((noise(op, 0.5), source(op, 80.0, 9.0, 20.0) + noise(op, 0.5, seed=4)))
    both = solver.solve(y)
    assert [len(p.flux) for p in both.points] == [0, 1]
    singly = torch.cat([solver(one[None]) for one in y])
    assert torch.allclose(both.x, singly, rtol=1e-4, atol=1e-4)
    large = Peeled(PnPADMM(op, lambda x, s: x / 2, noise_std=0.5e6, stop=Stop(max_iter=4)))
    assert torch.allclose(1e6 * both.x, large(1e6 * y), rtol=1e-4, atol=100)


def test_fluxes_are_shared_by_the_pixels_around():
    from pnp.radio.peeled import _placed

    points = Points(torch.tensor([4.0, 2.0], dtype=torch.float64), torch.tensor([[1.25, 2.5], [-0.5, 0.0]]).double())
    image = _placed([points], torch.zeros(1, 1, 4, 5))
    assert image[0, 0, 1:3, 2:4].tolist() == [[1.5, 1.5], [0.5, 0.5]]
    assert float(image[0, 0, 0, 0]) == 1.0  # the other half lies outside
    assert float(image.sum()) == 5.0


def test_other_operators_and_numbers_are_refused():
    op = array()
    with pytest.raises(TypeError, match="op: expected RadioInterferometry"):
        Peeled(PnPADMM(Identity((8, 8))))
    with pytest.raises(ValueError, match="one channel"):
        Peeled(PnPADMM(RadioInterferometry(baselines(), (16, 16), unit="rad/pixel", real=False)))
    each = Weighted(torch.ones(2, *op.out_shape), shape=op.out_shape) @ op
    with pytest.raises(ValueError, match="weights of 2 samples"):
        find_points(each, source(op, 5.0, 9.0, 9.0))
    with pytest.raises(TypeError, match="solver"):
        Peeled(op)  # pyright: ignore[reportArgumentType]
    for name, value in (("threshold", 1.0), ("rounds", 0), ("most", 2.5)):
        with pytest.raises(ValueError, match=name):
            Peeled(PnPADMM(op), **{name: value})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="y: expected complex data"):
        find_points(op, torch.zeros(2, 1, op.out_shape[-1]))
    with pytest.raises(ValueError, match="y"):
        Peeled(PnPADMM(op))(torch.full((1, *op.out_shape), torch.nan).to(torch.complex64))


def test_a_source_that_outshines_the_sky_is_named():
    op = array()
    solver = PnPADMM(op, noise_std=0.5, stop=Stop(max_iter=12))
    with pytest.warns(RuntimeWarning, match="Peeled"):
        told = solver.solve(op(3 * diffuse()) + source(op, 3e4, 9.0, 40.0) + noise(op, 0.5))
    assert "contrast" in told.report and "contrast" in told.health.causes  # pyright: ignore
    for flux in (0.0, 100.0):  # what the prior knows
        assert "contrast" not in solver.solve(op(diffuse()) + source(op, flux, 9.0, 40.0) + noise(op, 0.5)).report


def test_many_visibilities_go_in_parts(monkeypatch):
    op = array()
    y = source(op, 50.0, 12.4, 20.0) + source(op, 30.0, 30.0, 33.7) + op(diffuse()) + noise(op, 0.3)
    whole = find_points(op, y)
    monkeypatch.setattr("pnp.radio.points._AT_ONCE", 128)
    parts = find_points(op, y)
    assert torch.allclose(parts.flux, whole.flux, rtol=1e-9) and torch.allclose(parts.position, whole.position)


def test_sources_of_a_curved_field():
    uv = uv_coverage("vla-d", samples=3, frequency=1.5e8)
    w = 800 * torch.randn(uv.shape[1], generator=torch.Generator().manual_seed(0))
    op = RadioInterferometry(uv, (32, 32), cell=80.0, w=w)
    sky = torch.zeros(1, 1, 32, 32, dtype=torch.float64)
    sky[..., 5, 27] = 3.0
    found = find_points(op, op(sky))
    assert found.flux.item() == pytest.approx(3.0, rel=1e-4)
    assert torch.allclose(found.position, torch.tensor([[5.0, 27.0]], dtype=torch.float64), atol=1e-3)
    assert (visibilities(op, found) - op(sky)).norm() < 1e-3 * op(sky).norm()
