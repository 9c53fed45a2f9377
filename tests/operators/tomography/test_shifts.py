"""Detectors that are shifted, all views alike or each for itself: analytic ellipses, ASTRA, derivatives."""

import numpy as np
import pytest
import torch

from operators import FanBeam, Radon

from .ellipses import PHANTOM, image, sinogram
from .test_fanbeam import astra_rays, turn
from .test_radon import half_circle

JITTER = 3 * torch.randn(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
DISC = [(1.0, 0.5, 0.5, 0.2, -0.1, 0.0)]


def shifted(op: Radon, ellipses=PHANTOM) -> torch.Tensor:
    """The exact sinogram of a detector that every view shifts by its own."""
    bins = np.arange(op.detector_count + 1) - op.detector_count / 2
    shifts = np.broadcast_to(np.asarray(op.offset), len(op.angles))
    rows = [sinogram(op.image_shape[0], a[None], bins + c, ellipses) for a, c in zip(op.angles.numpy(), shifts)]
    return torch.from_numpy(np.stack(rows)).transpose(0, 1)[None]


def test_each_view_sees_ellipses_from_its_own_place():
    x = torch.from_numpy(image(64))[None, None]

    def error(op: Radon, seen: Radon) -> float:
        exact = shifted(seen)
        return float((op(x) - exact).norm() / exact.norm())

    still = Radon(64, half_circle(40), 101, offset=2.5)
    usual = error(still, still)
    assert usual < 0.035  # what pixels can do
    for offset in (JITTER, 20 + JITTER):
        op = Radon(64, half_circle(40), 101, offset=offset)
        assert error(op, op) < 1.1 * usual and error(op.with_offset(float(offset.mean())), op) > 3 * usual
    assert torch.equal(still.with_offset(torch.tensor(2.5))(x), still(x))


class Seen:
    """What :func:`astra_rays` places by hand, with shifts of each view."""

    def __init__(self, op: FanBeam) -> None:
        self.angles, self.source_distance, self.detector_distance = op.angles, op.source_distance, op.detector_distance
        self.detector_spacing, self.detector_count = op.detector_spacing, op.detector_count
        self.offset, self.centre_offset = (
            np.broadcast_to(np.asarray(v), len(op.angles))[:, None] for v in (op.offset, op.centre_offset)
        )


def test_astra_sees_the_same_from_a_jittering_source_and_detector():
    x = torch.from_numpy(image(64))[None, None].float().double()

    def error(op: FanBeam, seen: FanBeam) -> float:
        expected = torch.from_numpy(astra_rays(x[0, 0].numpy(), Seen(seen)))  # pyright: ignore[reportArgumentType]
        return float((op(x)[0, 0] - expected).norm() / expected.norm())

    op = FanBeam(64, turn(40), 200.0, 100.0, 100, detector_spacing=1.5)
    usual = error(op, op)
    assert usual < 0.015
    for options in ({"offset": JITTER}, {"centre_offset": JITTER}, {"offset": 9 + JITTER, "centre_offset": -JITTER}):
        moved = op.with_offset(**options)
        assert error(moved, moved) < 1.1 * usual and error(op, moved) > 5 * usual


def test_backprojection_knows_the_shifts():
    disc = torch.from_numpy(image(96, DISC))[None, None]
    op = Radon(96, half_circle(160), 141, offset=JITTER.repeat(4))
    assert (op.fbp(shifted(op, DISC)) - disc)[..., 42:64, 46:68].square().mean().sqrt() < 0.01
    half = Radon(96, 2 * half_circle(160), 90, offset=25 + JITTER.repeat(4) / 3)  # an offset detector all around
    assert (half.fbp(shifted(half, DISC)) - disc)[..., 42:64, 46:68].square().mean().sqrt() < 0.02
    still = FanBeam(96, turn(160), 200.0, 100.0, 181, detector_spacing=1.5)
    fan = still.with_offset(2 + JITTER.repeat(4))
    there, here = fan.fbp(fan(disc)), still.fbp(still(disc))
    assert (there - here)[..., 42:64, 46:68].square().mean().sqrt() < 0.01
    with pytest.raises(ValueError, match="centre_offset: rebin"):
        still.with_offset(centre_offset=JITTER.repeat(4)).fbp(fan(disc))


def test_a_short_scan_of_a_disc_equals_the_full_turn():
    from .test_fanbeam import rays

    step = 2 * torch.pi / 360
    views = {"full": 360, "short": 180 + 40}
    found = {}
    for name, count in views.items():
        op = FanBeam(96, step * torch.arange(count).double(), 250.0, 150.0, 241)
        found[name] = op.fbp(torch.from_numpy(rays(96, op, ellipses=DISC))[None, None])
    disc = torch.from_numpy(image(96, DISC))[None, None]
    inner = (slice(None), slice(None), slice(42, 64), slice(46, 68))
    assert (found["short"] - found["full"])[inner].abs().max() < 3e-3
    assert (found["full"] - disc)[inner].mean().abs() < 2e-3


def test_adjoints_and_normals():
    shifts = JITTER[:4] / 3
    for op in (
        Radon((5, 4), half_circle(4), 4, offset=JITTER[:4], threads=1),
        Radon((5, 4), half_circle(4), 15, offset=shifts, threads=1),
        FanBeam((5, 4), turn(4), 20.0, 10.0, 7, offset=shifts, centre_offset=-shifts, threads=1),
    ):
        rows = op(torch.eye(20, dtype=torch.float64).reshape(20, 1, 5, 4)).flatten(1)
        y = torch.randn(1, *op.out_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        assert torch.allclose(op.A_adjoint(y).flatten(), rows @ y.flatten(), atol=1e-9)
        normal = op.A_adjoint_A(torch.eye(20, dtype=torch.float64).reshape(20, 1, 5, 4)).flatten(1)
        assert torch.allclose(normal, rows @ rows.T, atol=1e-9)


def test_derivatives_by_the_shifts():
    x = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    one = torch.tensor(0.3, dtype=torch.float64).requires_grad_()
    each = torch.full((3,), 0.3, dtype=torch.float64).requires_grad_()
    straight, fan = Radon(4, half_circle(3), 9, threads=1), FanBeam(4, turn(3), 20.0, 10.0, 9, threads=1)
    y, gamma = straight(x), torch.tensor([2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda c: straight.with_offset(c).prox_l2(0 * x, y, gamma, rtol=1e-12), one)
    for c in (one, each):
        assert torch.autograd.gradcheck(lambda c: straight.with_offset(c)(x), c)
        assert torch.autograd.gradcheck(lambda c: straight.with_offset(c).fbp(y), c)
        assert torch.autograd.gradcheck(lambda c: fan.with_offset(c)(x), c)
        assert torch.autograd.gradcheck(lambda c: fan.with_offset(centre_offset=c)(x), c)


def test_what_a_shift_does_not_change_is_shared():
    op = Radon(16, half_circle(8), 33)
    x = torch.ones(1, 1, 16, 16)
    op.A_adjoint_A(x)
    near, far = op.with_offset(1.5), op.with_offset(30.0)
    assert near.nufft is op.nufft and near.covers and far.nufft is not op.nufft
    assert torch.equal(near.A_adjoint_A(x), op.A_adjoint_A(x))
    assert far.offset == 30.0 and op.offset == 0.0 and torch.equal(near.angles, op.angles)


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), ValueError), (torch.zeros(3), ValueError), ("left", TypeError), (torch.ones(8) * 1j, TypeError),
     (torch.tensor(float("inf")), ValueError), (True, TypeError)],
)  # fmt: skip
def test_bad_shifts_are_named(value, error):
    with pytest.raises(error, match="^offset: expected"):
        Radon(8, half_circle(8), offset=value)
    with pytest.raises(error, match="^centre_offset: expected"):
        FanBeam(8, turn(8), 20.0, 10.0, centre_offset=value)


def test_views_that_jitter_are_no_wrong_angles():
    op = Radon(64, half_circle(40), 141, offset=JITTER)
    y = shifted(op, DISC)
    assert op.doubts(y) == () and op.with_offset(0.0).doubts(y) != ()
