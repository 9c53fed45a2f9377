"""Stripes of a sinogram: detector bins with gains of their own, which make rings."""

import math

import torch
from torch import Tensor

from ..doubts import Doubt

__all__ = ["uneven_bins"]

_FEW = 32  # views and bins, at least
_FULL = 0.3  # of the largest mean ray, where gains show
_BEYOND = 3.0  # times what independent views leave: objects stay below two, but for round ones
_ALTERNATE = -0.45  # correlation of third differences: -0.75 of stripes, above of what is smooth
_ALIKE = 0.8  # of both sides: objects that are round about the centre are the same in all views, too


def uneven_bins(y: Tensor) -> tuple[Doubt, ...]:
    """The doubt about line integrals (B, C, views, bins) whose mean view is rougher than views that differ leave it.

    Third differences along the bins, which hold little of an object, are independent from view to view; their mean is
    smaller than they are by the root of the number of views, unless bins differ.
    """
    for one in y.detach().double():
        p = one.mean(0)
        ray = p.abs().mean(0)
        full = torch.nonzero(ray > _FULL * ray.max()).flatten().tolist()
        p = p[:, full[0] : full[-1] + 1] if full else p[:, :0]
        if min(p.shape) < _FEW:
            continue
        d = p.diff(n=3, dim=1)
        usual = (d.square().mean(0).sqrt() / math.sqrt(len(d))).median()
        mean = d.mean(0)
        rough = mean.abs().median() / 0.6745
        if not float(rough) > _BEYOND * float(usual) > 0:
            continue
        q = mean.clamp(-4 * mean.abs().median(), 4 * mean.abs().median())
        power = float(q.square().sum())
        if float((q[1:] * q[:-1]).sum()) > _ALTERNATE * power or _symmetry(q) > _ALIKE * power:
            continue
        share = 100 * float(rough / p.abs().mean(0).median()) / math.sqrt(20)
        words = f"bins of the detector differ by about {share:.2g} % in all views, which makes rings: divide by a flat "
        return (Doubt("detector gains", f"{words}field, or pnp.corrections.ct.remove_stripes(y)", sure=False),)
    return ()


def _symmetry(q: Tensor) -> float:
    """Largest product of third differences, odd about a centre, with their mirror image, whatever the centre."""
    n = 2 * len(q)
    f = torch.fft.rfft(q, n)
    return float((-torch.fft.irfft(f * f, n)).max())
