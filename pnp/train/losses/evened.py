"""Squares of data in which an image's frequencies count alike."""

from collections.abc import Callable

import torch
from torch import Tensor

from operators.compose import Scaled
from operators.radio.interferometry import RadioInterferometry
from operators.tomography.fbp import filter_sinogram
from operators.tomography.radon import Radon

from ...likelihood import Likelihood
from .measured import measured_op

__all__ = ["evened"]


def evened(likelihood: Likelihood, known: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    r"""A positive matrix W of data, and its diagonal, so that :math:`\langle r, W r \rangle` is about the squared error
    of the image: the ramp filter of tomography, over its largest value, the uniform weights of visibilities over their
    mean.

    Args:
        known: ones where there are data, zeros elsewhere, (B, *out_shape).

    Raises:
        TypeError: another operator, or angles whose bins are not all known.

    >>> from operators import Radon
    >>> from pnp.likelihood import Gaussian
    >>> r = torch.eye(12)[None, None, 5:6].expand(1, 1, 4, 12)  # one bin of each of four angles
    >>> w, diagonal = evened(Gaussian(Radon(8, torch.arange(4) * 0.7)), torch.ones(1, 1, 4, 12))
    >>> round(w(r)[0, 0, 0, 5].item(), 4), round(w(r)[0, 0, 0, 6].item(), 4), diagonal.mean().item()
    (1.0, -0.4053, 1.0)
    """
    op = measured_op(likelihood)
    while isinstance(op, Scaled):
        op = op.operator
    if isinstance(op, RadioInterferometry):
        weights = op.weights("uniform").to(known)
        weights = (weights / weights.mean()).expand_as(known)
        return lambda r: weights * r, weights
    if not isinstance(op, Radon) or not bool((known == known[..., :1]).all()):
        raise TypeError(
            f"domain: 'filtered' is for RadioInterferometry, and for whole angles of Radon, got {type(op).__name__}"
        )
    spacing, one = op.detector_spacing, torch.zeros_like(known[:1, :1, :1])
    one[..., one.shape[-1] // 2] = 1
    peak = filter_sinogram(one, spacing, "ram-lak")[..., one.shape[-1] // 2].reshape(())
    return lambda r: filter_sinogram(r, spacing, "ram-lak") / peak, torch.ones_like(known)
