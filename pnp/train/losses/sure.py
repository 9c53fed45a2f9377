"""Stein's unbiased risk estimate: the squared error of an estimator without the image, where noise is known."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ...arguments import one_of, positive
from ...likelihood import Likelihood, Poisson
from .evened import evened
from .measured import Estimator, MeasuredLoss, deviation, inner, measured_op, per_datum, real_count, seen, white

__all__ = ["SURE"]


class SURE(MeasuredLoss):
    r"""Stein's unbiased estimate of an estimator's error in the data, for white Gaussian noise, counts, or both.

    .. math:: \frac1M \Big( \|h(y) - y\|^2 - \sum_i v_i + 2 \sum_i v_i\, \partial_i h_i(y) \Big), \qquad h = A f

    with the variance :math:`v_i = \sigma_n^2 + \gamma y_i` of each of the M data; its expectation is
    :math:`E \|h(y) - A x\|^2 / M`, for the identity the error of the image. The derivatives are taken along one
    direction of random signs b, :math:`\sum v_i \partial_i h_i \approx b \odot v \cdot (h(y + \epsilon b) - h(y)) /
    \epsilon`. In squares of :math:`\sigma_n` (:class:`pnp.Gaussian`), or of one count
    (:class:`pnp.Poisson`). Uneven noise is whitened first.

    ``domain="filtered"`` lets the frequencies of the image count alike, as in :class:`Splitting`, with the ramp filter
    or the uniform weights W, of which :math:`w_i` is the diagonal:

    .. math:: \frac1M \Big( \langle h(y) - y, W (h(y) - y) \rangle - \sum_i w_i v_i
        + 2 \operatorname{tr} (W V\, \partial h) \Big)

    Its expectation is :math:`E \|W^{1/2} (h(y) - A x)\|^2 / M`, about the error of the image. All data are shown and
    all are the target, so that it scatters less than :class:`Splitting` and networks learn in fewer steps.

    Assumes: noise that is independent of datum to datum and of the image, of the level in the likelihood. For counts
    terms of :math:`\gamma^2 \partial_i^2 h_i` are left out, which networks of ReLU do not have. Says nothing of what
    A does not see; :class:`Equivariant` and :class:`Splitting` do.

    Args:
        gain: :math:`\gamma`, data of one count, of Gaussian noise on counts; a Poisson likelihood has its own.
        step: :math:`\epsilon` in deviations of the noise.
        domain: ``"data"``, or ``"filtered"`` (:class:`operators.Radon`, Fourier samples at points).

    Raises:
        ValueError: an argument is not positive, another ``domain``, or the likelihood has another kind of noise, or no
            level. TypeError: on use: an operator that ``"filtered"`` does not know.

    Stein 1981, doi:10.1214/aos/1176345632; random directions: Ramani, Blu, Unser 2008, doi:10.1109/TIP.2008.2001404;
    counts: Luisier, Blu, Unser 2011, doi:10.1109/TIP.2010.2073477, Le Montagner, Angelini, Olivo-Marin 2014,
    doi:10.1109/TIP.2014.2322445.

    >>> from operators import Identity, gaussian_noise
    >>> from pnp.likelihood import Gaussian
    >>> x = torch.zeros(1, 1, 64, 64)
    >>> half = SURE()(lambda y, _: y / 2, gaussian_noise(x, 0.1), Gaussian(Identity((64, 64)), 0.1), [0])
    >>> abs(half.item() - 0.25) < 0.05  # the noise of y / 2 is a quarter
    True
    """

    assumes = ("white", "level")

    def __init__(
        self, *, gain: float | None = None, step: float = 0.1, domain: Literal["data", "filtered"] = "data"
    ) -> None:
        one_of("domain", domain, ("data", "filtered"))
        self.gain = None if gain is None else positive("gain", gain)
        self.step, self.domain = positive("step", step), domain

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        op, known = measured_op(likelihood), seen(likelihood, y)
        variance, unit, offset = self._noise(y, likelihood, known)
        moved = self.step * torch.where(unit > 0, unit, torch.ones_like(unit)) * known
        if isinstance(likelihood, Poisson) or self.gain is not None:  # deviations of counts follow the data
            mean = per_datum(known * variance, known).sqrt()
            moved = self.step * known * mean.reshape(-1, *[1] * (y.ndim - 1)).clamp_min(torch.finfo(y.real.dtype).tiny)
        b = white(y, seeds, signs=True)
        at, near = f(y, likelihood), f(y + moved * b, likelihood)
        h, change = op.A(at) + offset, op.A(near - at)
        count, v = real_count(y, known), known * variance / unit.square()
        along = known * b * v * unit / torch.where(moved > 0, moved, torch.ones_like(moved))
        w, diagonal = (lambda r: r, known) if self.domain == "data" else evened(likelihood, known)
        rest = known * (h - y) / unit
        return per_datum(inner(rest, w(rest)) - count * diagonal * v + 2 * inner(w(along), change / unit), count)

    def _noise(self, y: Tensor, likelihood: Likelihood, known: Tensor) -> tuple[Tensor, Tensor, Any]:
        """Variance of each datum, unbiased, the unit that errors are counted in, and the background."""
        if isinstance(likelihood, Poisson):
            one = torch.full_like(y, 1 / likelihood.photons)
            return one * y * known, one, likelihood.background.to(y)
        std = deviation(likelihood, y, "SURE")
        if self.gain is None:
            return std.square(), std, 0.0
        if y.is_complex():
            raise ValueError("gain: counts are real, the data are complex")
        return std.square() + self.gain * y, std, 0.0

    def check(self, likelihood: Likelihood) -> None:
        if self.gain is not None and isinstance(likelihood, Poisson):
            raise ValueError("gain: a Poisson likelihood has its own, 1 / photons")
