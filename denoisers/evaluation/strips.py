"""Convolutions of whole images in strips of rows that stay in the cache, with fewer products where it pays."""

from collections.abc import Iterator
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["conv_strips", "nhwc", "toom_cook"]

_STRIP = 2**21  # values of a strip, for each thread
_POINTS = (0.0, 1.0, -1.0, 0.5, -2.0, 2.0, -0.5)  # the best known: few and small, since each one costs digits
_OUTPUTS = 4  # rows that are computed together


@cache
def toom_cook(taps: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""Matrices (A, G, B) for four values of a correlation with ``taps`` weights, up to 5.

    .. math:: y_i = \sum_j w_j x_{i+j}, \quad y = A \big((G w) \odot (B x)\big)

    It takes taps + 3 products where the sums take four for each weight: polynomials are multiplied by their values at
    0, 1, -1, 1/2, ... and by their leading coefficients. In double precision. Winograd, Arithmetic Complexity of
    Computations, 1980, doi:10.1137/1.9781611970364; the points are those of Barabasz et al. 2020,
    doi:10.1145/3412380.

    >>> a, g, b = toom_cook(3)
    >>> x, w = torch.arange(6.0).double(), torch.tensor([1.0, 2.0, 3.0]).double()
    >>> torch.round(a @ ((g @ w) * (b @ x)), decimals=9).tolist()
    [8.0, 14.0, 20.0, 26.0]
    """
    size = taps + _OUTPUTS - 1
    points = torch.tensor(_POINTS[: size - 1], dtype=torch.float64, device="cpu")

    def powers(count: int) -> Tensor:
        leading = points.new_zeros(1, count)
        leading[0, -1] = 1
        return torch.cat((points[:, None] ** torch.arange(count, device="cpu"), leading))

    b = torch.linalg.inv(powers(size).T)
    scale = b.abs().amax(1, keepdim=True)  # rows of like size lose no digits to the largest
    return powers(_OUTPUTS).T.contiguous(), scale * powers(taps), b / scale


def conv_strips(x: Tensor, weight: Tensor, bias: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Images (B, C, H, W), mirrored about their edge pixels, correlated with (O, C, r, r): channels-last strips.

    Gives (image, first row, strip (1, O, R, W)) for all rows; a strip may begin above the end of the one before, and
    its memory is used again. Where there are channels enough, by :func:`toom_cook` along the columns: rounding errors
    are two to three times those of the sums. For CPUs, without derivatives; sides are greater than r // 2.

    >>> x, w = torch.rand(1, 2, 9, 8), torch.rand(3, 2, 3, 3)
    >>> y = torch.cat([strip for _, _, strip in conv_strips(x, w, torch.zeros(3))], 2)
    >>> torch.allclose(y, F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), w), atol=1e-6)
    True
    """
    few = min(weight.shape[:2]) < 32 or x.dtype != torch.float32 or weight.shape[2] != 5 or x.shape[2] < _OUTPUTS
    return (_direct if few else _by_values)(x, weight, bias)


def _rows_at_once(x: Tensor, weight: Tensor) -> int:
    return max(1, _STRIP * torch.get_num_threads() // (max(weight.shape[:2]) * x.shape[3]))


def _direct(x: Tensor, weight: Tensor, bias: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    reach, rows = weight.shape[2] // 2, _rows_at_once(x, weight)
    weight = weight.contiguous(memory_format=torch.channels_last)
    for image in range(len(x)):
        padded = nhwc(F.pad(x[image : image + 1], (reach,) * 4, mode="reflect"))
        for top in range(0, x.shape[2], rows):
            yield image, top, F.conv2d(padded[:, :, top : top + rows + 2 * reach], weight, bias)


def _by_values(x: Tensor, weight: Tensor, bias: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Four rows at once by Toom and Cook: their points' lines are convolved along the rows."""
    a, g, b = toom_cook(weight.shape[2])
    kernels = torch.einsum("pr,ocrk->pokc", g.to(weight.dtype), weight).contiguous()[:, :, None].movedim(-1, 2)
    a, b = a.to(x.dtype), b.to(x.dtype)
    (height, width), (outputs, channels), size, reach = x.shape[2:], weight.shape[:2], len(b), weight.shape[2] // 2
    most = max(1, min(_rows_at_once(x, weight), height) // _OUTPUTS)
    seen = x.new_empty(size, most, width + 2 * reach, channels)
    values, answer = x.new_empty(size, most, width * outputs), x.new_empty(most, _OUTPUTS, width * outputs)
    inside = seen[:, :, reach : reach + width].flatten(2)
    border = torch.arange(1, reach + 1, device=x.device)
    for image in range(len(x)):
        lines = x[image].permute(1, 2, 0).reshape(height, width * channels)
        for start in range(0, height, most * _OUTPUTS):
            tiles = min(most, -(-(height - start) // _OUTPUTS))
            top = min(start, height - tiles * _OUTPUTS)
            for tile in range(tiles):
                torch.mm(b, _window(lines, top + tile * _OUTPUTS - reach, size), out=inside[:, tile])
            seen[:, :tiles, reach - border] = seen[:, :tiles, reach + border]
            seen[:, :tiles, reach + width - 1 + border] = seen[:, :tiles, reach + width - 1 - border]
            for p, kernel in enumerate(kernels):  # the value at 1 enters all outputs alike, hence the bias there
                value = F.conv2d(seen[p, :tiles].permute(2, 0, 1)[None], kernel, bias if p == 1 else None)
                values[p, :tiles].view(1, tiles, width, outputs).copy_(value.permute(0, 2, 3, 1))
            torch.bmm(a.expand(tiles, -1, -1), values[:, :tiles].transpose(0, 1), out=answer[:tiles])
            yield image, top, answer[:tiles].view(1, tiles * _OUTPUTS, width, outputs).permute(0, 3, 1, 2)


def _window(lines: Tensor, start: int, count: int) -> Tensor:
    """``count`` lines from ``start`` on, mirrored about the first and the last one."""
    last = len(lines) - 1
    if start >= 0 and start + count <= len(lines):
        return lines[start : start + count]
    return lines[last - (last - torch.arange(start, start + count, device=lines.device).abs()).abs()]


def nhwc(x: Tensor) -> Tensor:
    """Channels-last, in strides too that tell it from the default where there is one channel: kernels choose by them.

    >>> nhwc(torch.zeros(1, 1, 4, 5)).stride()
    (20, 1, 5, 1)
    """
    c, h, w = x.shape[1:]
    x = x.contiguous(memory_format=torch.channels_last)
    return x.as_strided(x.shape, (c * h * w, 1, c * w, c)) if c == 1 else x
