"""Non-Cartesian MRI: the Cartesian operator on a grid, laws, trajectories, density compensation."""

import math

import numpy as np
import pytest
import torch

from operators import (
    MRI,
    NonCartesianMRI,
    check,
    density_compensation,
    load_trajectory,
    radial_trajectory,
    spiral_trajectory,
)
from operators.compose import Weighted
from tests.contracts import operator_laws


def random(*shape: int, seed: int = 0, dtype=torch.complex128) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def grid(h: int, w: int) -> torch.Tensor:
    sides = [2 * torch.pi * (torch.arange(n, dtype=torch.float64) - n // 2) / n for n in (h, w)]
    return torch.stack(torch.meshgrid(*sides, indexing="ij")).flatten(1)


def test_on_a_grid_it_is_the_cartesian_operator():
    maps, x = random(3, 6, 7), random(2, 1, 6, 7, seed=1)
    cartesian, op = MRI(torch.ones(6, 7), maps), NonCartesianMRI(grid(6, 7), (6, 7), maps)
    assert torch.allclose(op(x).reshape(2, 3, 6, 7), cartesian(x), atol=1e-11)
    assert torch.allclose(op.A_adjoint_A(x), cartesian.A_adjoint_A(x), atol=1e-10)


CASES = {
    "one coil": NonCartesianMRI(radial_trajectory(9, 14), (6, 7), threads=1),
    "coils": NonCartesianMRI(radial_trajectory(9, 14, golden=True), (6, 7), random(3, 6, 7), threads=1),
    "spiral": NonCartesianMRI(spiral_trajectory(4, 40, 2.0), (6, 5), random(2, 6, 5), threads=1),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", CASES)
def test_laws_and_doctor(name, dtype):
    operator_laws(CASES[name], dtype=dtype)
    report = check(CASES[name], dtype=dtype)
    assert report.ok, report


def test_maps_with_a_batch_axis():
    maps, p = random(3, 2, 5, 6), radial_trajectory(8, 12)
    operator_laws(
        NonCartesianMRI(p, (5, 6), maps, threads=1), singles=[NonCartesianMRI(p, (5, 6), m, threads=1) for m in maps]
    )


def test_weighted_normal_is_toeplitz_too():
    op, x = CASES["coils"], random(2, 1, 6, 7)
    w = random(op.out_shape[1], dtype=torch.float64).abs()
    whole = Weighted(w, shape=op.out_shape, dtype=torch.complex64) @ op
    assert torch.allclose(whole.A_adjoint_A(x), whole.A_adjoint(whole.A(x)), atol=1e-9)


def test_trajectories():
    p = radial_trajectory(4, 6).reshape(2, 4, 6)
    assert p[:, :, 3].abs().max() < 1e-12 and p.norm(dim=0).max().item() == pytest.approx(math.pi)
    assert p[:, 0, 5].tolist() == pytest.approx([0, 2 * math.pi / 3])  # along columns first
    golden = radial_trajectory(2, 6, golden=True).reshape(2, 2, 6)[:, 1, 5]
    assert math.degrees(math.atan2(*golden.tolist())) == pytest.approx(111.246, abs=1e-3)
    s = spiral_trajectory(2, 100, 5.0).reshape(2, 2, 100)
    assert torch.allclose(s[:, 0], -s[:, 1], atol=1e-12)
    assert torch.allclose(s.norm(dim=0).diff(dim=-1), torch.full((2, 99), math.pi / 100, dtype=torch.float64))


def test_trajectories_from_files(tmp_path):
    p = radial_trajectory(3, 5)
    np.save(tmp_path / "a.npy", p.numpy())
    np.save(tmp_path / "b.npy", p.T.reshape(3, 5, 2).numpy() / (2 * math.pi) * 32)  # cycles per field of view
    np.savetxt(tmp_path / "c.txt", p.T.numpy())
    np.savetxt(tmp_path / "d.csv", p.T.numpy(), delimiter=",")
    assert torch.equal(load_trajectory(tmp_path / "a.npy"), p)
    for name, scale in (("b.npy", 2 * math.pi / 32), ("c.txt", 1.0), ("d.csv", 1.0)):
        assert torch.allclose(load_trajectory(tmp_path / name, scale=scale), p, atol=1e-12)
    with pytest.raises(ValueError, match="exceed pi"):
        load_trajectory(tmp_path / "b.npy")
    np.save(tmp_path / "e.npy", np.zeros((3, 4)))
    with pytest.raises(ValueError, match="expected points"):
        load_trajectory(tmp_path / "e.npy")


@pytest.mark.parametrize("method", ["pipe", "voronoi"])
def test_density_of_spokes_is_a_ramp(method):
    n, spokes = 32, 52
    p = radial_trajectory(spokes, 2 * n)
    w = density_compensation(p, (n, n), method).reshape(spokes, 2 * n)
    radius = p.norm(dim=0).reshape(spokes, 2 * n)
    # area of a ring over its samples, in cells of the Cartesian grid
    expected = radius * (math.pi / spokes) * (math.pi / n) * n**2 / (2 * math.pi) ** 2
    inner = (radius > 0.3) & (radius < 2.8)
    assert ((w - expected) / expected)[inner].abs().mean() < 0.05


@pytest.mark.parametrize("method", ["pipe", "voronoi"])
def test_gridding_gives_a_first_image(method):
    n = 32
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, n, dtype=torch.float64)] * 2, indexing="ij")
    image = (torch.exp(-4 * (x**2 + 2 * y**2)) + 0j)[None, None]
    maps = torch.stack([torch.exp(-((x - c) ** 2 + y**2) / 4) for c in (-1.0, 1.0)]) + 0j
    for p in (radial_trajectory(52, 2 * n), spiral_trajectory(16, 400, 1.5)):
        op = NonCartesianMRI(p, (n, n), maps)
        assert (op.gridded(op(image), method) - image).norm() < 0.06 * image.norm()


@pytest.mark.parametrize(
    ("call", "error", "word"),
    [
        (lambda: NonCartesianMRI(radial_trajectory(3, 4), (4, 4), torch.ones(2, 4, 5) + 0j), ValueError, "coil_maps"),
        (lambda: NonCartesianMRI(radial_trajectory(3, 4).T, (4, 4)), ValueError, "points"),
        (lambda: radial_trajectory(0, 4), ValueError, "spokes"),
        (lambda: spiral_trajectory(1, 4, 0.0), ValueError, "turns"),
        (lambda: density_compensation(torch.zeros(2, 3), (4, 4), "area"), ValueError, "method"),  # type: ignore[arg-type]
        (lambda: density_compensation(torch.zeros(2, 3), (4, 4), "voronoi"), ValueError, "points"),
    ],
)
def test_bad_arguments_are_named(call, error, word):
    with pytest.raises(error, match=word):
        call()
