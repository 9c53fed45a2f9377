"""Partial Fourier: half of k-space tells the other half where the phase is known, and nearly so where it is smooth."""

import pytest
import torch

from operators import MRI, KnownPhase, NonCartesianMRI, radial_trajectory
from pnp.corrections.mri import homodyne, low_resolution_phase, pocs
from tests.contracts import relative
from tests.operators.mri.test_coils import scene

from .test_whitening import crandom

MAPS, X = scene(32, 40)
X = X.real[None, None]
R, C = torch.meshgrid(*(torch.linspace(-1, 1, n, dtype=torch.float64) for n in (32, 40)), indexing="ij")
PHASE = 0.8 * R - 0.6 * C + 0.5 * R * C


def half(axis: int, side: int, share: float = 0.6) -> torch.Tensor:
    """A mask without one end of an axis."""
    mask = torch.zeros(32, 40)
    n = mask.shape[axis]
    taken = round(share * n)
    mask.narrow(axis, 0 if side < 0 else n - taken, taken).fill_(1)
    return mask


@pytest.mark.parametrize("maps", [None, MAPS])
@pytest.mark.parametrize(("axis", "side"), [(0, 1), (0, -1), (1, 1), (1, -1)])
def test_known_phase_tells_the_missing_end(axis, side, maps):
    op = MRI(half(axis, side), maps)
    x = X * torch.polar(torch.ones_like(PHASE), PHASE)
    y = op(x)
    real = op @ KnownPhase(PHASE)
    assert relative(real.A_dagger(y, rtol=1e-10), X) < 1e-6
    assert relative(pocs(y, op, PHASE, iterations=40), x) < 0.1 * relative(op.A_adjoint(y), x)
    constant = X * torch.polar(torch.ones(()).double(), torch.tensor(0.7).double())
    if maps is None:
        assert relative(homodyne(op(constant), op, torch.full((32, 40), 0.7).double()), constant) < 1e-12


def test_a_smooth_phase_is_found_in_the_middle():
    op = MRI(half(1, 1), MAPS)
    x = X * torch.polar(torch.ones_like(PHASE), PHASE)
    noise = 0.01 * crandom(1, 4, 32, 40)
    y = op(x) + op.mask * noise
    phase = low_resolution_phase(y, op)
    inside = X > 0.3
    assert float((torch.polar(torch.ones_like(PHASE), phase - PHASE) - 1).abs()[inside].mean()) < 0.1
    zero_filled = relative(op.A_adjoint(y).abs(), X)
    start = homodyne(y, op)
    assert relative(start.abs(), X) < 0.6 * zero_filled
    assert relative(pocs(y, op).abs(), X) < 0.6 * zero_filled
    fitted = (op @ KnownPhase(phase)).A_dagger(y, max_iter=20)
    assert relative(fitted.abs(), X) < 0.6 * zero_filled


def test_units_and_batches_do_not_matter():
    op = MRI(half(1, -1), MAPS)
    y = op(torch.cat((X, 2 * X.flip(-1))) + 0j)
    phase = low_resolution_phase(y, op)
    seen = (X > 0.3).expand(1, 1, 32, 40)  # elsewhere it is that of rounding
    assert float((low_resolution_phase(1e-8 * y, op) - phase)[:1][seen].abs().max()) < 1e-9
    assert float((low_resolution_phase(y[:1], op) - phase[:1])[seen].abs().max()) < 1e-9
    for function in (homodyne, pocs):
        both = function(y, op, PHASE)
        assert relative(both[1:], function(y[1:], op, PHASE)) < 1e-9
        assert relative(1e8 * function(1e-8 * y, op, PHASE), both) < 1e-9


def test_what_is_no_partial_fourier_is_said():
    y = MRI(torch.ones(32, 40))(X + 0j)
    with pytest.raises(ValueError, match="op: its mask lacks neither end"):
        homodyne(y, MRI(torch.ones(32, 40)))
    hole = torch.ones(32, 40)
    hole[:, 20] = 0
    with pytest.raises(ValueError, match="y: the middle of k-space is not measured"):
        low_resolution_phase(hole * y, MRI(hole))
    with pytest.raises(TypeError, match="op: expected operators.MRI, got NonCartesianMRI"):
        homodyne(y, NonCartesianMRI(radial_trajectory(3, 8), (4, 4)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="iterations: expected"):
        pocs(y, MRI(half(1, 1)), iterations=0)
    with pytest.raises(ValueError, match="y: expected shape"):
        homodyne(y[0], MRI(half(1, 1)))
    with pytest.raises(ValueError, match="phase: expected real"):
        KnownPhase(torch.ones(2, 2) + 0j)
    with pytest.raises(ValueError, match="phase: expected"):
        KnownPhase(torch.ones(2))
