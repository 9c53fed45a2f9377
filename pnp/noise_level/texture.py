"""Noise of photographs of which only some pixels are measured: a network that has seen their texture."""

import math
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from denoisers.evaluation.precision import full_precision
from denoisers.weights import load_weights
from denoisers.weights.filling import fill
from operators.linalg import column
from operators.modes import exact

from .neighbours import STATISTICS, neighbours

__all__ = ["TextureNet", "textured"]

_WIDTHS, _STRIDES = (16, 16, 24, 24, 32, 32, 48, 48), (1, 1, 2, 1, 2, 1, 2, 1)
_HEADS, _HIDDEN, _MOST = 16, 48, 512
_LOWEST = 0.4  # of the level of smooth blocks
_NEAREST, _FARTHEST = 1.1, 1.2  # of the factor: the least, and the double logarithm of 28
_WIDER = 1.26  # its logarithm than the network says: as far as a fifth of right answers are called unsure


class TextureNet(nn.Module):
    r"""Level of white noise in images of which some pixels are measured: its logarithm, that of the level's own error,
    and the double logarithm of a factor that nine errors of ten do not exceed, (B, 3).

    Convolutions over :func:`.neighbours.neighbours`, from pixels to cells of 8 x 8; noise is the same in all cells and
    texture is not, so each head weighs the cells by itself (:math:`a_h` softmax over cells c) and tells the mean and
    deviation of its values, :math:`\sum_c a_{hc} v_{hc}`, to a layer that decides. Of an image c y it says what it says
    of y, plus log c.

    >>> TextureNet().eval()(torch.rand(2, 1, 40, 40), torch.ones(2, 1, 40, 40)).shape
    torch.Size([2, 3])
    """

    def __init__(self) -> None:
        super().__init__()
        wide = (STATISTICS, *_WIDTHS)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, s, 1) for a, b, s in zip(wide, wide[1:], _STRIDES))
        self.heads = nn.Conv2d(wide[-1], 2 * _HEADS, 1)
        self.gather = nn.Linear(2 * _HEADS + wide[-1] + 2, _HIDDEN)
        self.decide = nn.Linear(_HIDDEN, 3)

    def forward(self, y: Tensor, measured: Tensor) -> Tensor:
        """Of images (B, 1, H, W) and ones where they are ``measured``, zeros elsewhere."""
        own = self.decide.weight.dtype  # differences of small numbers are made in double precision
        cells, unit, told = (v.to(own) for v in neighbours((y * measured).double(), measured.double()))
        for layer in self.layers:
            new = F.relu(layer(cells))
            cells = new + cells if new.shape == cells.shape else new
        cells = cells.to(unit)  # from bfloat16, in training
        weights, values = self.heads(cells).to(unit).flatten(2).chunk(2, 1)
        weights = weights.softmax(-1)
        mean = (weights * values).sum(-1)
        deviation = ((weights * values.square()).sum(-1) - mean.square()).clamp_min(1e-6).sqrt()
        found = self.decide(F.relu(self.gather(torch.cat((mean, deviation, cells.mean((2, 3)), told), 1))))
        return found.to(unit) + F.pad(unit[:, None], (0, 2))


def textured(x: Tensor, measured: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Deviation of white noise in photographs (B, n, H, W) of which some pixels are ``measured``, (B,), 0.4 to 1 times
    ``level``, that of their smoothest blocks (> 0, finite); and the factor, 1.1 to 28, by which it may be off in nine
    of ten cases.

    :class:`TextureNet`, trained by ``python -m benchmarks.noise_texture``, is asked about each of the n images by
    itself, four ways up: the 512 x 512 pixels of which most are measured, where it is larger. The mean of its answers
    counts.
    """
    found = []
    with exact(x), full_precision():
        for one, there in zip(x / column(level, x), measured):  # in units of the level
            tiles = [_tile(*pair) for pair in zip(one.float(), there.float()) if bool(pair[1].any())]
            each = [_network(x.device)(*pair) for tile in tiles for pair in zip(*map(_turned, tile))]
            found.append(torch.cat(each).mean(0))
    log, _, doubt = torch.stack(found).to(x.dtype).unbind(1)
    doubt = (_WIDER * doubt.exp()).clamp_max(math.exp(_FARTHEST)).exp().clamp_min(_NEAREST)
    return level * log.clamp(math.log(_LOWEST), 0).exp(), doubt


def _tile(y: Tensor, measured: Tensor) -> list[Tensor]:
    """Of (H, W) the part that is looked at, (1, 1, h, w)."""
    rows, columns = (measured.amax(axis).nonzero()[:, 0] for axis in (1, 0))
    y, measured = (v[None, None, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] for v in (y, measured))
    sides = [min(n, _MOST) for n in y.shape[-2:]]
    share = F.avg_pool2d(measured, sides, stride=64)[0, 0]
    a, b = (64 * v for v in divmod(int(share.argmax()), share.shape[1]))
    return [v[..., a : a + sides[0], b : b + sides[1]] for v in (y, measured)]


def _turned(x: Tensor) -> tuple[Tensor, ...]:
    """As it is, by half a turn, mirrored at either diagonal."""
    return x, x.flip(-2, -1), x.mT, x.mT.flip(-2, -1)


@cache
def _network(device: torch.device) -> TextureNet:
    place = Path(__file__).with_name("texture-v1.safetensors")
    state, _ = load_weights(str(place), family="noise-level")
    network = TextureNet().float().eval().requires_grad_(False)
    fill(network, state, place.name)
    return network.to(device)
