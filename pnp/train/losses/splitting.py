"""Measurement splitting: a part of the data is predicted from the others."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ...arguments import one_of
from ...likelihood import Gaussian, Likelihood
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
    unit_square,
)
from .parts import part_of
from .splits import Split, by_field

__all__ = ["Splitting", "misfit"]

_KEPT = 16  # operators of parts, which are made once where the same part is drawn again


class Splitting(MeasuredLoss):
    r"""Data that were held out, against what a reconstruction of the others predicts.

    .. math:: \frac{1}{M_2} \|A_2 f(y_1, A_1) - y_2\|^2 - \sigma_n^2

    Its expectation is the error of f(y_1) in the data that it has not seen, :math:`E \|A_2 (f(y_1) - x)\|^2 / M_2`;
    in squares of :math:`\sigma_n`, or, where it is unknown, of the data that are seen, plus a constant. Other
    likelihoods give their own :math:`-\log p` of the data held out.

    Data weigh the frequencies of an image unevenly. ``domain="filtered"`` evens them out: the squares are
    :math:`\langle r, h * r \rangle` with the ramp filter h for tomography, and have uniform weights for visibilities,
    so that the error is about that of the image at the angles, or places of the Fourier plane, that are held out; the
    expectation holds as before. ``domain="image"`` compares with the direct reconstruction of the data held out,
    :math:`\|f(y_1) - B_2 y_2\|^2`, in squares of it (Noise2Inverse), which has artefacts where these are few.

    With ``density``, the probabilities p with which k-space was sampled, and those q of a sample to be seen again,
    each sample held out counts :math:`1 / (1 - k)`, :math:`k = (1 - p) / (1 - q p)`, so that the sum is over all of
    k-space that the network does not see and that may be sampled, and the mean over these (weighted SSDU).

    Assumes: noise that is independent between the two parts (not within them), and, for what no measurement of one
    operator sees, operators that differ from sample to sample.

    Args:
        split: which data are seen, such as :func:`pnp.train.losses.splits.angles`; by default as the field has it.
        domain: ``"data"``, ``"filtered"`` (:class:`operators.Radon`, Fourier samples at points) or ``"image"``.
        density: (H, W), with ``share``, the probability with which ``split`` holds a sample out.

    Raises:
        ValueError: another ``domain``; a density outside 0 ... 1, or without ``share``; on use: nothing is held out.
        TypeError: on use: an operator or a likelihood that ``"filtered"`` does not know.

    k-space: Yaman et al. 2020, doi:10.1002/mrm.28378, weighted: Millard, Chiew 2023, doi:10.1109/TCI.2023.3299212;
    angles: Hendriksen, Pelt, Batenburg 2020, doi:10.1109/TCI.2020.3019647, in the data: Gruber, Schwab, Gizewski,
    Haltmeier 2024, arXiv:2402.16921.

    >>> from operators import Radon
    >>> op = Radon(8, torch.arange(8) * 0.4)
    >>> fbp = lambda y, likelihood: likelihood.op.fbp(y)
    >>> Splitting()(fbp, op.A(torch.rand(2, 1, 8, 8)), Gaussian(op), [0, 1]).shape
    torch.Size([2])
    """

    def __init__(
        self,
        split: Split | None = None,
        *,
        domain: Literal["data", "filtered", "image"] = "data",
        density: Tensor | None = None,
        share: float | None = None,
    ) -> None:
        one_of("domain", domain, ("data", "filtered", "image"))
        if (density is None) != (share is None):
            raise ValueError("density, share: the weights need both")
        if density is not None and not bool(((density >= 0) & (density <= 1)).all()):
            raise ValueError("density: expected probabilities, 0 to 1")
        self.split, self.domain, self.density, self.share = split, domain, density, share
        self._made: dict[Any, Any] = {}

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        losses = []
        for row, seed in zip(y, seeds):
            losses.append(self._one(f, row[None], likelihood, stream(seed)))
        return torch.cat(losses)

    def _one(self, f: Estimator, y: Tensor, likelihood: Likelihood, g: torch.Generator) -> Tensor:
        op = measured_op(likelihood)
        keep, out = self.divided(y, likelihood, g)
        part, cut = self.part(likelihood, keep)
        x = f(cut(y), part)
        if self.domain == "image":
            rest, rest_of = self.part(likelihood, ~keep)
            with torch.no_grad():
                target = _direct(measured_op(rest), rest_of(y))
            unit = target.abs().square().mean().clamp_min(torch.finfo(y.real.dtype).tiny)
            return ((x - target).abs().square().mean() / unit)[None]
        if self.domain == "filtered":
            return _filtered(op.A(x), y, likelihood, out, keep)
        if self.density is None or self.share is None:
            return misfit(op.A(x), y, likelihood, out, shown=keep)
        p = self.density.to(y.real)
        again = 1 - self.share
        unseen = 1 - (1 - p) / (1 - again * p).clamp_min(1e-12)
        weights = 1 / unseen.clamp_min(1e-12)
        total = ((p > 0) * (1 - seen(likelihood, y) * keep)).flatten(1).sum(1)
        counted = misfit(op.A(x), y, likelihood, out, shown=keep, weights=weights)
        return counted * out.flatten(1).sum(1) / total

    def divided(self, y: Tensor, likelihood: Likelihood, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which data are seen, and which of the measured ones are held out, ones and zeros."""
        op, known = measured_op(likelihood), seen(likelihood, y)
        split = self.split or by_field(op)
        for _ in range(20):  # few data may all fall on one side
            keep = split(op, g).to(y.device)
            out = known * ~keep
            if bool(out.any()) and bool((known * keep).any()):
                return keep, out
        raise ValueError("split: holds out nothing that is measured, or everything")

    def part(self, likelihood: Likelihood, keep: Tensor) -> tuple[Likelihood, Any]:
        """The likelihood of a part, and what cuts it out; made once for the same operator and part."""
        key = (id(likelihood), keep.cpu().numpy().tobytes())
        if key not in self._made:
            while len(self._made) >= _KEPT:
                self._made.pop(next(iter(self._made)))
            self._made[key] = (likelihood, part_of(likelihood, keep))  # held, so that its id is not given again
        return self._made[key][1]

    def answer(self, f: Estimator, y: Tensor, likelihood: Likelihood, *, draws: int = 4, seed: int = 0) -> Tensor:
        """Mean of f over ``draws`` parts of the data, as it was trained: the answer of Noise2Inverse."""
        op, total = measured_op(likelihood), 0.0
        parts = {}
        for k in range(64 * draws):
            keep = (self.split or by_field(op))(op, stream(seed + k)).to(y.device)
            parts[keep.cpu().numpy().tobytes()] = keep
            if len(parts) == draws:
                break
        for keep in parts.values():
            part, cut = self.part(likelihood, keep)
            total = total + f(cut(y), part)
        return torch.as_tensor(total) / len(parts)


