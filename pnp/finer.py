"""Solves on pixels finer than those of the answer, for data of objects that know no pixels."""

import warnings
from typing import NamedTuple

from torch import Tensor, nn

from operators.shapes import check_factor

from .likelihood import Gaussian
from .result import Result
from .solver import Solver

__all__ = ["FinerGrid", "FinerResult"]


class FinerResult(NamedTuple):
    """What :class:`FinerGrid` found.

    Attributes:
        x: the images (B, C, H, W), means of the fine pixels.
        fine: the :class:`pnp.Result` on fine pixels.
    """

    x: Tensor
    fine: Result


class FinerGrid(nn.Module):
    r"""Solves on pixels ``factor`` times as fine, and gives their means.

    .. math:: x = M \hat x, \quad \hat x \text{ from } y = A_r \hat x + n

    M averages over r x r pixels, :math:`A_r` is ``op.finer(r, rays=r)``. Measured data show an object that is not made
    of pixels. Constant pixels as wide as the detector's bins can follow such data, but with values that are not the
    object's means; finer ones hold what the data hold, and give these means. It takes r² times the memory and time,
    and more time for the means over rays, whose normal operator is no convolution.
    Simulated data of little noise of an image on the very pixels of the answer lose (docs/strength.md).

    Args:
        solver: of line integrals: :class:`operators.Radon`, :class:`operators.FanBeam`, weighted, scaled or behind
            :class:`operators.BeerLambert`; any method, likelihood, strength.
        factor: r, a whole number from 1 on.
        rays: of which the detector's bins are means, by default r: edges have frequencies beyond the detector's band,
            which measured bins fold back into it. 1: projections end at the band, as simulated ones of ``op`` do.

    Attributes:
        solver: that on fine pixels, for :func:`pnp.uncertainty` and other questions.

    Raises:
        TypeError: ``solver`` is none, or its operator knows no finer pixels. ValueError: ``factor``.

    >>> import torch
    >>> from operators import Radon
    >>> from pnp import PnPADMM
    >>> op = Radon(16, torch.arange(20) * torch.pi / 20)
    >>> solver = FinerGrid(PnPADMM(op, noise_std=0.01))
    >>> result = solver.solve(op(torch.ones(1, 1, 16, 16)))
    >>> result.x.shape, result.fine.x.shape
    (torch.Size([1, 1, 16, 16]), torch.Size([1, 1, 32, 32]))
    """

    def __init__(self, solver: Solver, factor: int = 2, rays: int | None = None) -> None:
        super().__init__()
        if not isinstance(solver, Solver):
            raise TypeError(f"solver: expected a solver, got {type(solver).__name__}")
        for name, value in (("factor", factor), ("rays", rays or 1)):
            check_factor(value, name)
        likelihood = solver.likelihood
        op = likelihood.measured if isinstance(likelihood, Gaussian) else likelihood.op
        self.solver, self.factor = solver.with_op(likelihood.with_op(op.finer(factor, rays or factor))), factor

    def forward(self, y: Tensor) -> Tensor:
        """The images (B, C, H, W) of data ``y``."""
        result = self.solve(y)
        if result.fine.reason in ("diverged", "not_finite"):
            warnings.warn(f"FinerGrid: {result.fine.reason}: {result.fine.message}", RuntimeWarning, stacklevel=2)
        return result.x

    def solve(self, y: Tensor) -> FinerResult:
        """Images and all that is known about the solve on fine pixels."""
        fine = self.solver.solve(y)
        return FinerResult(block_means(fine.x, self.factor), fine)


def block_means(x: Tensor, factor: int) -> Tensor:
    """Means over ``factor`` x ``factor`` pixels of images (B, C, H, W), real or complex."""
    for axis in (-2, -1):
        x = x.unflatten(axis, (x.shape[axis] // factor, factor)).mean(axis)
    return x
