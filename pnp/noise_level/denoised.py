"""Noise of photographs: the level at which a denoiser takes away as much as it says."""

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers.base import Denoiser
from denoisers.evaluation.precision import full_precision
from denoisers.trained.default import default_denoiser
from operators.linalg import column
from operators.modes import exact

__all__ = ["consistent_level"]

_SIDE, _BLOCK = 128, 8
_PROBE = 0.1  # its size in units of the level
_MOST = 2  # levels that are looked at, but for the first
_NEAR = 0.03  # an excess this small ends the search
_FIRST = -0.5  # slope of the excess that the first step assumes
_SHALLOW = -0.25  # where it hardly changes, it says little about where it is zero
_FARTHEST = -math.log(2)
_CAUTIOUS = (
    -0.05
)  # photographs are above -0.01, white texture at -0.03; edges of drawings behind masks at -0.06 to -0.1
_RENEWED = 0.8  # of what stands where nothing is measured
_DRAWN = 3  # times; fewer leave it too rough, and the level too low; more too smooth, and the level too high
_REACH = 4  # pixels, of planes
_SEED = 6_203_117_911  # of nobody's noise


def consistent_level(y: Tensor, known: Tensor, counted: Tensor, level: Tensor) -> Tensor:
    r"""Deviation of white noise in images (B, n, H, W), (B,): ``level``, or less where a denoiser D knows texture.

    .. math::
        c(s) = \frac{\|y - D(y, s)\|}{s \sqrt{n - \operatorname{tr} D'(y, s)}} = 1

    in expectation if s is the deviation and D the mean of images given y (Tweedie, Stein); where s is too high, D
    takes away less than s, and c < 1. Secants in :math:`\log c` over :math:`\log s` from above, one probe for the
    trace, :math:`128^2` pixels where the image varies least: eight denoisings of these at most, whatever the size of
    the image, eleven where pixels are missing. Of drawings, whose edges it does not expect, D leaves more noise than
    the mean of images would, and c is too low; so D is asked first about its own answer, with what it leaves uncertain
    and with noise of a known level. Where c < 1 there, too, it is divided by that of the answer with known noise, at
    six more denoisings. What is not known begins as a plane through its surroundings and what
    a neighbour departs from that, and is drawn anew with each denoising, as D's answer and noise (Langevin),
    three times before the search.

    Args:
        known: (B, n, H, W), pixels that are measured.
        counted: (B, n, H, W), those of them that count; the others are looked at only.
        level: an estimate from above, > 0, finite.

    Stein 1981, doi:10.1214/aos/1176345632; Ramani, Blu, Unser 2008, doi:10.1109/TIP.2008.2001404.
    """
    found = []
    with exact(y), full_precision():
        for one, *there in zip(y / column(level, y), known, counted):  # in units of the level
            found.append(_consistent(*_smoothest_tile(one, *there)))
    return level * level.new_tensor(found)


def _consistent(y: Tensor, known: Tensor, counted: Tensor) -> float:
    """The level of one image (1, 1, h, w) at which log c is zero, one at most."""
    generator = torch.Generator().manual_seed(_SEED)

    def renewed(z: Tensor, clean: Tensor, at: float) -> Tensor:
        noise = torch.randn(y.shape, generator=generator, dtype=y.dtype).to(y.device)
        drawn = z + _RENEWED * (clean - z) + math.sqrt(1 - (1 - _RENEWED) ** 2) * math.exp(at) * noise
        return torch.where(known, y, drawn)

    plane = _local_planes(y, known)
    z = plane + _from_neighbours(y - plane, known)
    for _ in range(0 if bool(known.all()) else _DRAWN):
        z = renewed(z, _denoiser(y.device)(z, 1.0), 0.0)
    at, slope = 0.0, _FIRST
    excess, clean, spread = _excess(z, counted, at)
    cautious = excess <= -_NEAR and _own(z, counted, clean + spread, at) < _CAUTIOUS
    if cautious:
        excess -= min(_own(z, counted, clean, at), 0.0)
    for _ in range(_MOST):
        if excess > -_NEAR:
            break
        lower = at + max(-excess / slope, _FARTHEST)
        z = renewed(z, clean, at)
        value, clean, _ = _excess(z, counted, lower)
        if cautious:
            value -= min(_own(z, counted, clean, lower), 0.0)
        slope = min((value - excess) / (lower - at), _SHALLOW)
        at, excess = lower, value
    return math.exp(min(at + max(-excess / slope, _FARTHEST), 0.0))