def _filtered(v: Tensor, y: Tensor, likelihood: Likelihood, out: Tensor, keep: Tensor) -> Tensor:
    """Misfit with the frequencies of the image alike; uneven noise is whitened first."""
    if type(likelihood) is not Gaussian:
        raise TypeError(f"domain: 'filtered' is for Gaussian noise, got {type(likelihood).__name__}")
    w, diagonal = evened(likelihood, out)
    free, count = likelihood.noise_std is None, real_count(y, out)
    rest = out * (v - y) / (1 if free else deviation(likelihood, y, "Splitting"))
    squares = inner(rest, w(rest))
    if free:
        return per_datum(squares, count) / unit_square(y, keep * seen(likelihood, y))
    return per_datum(squares - count * diagonal, count)


def _direct(op: Any, y: Tensor) -> Tensor:
    """The field's own direct reconstruction."""
    for name in ("fbp", "inverse"):
        if callable(getattr(op, name, None)):
            return getattr(op, name)(y)
    return op.A_dagger(y)


def misfit(
    v: Tensor,
    y: Tensor,
    likelihood: Likelihood,
    out: Tensor,
    *,
    shown: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """How far data ``v`` without noise are from ``y`` where ``out`` is one, (B,), in the units of :class:`Splitting`.

    Gaussian noise of known level: mean squares in units of it, less that of the noise; of unknown level: mean
    squares over those of the data ``shown``; other likelihoods: their mean value a datum.
    """
    count = real_count(y, out)
    if type(likelihood) is not Gaussian:
        inside, data = likelihood.given(v), likelihood.given(y)
        start = likelihood.as_data(data)
        return likelihood.value(torch.where(out > 0, inside, start), data) / count.flatten(1).sum(1)
    squares = out * (v - y).abs().square()
    squares = squares if weights is None else weights * squares
    level = likelihood.noise_std
    if level is None or not bool((torch.as_tensor(level) > 0).all()):
        given = seen(likelihood, y) * (1 if shown is None else shown)
        return per_datum(squares, count) / unit_square(y, given)
    noise = count if weights is None else weights * count
    return per_datum(squares / deviation(likelihood, y, "Splitting").square() - noise, count)
