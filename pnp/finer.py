"""Solves on pixels finer than those of the answer, for data of objects that know no pixels."""

import copy
import warnings
from typing import Any, NamedTuple

from torch import Tensor, nn

from denoisers.wrappers.bounded import Bounded
from operators.shapes import check_factor

from .arguments import no_solver
from .likelihood import Gaussian
from .result import Result
from .solver import Solver

__all__ = ["FinerGrid", "FinerResult"]


class FinerResult(NamedTuple):
    """What :class:`FinerGrid` found; ``print(result)`` shows the report of the solve on fine pixels.

    Attributes:
        x: the images (B, C, H, W), means of the fine pixels.
        fine: the :class:`pnp.Result` on fine pixels, with all that is known: ``result.fine.plot()``, ``.save()``.
    """

    x: Tensor
    fine: Result

    @property
    def reason(self) -> str:
        """Why the solve on fine pixels ended."""
        return self.fine.reason

    @property
    def report(self) -> dict[str, Any]:
        """The report of the solve on fine pixels."""
        return self.fine.report

    def __str__(self) -> str:
        sides = (" x ".join(map(str, image.shape[-2:])) for image in (self.x, self.fine.x))
        return "{}\n  {} pixels, means of these {}".format(self.fine, *sides)


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
            :class:`operators.BeerLambert`, on :class:`operators.Slices`; any method, likelihood, strength. Bounds and
            supports of :class:`denoisers.Bounded` are those of the answer's pixels.
        factor: r, a whole number from 1 on.
        rays: of which the detector's bins are means, by default r: edges have frequencies beyond the detector's band,
            which measured bins fold back into it. 1: projections end at the band, as simulated ones of ``op`` do. Of
            :class:`operators.FanBeam` it changes nothing: its rays are points.

    Attributes:
        solver: that on fine pixels, for :func:`pnp.uncertainty`, :func:`pnp.replay` and other questions.

    Raises:
        TypeError: ``solver`` is none, or its operator knows no finer pixels. ValueError: ``factor``, ``rays``.

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
            raise no_solver(solver)
        likelihood = solver.likelihood
        op = likelihood.measured if isinstance(likelihood, Gaussian) else likelihood.op
        self.factor = check_factor(factor)
        rays = self.factor if rays is None else check_factor(rays, "rays")
        self.solver = solver.with_op(likelihood.with_op(op.finer(self.factor, rays)))
        _refine(self.solver, self.factor)

    def forward(self, y: Tensor) -> Tensor:
        """The images (B, C, H, W) of data ``y``."""
        result = self.solve(y)
        if result.fine.reason in ("diverged", "not_finite"):
            warnings.warn(f"FinerGrid: {result.fine.reason}: {result.fine.message}", RuntimeWarning, stacklevel=2)
        return result.x

    def solve(self, y: Tensor, **options: Any) -> FinerResult:
        """Images and all that is known about the solve on fine pixels; ``options`` are those of :meth:`Solver.solve`,
        for which images have fine pixels."""
        fine = self.solver.solve(y, **options)
        return FinerResult(block_means(fine.x, self.factor), fine)


def _refine(solver: Any, factor: int) -> None:
    """Give a solver, which is nobody else's, and what it wraps the constraints of finer pixels."""
    inner, several = getattr(solver, "solver", None), getattr(solver, "denoisers", None)
    if inner is not None:
        _refine(inner, factor)
        solver.denoiser = inner.denoiser
    elif several is not None:
        solver.denoisers = nn.ModuleList(_finer_bounds(d, factor) if isinstance(d, Bounded) else d for d in several)
        solver.denoiser = solver.denoisers[0]
    elif isinstance(solver.denoiser, Bounded):
        solver.denoiser = _finer_bounds(solver.denoiser, factor)


def _finer_bounds(denoiser: Bounded, factor: int) -> Bounded:
    """The same constraints, each pixel of them divided."""
    other = copy.copy(denoiser)
    other._buffers = dict(denoiser._buffers)
    for name, value in denoiser._buffers.items():
        for axis in (-2, -1):
            if value is not None and value.ndim >= -axis and value.shape[axis] > 1:
                value = value.repeat_interleave(factor, axis)
        other._buffers[name] = value
    return other


def block_means(x: Tensor, factor: int) -> Tensor:
    """Means over ``factor`` x ``factor`` pixels of images (B, C, H, W), real or complex."""
    for axis in (-2, -1):
        x = x.unflatten(axis, (x.shape[axis] // factor, factor)).mean(axis)
    return x
