"""Spreading of values at scattered points onto a periodic grid, and interpolation, as small products of matrices."""

import itertools
import math
from typing import Any

import torch
from torch import Tensor

from ..modes import constant, exact

__all__ = ["Spreading"]

_TILES = 4, 8, 16, 32  # cells a side, and points that one product of matrices takes: the cheapest pair is taken
_BLOCKS = 16, 32, 64
_KEPT = 2**29  # bytes of weights that are kept from the second use on; more are computed whenever they are needed
_WORKING = {"cpu": 2**19}  # values worked on at a time: what a cache holds
_WORKING_ELSEWHERE = 2**26


class Spreading:
    r"""Interpolation on a periodic grid by the separable kernel :math:`\prod_k e^{\beta (\sqrt{1 - z_k^2} - 1)}`,
    :math:`z` the distance in units of half its width, and its adjoint, by the same weights.

    The grid is cut into tiles of ``tile`` cells a side, and points are sorted by the tile where their weights begin.
    The weights of a block of up to 64 points of a tile along one axis form a matrix with few zeros, so that the sums
    over the cells of that axis are one dense product; those over the other axes are element by element. Memory beyond
    points and grid is bounded, but for weights, which are kept up to 512 MiB from the second use on.

    Args:
        points: (d, M) in periods, doubles.
        grid: number of cells along each axis.
        width: of the kernel, in cells.

    Barnett, Magland, af Klinteberg 2019, doi:10.1137/18M120885X, for the kernel.
    """

    def __init__(self, points: Tensor, grid: tuple[int, ...], width: int) -> None:
        self.grid, self.width, self.beta = grid, width, 2.3 * width
        cells = torch.tensor(grid, dtype=points.dtype, device=points.device)[:, None]
        at = torch.remainder(points, 1) * cells + width // 2  # cells, the grid's first being number width // 2
        first = torch.ceil(at - width / 2)
        over = (first >= cells) * cells
        at, first = at - over, (first - over).long()
        self.tile, self.block = self._cheapest(first)
        self.side = self.tile + width - 1
        self.tiles = tuple((n - 1) // self.tile + 1 for n in grid)
        self._sort(at, first)
        self._weights: dict[torch.dtype, list[Tensor]] = {}
        self._used: set[torch.dtype] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_weights": {}, "_used": set()}

    def _number(self, first: Tensor, tile: int) -> Tensor:
        """Number of the tile in which each point's weights begin."""
        number = torch.zeros_like(first[0])
        for row, n in zip(first, self.grid):
            number = number * ((n - 1) // tile + 1) + row // tile
        return number

    def _cheapest(self, first: Tensor) -> tuple[int, int]:
        """Tile and block for which interpolation and spreading take least time, in nanoseconds of a CPU, about."""
        costs, d = {}, len(self.grid)
        for tile in _TILES:
            counts, side = torch.bincount(self._number(first, tile)), tile + self.width - 1
            tiles = math.prod(n / tile for n in self.grid)
            for block in _BLOCKS:
                blocks = int(((counts + block - 1) // block).sum())
                each = side ** (d - 1) * (0.14 * block * side + 1.3 * block + 2 ** (d - 1) * side) + 10 * block
                costs[tile, block] = blocks * each + 6 * tiles * side**d
        return min(costs, key=costs.__getitem__)

    def _sort(self, at: Tensor, first: Tensor) -> None:
        """Points into blocks: ``slot`` of each point, ``source`` of each slot, ``offset`` in the tile of its block."""
        number, order = torch.sort(self._number(first, self.tile), stable=True)
        tile, counts = torch.unique_consecutive(number, return_counts=True)
        blocks = (counts + self.block - 1) // self.block
        begin = counts.cumsum(0) - counts
        rank = torch.arange(len(order), device=at.device) - begin.repeat_interleave(counts)
        slot = ((blocks.cumsum(0) - blocks) * self.block).repeat_interleave(counts) + rank
        self.block_tile = tile.repeat_interleave(blocks)
        self.slot = torch.empty_like(slot)
        self.slot[order] = slot
        size = len(self.block_tile) * self.block
        self.source = torch.full((size,), len(order), device=at.device)  # empty slots take the zero after the values
        self.source[slot] = order
        self.offset = torch.full((len(at), size), -1e3, dtype=at.dtype, device=at.device)  # out of the kernel's reach
        self.offset[:, self.slot] = at - first // self.tile * self.tile
        self.offset = self.offset.unflatten(1, (-1, 1, self.block))
        self.at = torch.stack([  # (d, blocks): tile of each block along each axis
            self.block_tile // math.prod(self.tiles[k + 1 :]) % n for k, n in enumerate(self.tiles)
        ])  # fmt: skip

    # ---- weights

    def _computed(self, part: slice, dtype: torch.dtype) -> list[Tensor]:
        """Weights of a range of blocks along each axis, each (blocks, side, block)."""
        cells = torch.arange(self.side, dtype=torch.float64, device=self.offset.device)[:, None]
        weights = []
        for offset in self.offset:
            z = (cells - offset[part]).mul_(2 / self.width).square_()
            outside = z >= 1
            z = z.neg_().add_(1).clamp_min_(0).sqrt_().sub_(1).mul_(self.beta).exp_()
            weights.append(z.masked_fill_(outside, 0).to(dtype))
        return weights

    def _of(self, part: slice, dtype: torch.dtype) -> list[Tensor]:
        """What :meth:`_computed` gives, from what is kept where there is such."""
        kept = self._weights.get(dtype)
        return self._computed(part, dtype) if kept is None else [w[part] for w in kept]

    def _use(self, dtype: torch.dtype) -> None:
        """Keep the weights where they fit and are used again: the kernel of a normal operator needs them once."""
        blocks = len(self.block_tile)
        fit = len(self.grid) * blocks * self.side * self.block * dtype.itemsize <= _KEPT
        if fit and dtype in self._used and dtype not in self._weights:
            self._weights[dtype] = constant(lambda: self._all(dtype))
        self._used.add(dtype)

    def _all(self, dtype: torch.dtype) -> list[Tensor]:
        parts = (self._computed(part, dtype) for part in self._parts(0, len(self.block_tile), 1))
        return [torch.cat(axis) for axis in zip(*parts)]

    def _working(self) -> int:
        return _WORKING.get(self.offset.device.type, _WORKING_ELSEWHERE)

    def _parts(self, begin: int, end: int, channels: int) -> list[slice]:
        """Ranges of blocks that are worked on at a time."""
        d = len(self.grid)
        each = channels * self.side ** (d - 1) * (self.side + 2 * self.block) + d * self.side * self.block
        step = max(1, self._working() // each)
        return [slice(i, min(i + step, end)) for i in range(begin, end, step)]

    # ---- the maps

    def interpolate(self, grid: Tensor) -> Tensor:
        """Values (c, *grid), real, -> (c, M)."""
        c, d, dtype = len(grid), len(self.grid), grid.dtype
        self._use(dtype)
        for k, (n, tiles) in enumerate(zip(self.grid, self.tiles), 1):
            reach = (tiles - 1) * self.tile + self.side
            grid = torch.cat([grid.narrow(k, b, e) for b, e in _runs(-(self.width // 2), reach, n)], k)
        views = grid.movedim(0, -1)
        for k in range(d):
            views = views.unfold(k, self.side, self.tile)  # (*tiles, c, *sides)
        values = grid.new_empty(c, len(self.block_tile), self.block)
        for part in self._parts(0, len(self.block_tile), c):
            weights = self._of(part, dtype)
            cells = views[tuple(self.at[:, part])]  # (blocks, c, *sides)
            sums = _product(cells.reshape(len(cells), -1, self.side), weights[-1])
            for w in weights[-2::-1]:
                sums = (sums.unflatten(1, (-1, self.side)) * w[:, None]).sum(2)
            values[:, part] = sums.movedim(1, 0)
        return values.flatten(1).index_select(1, self.slot)

    def spread(self, values: Tensor) -> Tensor:
        """Values (c, M), real, -> (c, *grid): adjoint of :meth:`interpolate`."""
        c, d, dtype = len(values), len(self.grid), values.dtype
        self._use(dtype)
        values = torch.cat((values, values.new_zeros(c, 1)), 1)
        grid = values.new_zeros(c, *self.grid)
        row = math.prod(self.tiles[1:])
        rows = max(1, self._working() // (c * row * self.side**d))  # of tiles at a time
        starts = torch.arange(0, self.tiles[0] + rows, rows, device=values.device) * row
        ends = torch.searchsorted(self.block_tile, starts).tolist()
        for i, (begin, end) in enumerate(itertools.pairwise(ends)):
            if begin == end:
                continue
            here = min(rows, self.tiles[0] - i * rows)
            cells = values.new_zeros(here * row, c * self.side**d)
            for part in self._parts(begin, end, c):
                source = self.source[part.start * self.block : part.stop * self.block]
                sums = values.index_select(1, source).reshape(c, -1, self.block).movedim(1, 0)
                weights = self._of(part, dtype)
                for w in weights[:-1]:
                    sums = (sums[:, :, None] * w[:, None]).flatten(1, 2)
                sums = _product(weights[-1], sums.transpose(1, 2))  # (blocks, last side, c times the others)
                cells.index_add_(0, self.block_tile[part] - i * rows * row, sums.flatten(1))
            cells = cells.reshape(here, *self.tiles[1:], self.side, c, *(self.side,) * (d - 1))
            self._fold(cells.movedim(d, -1), i * rows, grid)
        return grid

    def _fold(self, cells: Tensor, first: int, grid: Tensor) -> None:
        """Add the cells (*tiles, c, *sides) of rows of tiles from the ``first`` on to a grid (c, *grid)."""
        d = len(self.grid)
        cells = cells.movedim(d, 0)  # (c, *tiles, *sides)
        for k in range(1, d + 1):
            cells = _joined(cells.movedim(d + 1, k + 1), k, self.tile)
        for k in range(d, 1, -1):
            n = self.grid[k - 1]
            out = cells.new_zeros(*cells.shape[:k], n, *cells.shape[k + 1 :])
            _add(out, cells, k, -(self.width // 2))
            cells = out
        _add(grid, cells, 1, first * self.tile - self.width // 2)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Products of matrices in the precision that they have, whatever torch is allowed elsewhere."""
    if a.dtype == torch.float64 or torch.get_float32_matmul_precision() == "highest":
        with exact(a):
            return torch.bmm(a, b)
    sums = a[:, :, :1] * b[:, :1]
    for k in range(1, a.shape[2]):
        sums.addcmul_(a[:, :, k, None], b[:, k, None])
    return sums


def _runs(start: int, length: int, n: int) -> list[tuple[int, int]]:
    """A range of a periodic axis of ``n`` cells as runs (begin, length) within one period."""
    runs = []
    while length > 0:
        begin = start % n
        take = min(n - begin, length)
        runs.append((begin, take))
        start, length = start + take, length - take
    return runs


def _joined(cells: Tensor, dim: int, tile: int) -> Tensor:
    """Overlapping tiles (dim) of cells (dim + 1) added into one axis."""
    tiles, side = cells.shape[dim : dim + 2]
    reach = -(-side // tile)
    out = cells.new_zeros(*cells.shape[:dim], tiles - 1 + reach, tile, *cells.shape[dim + 2 :])
    for r in range(reach):
        count = min(tile, side - r * tile)
        out.narrow(dim, r, tiles).narrow(dim + 1, 0, count).add_(cells.narrow(dim + 1, r * tile, count))
    return out.flatten(dim, dim + 1).narrow(dim, 0, (tiles - 1) * tile + side)


def _add(out: Tensor, cells: Tensor, dim: int, start: int) -> None:
    """Add cells along ``dim`` to a periodic axis, from cell ``start`` on."""
    done = 0
    for begin, count in _runs(start, cells.shape[dim], out.shape[dim]):
        out.narrow(dim, begin, count).add_(cells.narrow(dim, done, count))
        done += count
