"""Noise of data that are more than an image determines."""

import torch
from torch import Tensor

from operators.base import LinearOperator
from operators.linalg import column, dot

__all__ = ["redundancy"]

_ITERATIONS = 30  # twice as many change the estimates by less than 0.1, and cost twice as much


def redundancy(op: LinearOperator, y: Tensor, noise: Tensor) -> Tensor:
    r"""Deviation of white noise in the data, (B,), from seeded ``noise`` of deviation one, (1 | B, *out_shape).

    .. math::
        \hat\sigma = \frac{\|R y\|}{\|R n\|}, \qquad
        R = I - A (A^* A + \epsilon g)^{-1} A^*, \quad g \approx \mathrm{mean\,diag}\, A^* A

    R leaves what no image explains: differences of visibilities that lie close together, of coils, of lines that cross,
    B modes of shear. Of an image of :math:`\|Ax\|` it leaves less than :math:`\tfrac12 \sqrt{\epsilon g}\, \|x\|`;
    :math:`\epsilon` falls from 1e-2 to 1e-4 as long as that may count. What model errors leave counts as noise.
    """
    tiny, parts = torch.finfo(y.real.dtype).tiny, 2 if y.is_complex() else 1
    size, total = parts * y[0].numel(), dot(y, y)
    images = [op.A_adjoint(y), op.A_adjoint(noise)]
    noise = noise.expand(len(images[1]), *noise.shape[1:])  # operators may hold a batch
    gain = dot(images[1], images[1]) / (images[1][0].numel() * (2 if images[1].is_complex() else 1))
    found, starts = torch.full_like(total, torch.inf), [torch.zeros_like(v) for v in images]
    done = torch.zeros_like(total, dtype=torch.bool)
    for epsilon in (1e-2, 1e-3, 1e-4):
        gamma, left = 1 / (epsilon * gain.clamp_min(tiny)), []
        for i, (data, loose) in enumerate(((y, 1), (noise, 10))):  # how well the noise is fitted hardly matters
            each = gamma.expand(len(data))
            b, rtol = column(each, images[i]) * images[i], 0.01 * loose * epsilon**0.5
            starts[i] = op.solve_normal(b, each, x0=starts[i], rtol=rtol, max_iter=_ITERATIONS)
            left.append(dot(*[data - op.A(starts[i])] * 2))
        level = torch.minimum(found, (left[0] / left[1].clamp_min(tiny)).sqrt())
        found = torch.where(done, found, level)
        done = done | (found**2 * size > epsilon * total)
        if bool(done.all()):
            break
    return found
