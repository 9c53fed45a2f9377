"""Noise of photographs of which only some pixels are measured: how much of what varies in their blocks is texture."""

import math

import torch
from torch import Tensor

from .patches import chi2_quantile, residues

__all__ = ["MARGIN", "SHARES", "curve", "describe", "spread", "textured"]

SHARES = (0.02, 0.01, 0.015, 0.05, 0.1, 0.2, 0.5)
_PIXELS, _SIDES = (20, 12), (8, 6)  # measured ones in a block, and its least side, for large blocks and small ones
_WEIGHTS = (
    0.02515, -0.15, 1.159, -1.433, -0.36, -0.07652, -0.2757, -0.0346, 1.026, 0.03462, 1.487, 0.03995, 0.5666,
    -0.02376, -0.01706, 0.1303, 0.2244, 0.2592, -0.08853, 1.137, -0.0187, -0.2007, 0.08875, 0.1525, -1.978, 0.01095,
    0.2272, 0.1301, 0.1527, 0.009828, 0.03539, 0.3488, 0.7263, 0.003294, -0.01122, 0.03902, 0.008493,
)  # fmt: skip
_SPREAD = (
    -2.777, -0.9446, -0.7416, -1.334, 5.37, 0.02957, 1.218, -1.048, -0.7161, 1.222, -4.521, -3.265, 0.6534, 0.3651,
    -0.0008318, -1.132, -1.058, 0.4993, 1.534, -9.032, -0.1808, -0.6125, 1.715, -2.359, 17.01, 1.398, -0.02528,
    -0.4761, -3.1, -0.0965, 0.1032, -1.094, -2.596, -0.009505, 0.009931, -0.1563, -0.1597,
)  # fmt: skip
_NEAREST, _FARTHEST = 1.1, 1.2  # a factor, and the double logarithm of 28
_STEEP = (2, 3, 5, 9, 13, 14)  # of the curve: at 5, 10 and 50 %, of small blocks at 5 %, the contrast, the share
MARGIN = 0.02  # that the logarithm of a spread is fitted with
_RANGE = (0.4, 1.0)  # of the correction


def textured(x: Tensor, measured: Tensor) -> Tensor:
    r"""Deviation of white noise in photographs (B, C, H, W) of which some pixels are ``measured``, (B,); infinite where
    there are too few for that.

    .. math:: \hat\sigma = q_{0.02}\, e^{w \cdot f}

    :math:`q_s` is the deviation that the share s of all blocks does not exceed, by the residues of quadratic surfaces
    (:func:`.patches.smoothest_blocks`). Noise is the same in all blocks, texture is not: f is the curve
    :math:`\log q_s / q_{0.02}`, that of smaller blocks, the contrast of the image, the share of its pixels, and
    products of these; w is fitted to photographs and drawings (``python -m benchmarks.noise_texture``). The correction
    is kept in 0.4 to 1.
    """
    low, high = (math.log(v) for v in _RANGE)
    levels = [
        math.inf if told is None else math.exp(float(told[0] + _dot(told[1], _WEIGHTS).clamp(low, high)))
        for told in map(curve, x, measured)
    ]
    return x.new_tensor(levels)


def spread(x: Tensor, measured: Tensor) -> Tensor:
    """By which factor an estimate of the noise of such images may be off, (B,), in nine of ten cases
    (``python -m benchmarks.noise_doubt``); 2 where there are too few pixels to tell."""
    logs = [
        math.log(math.log(2)) if told is None else float(_dot(told[1], _SPREAD)) for told in map(curve, x, measured)
    ]
    return x.new_tensor([max(math.exp(math.exp(min(v, _FARTHEST))), _NEAREST) for v in logs])


def _dot(f: Tensor, weights: tuple[float, ...]) -> Tensor:
    return describe(f) @ f.new_tensor(weights)


def curve(x: Tensor, measured: Tensor) -> tuple[Tensor, Tensor] | None:
    """log q of the smoothest large blocks of (C, H, W), and what else is told of it; ``None``: too few blocks."""
    share, logs = float(measured.double().mean()), []
    for pixels, least in zip(_PIXELS, _SIDES):
        side = max(least, math.ceil(math.sqrt(pixels / max(share, 1e-6))))
        if min(x.shape[-2:]) < side:
            return None
        squares, freedom = residues(x.double(), measured.double(), side, 2)
        if len(squares) < 100:
            return None
        quantiles = [(squares / chi2_quantile(freedom, s)).quantile(s) for s in SHARES]
        if not float(min(quantiles)) > 0:
            return None
        logs.append(torch.stack(quantiles).log() / 2)
    base = logs[0][0]
    contrast = base - x[measured].double().std().log()
    told = [logs[0][1:] - base, logs[1] - base, contrast[None], base.new_tensor([math.log(share)])]
    return base, torch.cat(told)


def describe(f: Tensor) -> Tensor:
    """What the correction is linear in, of (..., n) that :func:`curve` tells."""
    steep = f[..., torch.tensor(_STEEP, device=f.device)]
    products = steep[..., :, None] * steep[..., None, :]
    rows, columns = torch.triu_indices(steep.shape[-1], steep.shape[-1], device="cpu")
    return torch.cat((torch.ones_like(f[..., :1]), f, products[..., rows, columns]), -1)