def _own(y: Tensor, counted: Tensor, clean: Tensor, at: float) -> float:
    """log c of an image like the denoiser's answer, with noise of the level exp(at): zero, where it knows such ones."""
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(_SEED + 3), dtype=y.dtype).to(y.device)
    return _excess(torch.where(counted, clean + math.exp(at) * noise, y), counted, at)[0]


def _excess(y: Tensor, counted: Tensor, at: float) -> tuple[float, Tensor, Tensor]:
    """log c of an image (1, 1, h, w) at the level exp(at), the image denoised, and an example of what is uncertain
    of that: with the energy that the denoiser's trace has."""
    level, generator = math.exp(at), torch.Generator().manual_seed(_SEED + 1)
    probe = torch.randn(y.shape, generator=generator, dtype=y.dtype).to(y.device) * counted
    clean, moved = _denoiser(y.device)(torch.cat((y, y + _PROBE * level * probe)), level).chunk(2)
    count = int(counted.sum())
    left = float(((y - clean) * counted / level).square().sum())
    trace = float(((moved - clean) * probe).sum()) / (_PROBE * level)
    spread = (moved - clean) / _PROBE
    size = float((spread * counted).square().sum())
    spread = spread * (math.sqrt(max(trace, 0.0) / size) * level if size > 0 else 0.0)
    return 0.5 * math.log(max(left, 1e-6 * count) / max(count - trace, 1e-3 * count)), clean, spread


@cache
def _denoiser(device: torch.device) -> Denoiser:
    return default_denoiser("natural").to(device)


def _from_neighbours(y: Tensor, known: Tensor) -> Tensor:
    """Pixels that are not known have the value of any one nearby: as rough as known ones, which a mean would not be."""
    generator = torch.Generator().manual_seed(_SEED + 2)
    while not bool(known.all()):
        turn, old = torch.randint(4, y.shape, generator=generator).to(y.device), known
        for i, (shift, axis) in enumerate(((1, -1), (1, -2), (-1, -1), (-1, -2))):
            taken = ~old & (turn == i) & old.roll(shift, axis)
            y, known = torch.where(taken, y.roll(shift, axis), y), known | taken
    return y


def _local_planes(y: Tensor, known: Tensor) -> Tensor:
    """Planes fitted to the known pixels around each, (1, 1, h, w); zero, but for rounding, is left of smooth images."""
    t = torch.arange(-_REACH, _REACH + 1, dtype=y.dtype, device=y.device)
    rows, cols = torch.meshgrid(t, t, indexing="ij")
    basis = torch.stack((torch.ones_like(rows), rows / _REACH, cols / _REACH)).flatten(1)
    weight = torch.exp(-(rows**2 + cols**2) / (2 * (_REACH / 3) ** 2)).flatten()
    gram = torch.einsum("ip,jp,p->ijp", basis, basis, weight).flatten(0, 1)
    kernels = torch.cat((gram, basis * weight)).reshape(-1, 1, *rows.shape)
    sums = F.conv2d(known.to(y.dtype), kernels[:9], padding=_REACH)[0].movedim(0, -1).unflatten(-1, (3, 3))
    right = F.conv2d(y * known, kernels[9:], padding=_REACH)[0].movedim(0, -1)
    ridge = 1e-4 * torch.eye(3, dtype=y.dtype, device=y.device)
    return torch.linalg.solve(sums + ridge, right)[None, None, ..., 0]


def _smoothest_tile(y: Tensor, known: Tensor, counted: Tensor) -> list[Tensor]:
    """Of (n, H, W) and what belongs to its pixels the square of a channel with the least fine detail, (1, 1, h, w)."""
    whole = counted[..., 1:, 1:] & counted[..., 1:, :-1] & counted[..., :-1, 1:] & counted[..., :-1, :-1]
    detail = (y[..., 1:, 1:] - y[..., 1:, :-1] - y[..., :-1, 1:] + y[..., :-1, :-1]).abs() * whole
    sums = torch.stack((whole.to(y.dtype), detail))
    blocks = F.avg_pool2d(F.pad(sums, (0, 1, 0, 1)), _BLOCK, ceil_mode=True, count_include_pad=False)
    share, detail = F.avg_pool2d(blocks, [min(_SIDE // _BLOCK, n) for n in blocks.shape[-2:]], stride=1)
    mean = torch.where(share >= 0.9 * share.max(), detail / share, torch.inf)
    channel, *corner = (int(v) for v in torch.unravel_index(mean.argmin(), mean.shape))
    first = [min(_BLOCK * i, max(n - _SIDE, 0)) for i, n in zip(corner, y.shape[-2:])]
    return [
        v[None, None, channel, first[0] : first[0] + _SIDE, first[1] : first[1] + _SIDE] for v in (y, known, counted)
    ]
