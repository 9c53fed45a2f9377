"""Bins with gains of their own are told, objects are not."""

import math

import pytest
import torch

from operators import FanBeam, Radon
from operators.tomography.stripes import uneven_bins
from pnp import PnPADMM, Stop

N = 64
ROWS, COLUMNS = torch.meshgrid(*[torch.linspace(-1, 1, N)] * 2, indexing="ij")
OBJECTS = {
    "disc": (COLUMNS**2 + ROWS**2 < 0.5).float(),
    "ring": ((COLUMNS**2 + ROWS**2 < 0.5) & (COLUMNS**2 + ROWS**2 > 0.4)).float(),
    "aside": ((COLUMNS - 0.3) ** 2 + ROWS**2 < 0.2).float(),
    "square": ((COLUMNS.abs() < 0.5) & (ROWS.abs() < 0.4)).float(),
    "smooth": torch.exp(-(COLUMNS**2 + ROWS**2) / 0.1),
    "several": ((COLUMNS / 0.8) ** 2 + (ROWS / 0.6) ** 2 < 1) * 0.5
    + (((COLUMNS - 0.2) / 0.2) ** 2 + (ROWS / 0.3) ** 2 < 1) * 0.3,
}
SCANS = {
    "parallel": Radon(N, torch.linspace(0, math.pi, 121)[:-1]),
    "off centre": Radon(N, torch.linspace(0, math.pi, 121)[:-1], offset=1.3),
    "fan": FanBeam(N, torch.linspace(0, 2 * math.pi, 121)[:-1], source_distance=2.0 * N, detector_distance=1.0 * N),
}


def noisy(name, share, kind="several", seed=0):
    clean = SCANS[name].A(OBJECTS[kind][None, None])
    size = float(clean.square().mean().sqrt())
    return clean + share * size * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed)), share * size


@pytest.mark.parametrize("share", [0.0, 1e-3, 1e-2, 5e-2])
@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("name", SCANS)
def test_objects_are_no_stripes(name, kind, share):
    y, _ = noisy(name, share, kind)
    assert uneven_bins(y) == ()


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", SCANS)
def test_stripes_are_told_by_their_size(name, unit):
    y, _ = noisy(name, 1e-3)
    gains = 1 + 0.03 * torch.randn(y.shape[-1], generator=torch.Generator().manual_seed(1))
    (doubt,) = uneven_bins(unit * torch.cat((y, y * gains)))
    assert doubt.cause == "detector gains" and not doubt.sure and 1.5 < told([doubt]) < 6


def told(doubts):
    return float(doubts[0].words.split("about ")[1].split(" %")[0]) if doubts else 0.0


def test_the_report_names_them_and_removing_them_lessens_them():
    y, noise = noisy("parallel", 5e-3)
    y = y * (1 + 0.03 * torch.randn(y.shape[-1], generator=torch.Generator().manual_seed(1)))
    solver = PnPADMM(SCANS["parallel"], noise_std=noise, stop=Stop(max_iter=20))
    health = solver.solve(y).health
    assert health is not None and health.causes[0] == "detector gains"
    pytest.importorskip("algotom")
    from pnp.corrections.ct import remove_stripes

    assert told(uneven_bins(remove_stripes(y))) < 0.6 * told(uneven_bins(y))


@pytest.mark.parametrize("count", [64, 90])
def test_exchanged_axes_of_square_data_that_do_not_cover_the_image(count):
    op = Radon(N, torch.arange(count) * (math.pi / count), count)
    y = op.A(OBJECTS["several"][None, None])
    y = y + 0.01 * float(y.max()) * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    assert [d.cause for d in op.doubts(y)] == []
    assert [d.cause for d in op.doubts(y.mT.contiguous())] == ["geometry"]
