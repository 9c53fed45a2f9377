"""Data made noisier, and what is left of them as a target: two independent draws of one."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ...arguments import one_of, positive
from ...likelihood import Gaussian, Likelihood, Poisson
from .evened import evened
from .measured import (
    Estimator,
    MeasuredLoss,
    deviation,
    inner,
    measured_op,
    per_datum,
    real_count,
    seen,
    stream,
    white,
)

__all__ = ["Noisier2Inverse", "Recorrupted"]

NoiseDraw = Callable[[Tensor, torch.Generator], Tensor]
"""Noise as the instrument's, of the shape of data (...) of one sample, from a generator."""


class Recorrupted(MeasuredLoss):
    r"""Recorrupted-to-Recorrupted: two measurements with independent noise, made of one whose noise is known.

    .. math:: y_1 = y + \alpha n', \quad y_2 = y - n' / \alpha, \qquad
        \frac1M \|A f(y_1) - y_2\|^2 - \sigma_n^2 (1 + \alpha^{-2}), \qquad n' \sim N(0, \sigma_n^2)

    Its expectation is the error of f at the noise level :math:`\sigma_n \sqrt{1 + \alpha^2}`, in squares of
    :math:`\sigma_n`; f is told that level. Counts N y are thinned instead: each count goes to the second measurement
    with probability :math:`\alpha^2 / (1 + \alpha^2)`, in squares of one count. :meth:`answer` takes the mean over
    draws of :math:`y_1`, as the network was trained.

    ``mirrored`` takes the mean with the same draw of the opposite sign: twice the work for far less scatter, so that
    small :math:`\alpha` can be learned with (:class:`SURE`, with the derivative over a finite step).
    ``domain="filtered"`` lets the frequencies of the image count alike, as in :class:`Splitting` and :class:`SURE`.

    Assumes: Gaussian noise of the level in the likelihood, white unless ``noise`` draws it as it is; or counts.

    Args:
        alpha: 0.1 to 2; small values change the network's input little and make the loss noisy.
        noise: ``noise(like, generator)`` draws n' with the covariance of the instrument, correlated noise included;
            the likelihood's level is not used then.
        mirrored: as above; not for counts.
        domain: ``"data"``, or ``"filtered"`` (:class:`operators.Radon`, Fourier samples at points).

    Raises:
        ValueError: ``alpha`` is not positive; another ``domain`` or kind of noise; counts ``mirrored``; a Poisson
            likelihood whose data are no counts. TypeError: on use: an operator that ``"filtered"`` does not know.

    Pang, Zheng, Quan, Ji 2021, doi:10.1109/CVPR46437.2021.00208; counts: Monroy, Bacca, Tachella 2025,
    arXiv:2412.04648.

    >>> from operators import Identity, gaussian_noise
    >>> from pnp.likelihood import Gaussian
    >>> x = torch.zeros(1, 1, 64, 64)
    >>> zero = Recorrupted()(lambda y, _: 0 * y, gaussian_noise(x, 0.1), Gaussian(Identity((64, 64)), 0.1), [0])
    >>> abs(zero.item()) < 0.3
    True
    """

    assumes = ("white", "level", "counts")

    def __init__(
        self,
        alpha: float = 0.5,
        *,
        noise: NoiseDraw | None = None,
        mirrored: bool = False,
        domain: Literal["data", "filtered"] = "data",
    ) -> None:
        one_of("domain", domain, ("data", "filtered"))
        self.alpha, self.noise = positive("alpha", alpha), noise
        self.mirrored, self.domain = mirrored, domain
        if noise is not None:
            self.assumes = ()

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        self.check(likelihood)
        op, known = measured_op(likelihood), seen(likelihood, y)
        w, diagonal = (lambda r: r, known) if self.domain == "data" else evened(likelihood, known)
        count = real_count(y, known)
        if isinstance(likelihood, Poisson):
            first, second = self._thinned(y, likelihood.photons, seeds)
            one = 1 / likelihood.photons
            answer = f(first, self._noisier(likelihood))
            rest = known * (op.A(answer) + likelihood.background.to(y) - second) / one
            own = second / (one * self.alpha**2 / (1 + self.alpha**2))
            return per_datum(inner(rest, w(rest)) - diagonal * own, count)
        n, unit = self._drawn(y, likelihood, seeds, known)
        told, squares = self._noisier(likelihood), []
        for sign in (1, -1) if self.mirrored else (1,):
            rest = known * (op.A(f(y + sign * self.alpha * n, told)) - y + sign * n / self.alpha) / unit
            squares.append(inner(rest, w(rest)))
        value = torch.stack(squares).mean(0)
        if self.noise is None:  # n is known: its own square is taken off as it is, not as its mean
            own = n / (unit * self.alpha)
            value = value - inner(own, w(own)) - count * diagonal
        return per_datum(value, count)

    def answer(self, f: Estimator, y: Tensor, likelihood: Likelihood, *, draws: int = 5, seed: int = 0) -> Tensor:
        """Mean of f over ``draws`` noisier measurements of the data."""
        known, total = seen(likelihood, y), 0.0
        for k in range(draws):
            seeds = [seed + k * len(y) + b for b in range(len(y))]
            if isinstance(likelihood, Poisson):
                first = self._thinned(y, likelihood.photons, seeds)[0]
            else:
                first = y + self.alpha * self._drawn(y, likelihood, seeds, known)[0]
            total = total + f(first, self._noisier(likelihood))
        return torch.as_tensor(total) / draws

    def check(self, likelihood: Likelihood) -> None:
        if self.mirrored and isinstance(likelihood, Poisson):
            raise ValueError("mirrored: counts are thinned, which has no opposite; leave it out")

    def _noisier(self, likelihood: Likelihood) -> Likelihood:
        """The likelihood of the first of the two."""
        more = (1 + self.alpha**2) ** 0.5
        if isinstance(likelihood, Poisson):
            return Poisson(likelihood.op, likelihood.photons / more**2, likelihood.background)
        assert isinstance(likelihood, Gaussian)
        if likelihood.deviations is not None:
            return Gaussian(likelihood.measured, more * likelihood.deviations)
        return likelihood if likelihood.noise_std is None else likelihood.with_noise(more * likelihood.noise_std)

    def _drawn(
        self, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], known: Tensor
    ) -> tuple[Tensor, Tensor | float]:
        """Noise as the instrument's, and the unit that errors are counted in."""
        if self.noise is None:
            std = deviation(likelihood, y, type(self).__name__)
            return known * std * white(y, seeds), std
        drawn = torch.stack([self.noise(row, stream(s)) for row, s in zip(y, seeds)])
        return known * drawn.to(y), 1.0

    def _thinned(self, y: Tensor, photons: float, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Two measurements of independent counts."""
        counts = photons * y
        whole = counts.round()
        if bool(((counts - whole).abs() > 1e-3 * (1 + counts.abs()) ** 0.5).any()) or bool((whole < 0).any()):
            raise ValueError("y: photons * y are no whole numbers, which thinning needs; check photons")
        p = self.alpha**2 / (1 + self.alpha**2)
        taken = torch.stack([
            torch.binomial(row.cpu(), torch.full_like(row.cpu(), p), stream(seed))
            for row, seed in zip(whole, seeds)
        ]).to(y)  # fmt: skip
        return (whole - taken) / (photons * (1 - p)), taken / (photons * p)


class Noisier2Inverse(Recorrupted):
    r"""Noisier data and a target beyond the data, for noise that may be correlated.

    .. math:: z = y + \alpha n', \qquad \frac1M \Big\| A f(z) - \frac{(1 + \alpha^2)\, y - z}{\alpha^2} \Big\|^2

    n' has the distribution of the noise, from ``noise``. The target stands where the mean of y given z leads beyond y,
    so that f is the answer itself and nothing has to be extrapolated afterwards. For Gaussian noise the expectation is
    the error of f at z plus a constant, :math:`E \|A f(z) - A x\|^2 / M + (1 + \alpha^{-2}) \mathrm{tr}\, C / M`, for
    every covariance C. In the units of the data squared.

    Assumes: Gaussian noise with the covariance that ``noise`` draws.

    Args:
        noise: ``noise(like, generator)``, such as :func:`pnp.train.losses.smeared_noise`.
        alpha: 0.5 to 2.
        mirrored, domain: as of :class:`Recorrupted`.

    Raises:
        TypeError: ``noise`` is no function. ValueError: ``alpha`` is not positive; another ``domain``.

    Gruber, Schwab, Gizewski, Haltmeier 2025, arXiv:2503.19468; after Moran, Schmidt, Zhong, Coady 2020,
    doi:10.1109/CVPR42600.2020.01208.

    >>> from operators import Identity
    >>> from pnp.likelihood import Gaussian
    >>> loss = Noisier2Inverse(smeared_noise(0.1, width=2))
    >>> loss(lambda z, _: z, torch.zeros(1, 1, 8, 8), Gaussian(Identity((8, 8))), [0]).shape
    torch.Size([1])
    """

    assumes = ()

    def __init__(
        self,
        noise: NoiseDraw,
        alpha: float = 1.0,
        *,
        mirrored: bool = False,
        domain: Literal["data", "filtered"] = "data",
    ) -> None:
        if not callable(noise):
            raise TypeError(f"noise: expected a function (like, generator), got {type(noise).__name__}")
        super().__init__(alpha, noise=noise, mirrored=mirrored, domain=domain)


def smeared_noise(std: float, *, width: int = 2) -> NoiseDraw:
    """Noise of deviation ``std`` that neighbouring bins of the last axis share: the mean of ``width`` neighbours' white
    noise, as a scintillator makes it, periodic.

    >>> n = smeared_noise(0.5, width=4)(torch.zeros(200, 200), torch.Generator().manual_seed(0))
    >>> abs(n.std().item() - 0.5) < 0.01, abs((n * n.roll(1, -1)).mean().item() / 0.25 - 0.75) < 0.02
    (True, True)
    """
    std = positive("std", std)
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"width: expected at least one, got {width!r}")

    def draw(like: Tensor, generator: torch.Generator) -> Tensor:
        n = torch.randn(like.shape, generator=generator, dtype=like.real.dtype, device="cpu")
        return std / width**0.5 * torch.stack([n.roll(k, -1) for k in range(width)]).sum(0)

    return draw
