"""Density compensation: the area of k-space that each sample stands for."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..fourier.nufft import NUFFT, check_points
from ..shapes import Constant

__all__ = ["density_compensation"]


def density_compensation(
    points: Constant,
    image_shape: tuple[int, int],
    method: Literal["pipe", "voronoi"] = "pipe",
    *,
    iterations: int = 30,
) -> Tensor:
    r"""Weights (M,) that make :math:`A^* W y` an image, A with ``norm="ortho"``: a full Cartesian scan gets ones.

    ``"pipe"``: the fixed point of :math:`w \leftarrow w / (K w)`, where K correlates samples closer than a cell of
    the image's Fourier grid (a triangle window in the image, whose transform is positive). ``"voronoi"``: areas of
    the Voronoi cells, those at the edge closed by mirrored points; equal points share theirs.

    They are for gridding and for a first image; least squares and solvers need none.

    Raises:
        TypeError, ValueError: an argument does not fit.

    Pipe, Menon 1999, doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V; Rasche, Proksa, Sinkus,
    Boernert, Eggers 1999, doi:10.1109/42.774166.

    >>> side = 2 * torch.pi / 8 * (torch.arange(8) - 4)
    >>> grid = torch.stack(torch.meshgrid(side, side, indexing="ij")).flatten(1)
    >>> [density_compensation(grid, (8, 8), m).sub(1).abs().max().item() < 0.01 for m in ("pipe", "voronoi")]
    [True, True]
    """
    points = check_points(points)
    if method == "pipe":
        return _pipe(points.detach(), image_shape, iterations)
    if method == "voronoi":
        area = _voronoi(points.detach().double().cpu().numpy())
        return torch.from_numpy(area).to(points.device) * (image_shape[0] * image_shape[1] / (2 * np.pi) ** 2)
    raise ValueError(f"method: expected 'pipe' or 'voronoi', got {method!r}")


def _pipe(points: Tensor, image_shape: tuple[int, int], iterations: int) -> Tensor:
    twice = (2 * image_shape[0], 2 * image_shape[1])
    op = NUFFT(points, twice, eps=1e-6)
    window = torch.ones((), dtype=torch.float64, device=points.device)
    for axis, n in enumerate(image_shape):  # triangles that end with the field of view, on either side
        shift = (torch.arange(2 * n, dtype=torch.float64, device=points.device) - n) / n
        window = window * (1 - shift.abs()).reshape((-1, 1) if axis == 0 else (1, -1))
    window = window / (image_shape[0] * image_shape[1])
    w = torch.ones(1, 1, points.shape[1], dtype=torch.complex128, device=points.device)
    for _ in range(iterations):
        near = op.A(window * op.A_adjoint(w)).real
        w = w / near.clamp_min(1e-12 * float(near.max()))
    return w.real.flatten()


def _voronoi(points: np.ndarray) -> np.ndarray:
    from scipy.spatial import ConvexHull, KDTree, Voronoi

    unique, which, counts = np.unique(np.round(points.T, 12), axis=0, return_inverse=True, return_counts=True)
    if len(unique) < 4:
        raise ValueError("points: Voronoi cells need four different points or more")
    # points beyond the edge: mirror images of the samples in the hull, half a spacing outside
    hull = ConvexHull(unique)
    spacing = np.median(KDTree(unique).query(unique[np.unique(hull.simplices)], k=2)[0][:, 1])
    mirrored = []
    for *normal, offset in np.unique(np.round(hull.equations, 9), axis=0):
        distance = unique @ np.asarray(normal) + offset - spacing / 2
        near = distance > -3 * spacing
        mirrored.append(unique[near] - 2 * distance[near, None] * np.asarray(normal))
    cells = Voronoi(np.concatenate([unique, *mirrored]))
    area = np.empty(len(unique))
    for i, region in enumerate(cells.point_region[: len(unique)]):
        corners = cells.regions[region]
        area[i] = np.nan if -1 in corners else ConvexHull(cells.vertices[corners]).volume
    if np.isnan(area).any():
        area[np.isnan(area)] = np.nanmedian(area)
    return (area / counts)[which.reshape(-1)]
