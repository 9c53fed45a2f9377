"""Tasks without a truth: measurements, or noisy images, and a loss of them alone."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.base import Denoiser
from operators.image.mask import Identity

from ...arguments import check_values
from ...io.measurement import Measurement
from ...likelihood import Gaussian, Likelihood, as_likelihood
from ...reconstructor import Reconstructor
from ...solver import Solver
from ..drawing import USUAL, Drawing, white_noise
from ..images import as_float, numbered_crop
from ..losses.assumptions import doubts_of
from ..losses.measured import Estimator, MeasuredLoss, check_loss, measured_op
from ..unrolled import FixedPoint, Unrolled
from .base import Drawn, Task

__all__ = ["NoisyCrops", "SelfSupervised", "estimator"]

_LOOKED_AT = 4  # measurements whose assumptions are looked at
_LARGE = 256  # pixels of an image that are looked at


def estimator(model: nn.Module) -> Estimator:
    """What a loss of data calls: a :class:`pnp.Reconstructor` or another module as ``model(y, op)``, solvers and
    unrolled ones with the likelihood, denoisers as ``model(y, noise_std)``; whatever is wrapped around it.

    Raises:
        ValueError: on use: a denoiser, and no noise level.
    """
    known = (Reconstructor, Unrolled, FixedPoint, Solver, Denoiser)
    kind = next((type(m) for m in model.modules() if isinstance(m, known)), nn.Module)

    def call(y: Tensor, likelihood: Likelihood) -> Tensor:
        if issubclass(kind, Denoiser):
            if likelihood.noise_std is None:
                raise ValueError("noise_std: a denoiser needs it, Gaussian(Identity(shape), noise_std)")
            return model(y, likelihood.noise_std)
        return model(y, likelihood if issubclass(kind, Unrolled | FixedPoint | Solver) else measured_op(likelihood))

    return call


class SelfSupervised(Task):
    """Measurements without a truth; the estimator (:func:`estimator`) learns from ``loss`` alone.

    Args:
        measurements: pairs (y, likelihood or operator), y (1, *out_shape), or :class:`pnp.io.Measurement`, whose slices
            count one by one. Those of one operator (the same object) make batches. Samples may have noise levels of
            their own.
        loss: such as :class:`pnp.train.losses.Splitting`.
        seconds: of each measurement a second one of the same image, for :class:`pnp.train.losses.Noise2Noise`.
        check: look at what the loss assumes in a few measurements, and warn of what they do not show.

    Raises:
        TypeError: ``loss`` is none of data alone. ValueError: there is no measurement, or one holds NaN; a noise level
            below zero; a loss that the likelihood does not fit; ``seconds`` that are the same data.

    >>> from operators import Inpainting
    >>> from pnp.train.losses import Splitting
    >>> op = Inpainting(torch.rand(8, 8) < 0.7)
    >>> task = SelfSupervised([(op.A(torch.rand(1, 1, 8, 8)), op)], Splitting(), batch=2)
    >>> model = Reconstructor(op, nn.Conv2d(1, 1, 3, padding=1))
    >>> task.loss(model, task.draw(0, range(2))).shape
    torch.Size([])
    """

    def __init__(
        self,
        measurements: Sequence[Any],
        loss: MeasuredLoss,
        *,
        batch: int,
        seconds: Sequence[Any] | None = None,
        check: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(batch, _no_criterion, seed=seed)
        check_loss(loss)
        self.measurements, self.measured_loss = _one_by_one(measurements), loss
        self.seconds = None if seconds is None else _one_by_one(seconds)
        if not self.measurements:
            raise ValueError("measurements: expected at least one")
        if self.seconds is not None and len(self.seconds) != len(self.measurements):
            raise ValueError(f"seconds: {len(self.seconds)} for {len(self.measurements)} measurements")
        for number, ((y, _), (other, _)) in enumerate(zip(self.measurements, self.seconds or ())):
            if torch.equal(y, other):
                raise ValueError(f"seconds: that of measurement {number} holds the same data, noise and all")
        loss.check(self.measurements[0][1])
        _say(loss, self.measurements[:_LOOKED_AT] if check else ())

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        chosen, seeds = [], []
        for g in self.generators(step, samples):
            chosen.append(int(torch.randint(len(self.measurements), (), generator=g, device="cpu")))
            seeds.append(int(torch.randint(2**40, (), generator=g, device="cpu")))
        first = _batched([self.measurements[i] for i in chosen])
        second = None if self.seconds is None else _batched([self.seconds[i] for i in chosen])
        return Drawn((first, second), torch.tensor(seeds, device="cpu"))

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        f, (first, second) = estimator(model), drawn.given
        seeds, values, at = drawn.target.tolist(), [], 0
        for number, (y, likelihood) in enumerate(first):
            other = None if second is None else tuple(second[number])
            values.append(self.measured_loss(f, y, likelihood, seeds[at : at + len(y)], other))
            at += len(y)
        return torch.cat(values).mean()


def _say(loss: MeasuredLoss, measurements: Iterable[tuple[Tensor, Likelihood]]) -> None:
    """Warn once of each cause of doubt."""
    said: set[str] = set()
    for y, likelihood in measurements:
        for doubt in doubts_of(loss, y, likelihood):
            if doubt.cause not in said:
                warnings.warn(f"{doubt.cause}: {doubt.words}", RuntimeWarning, stacklevel=3)
            said.add(doubt.cause)


def _no_criterion(x: Tensor, target: Tensor) -> Tensor:
    raise NotImplementedError("a loss of data has no target")


def _one_by_one(measurements: Sequence[Any]) -> list[tuple[Tensor, Likelihood]]:
    """Measurements (1, ...) and their likelihoods; one operator stays one object."""
    made: dict[int, Likelihood] = {}
    found: list[tuple[Tensor, Likelihood]] = []
    for one in measurements:
        if isinstance(one, Measurement):
            found += _slices(one)
            continue
        if not (isinstance(one, tuple | list) and len(one) == 2 and isinstance(one[0], Tensor)):
            raise TypeError("measurements: expected pairs, [(y, likelihood or operator), ...], or pnp.io.Measurement")
        y, op = one
        likelihood = made.setdefault(id(op), as_likelihood(op))
        likelihood.check(y)
        check_values(f"y of measurement {len(found)}", y)
        if likelihood.noise_std is not None:
            likelihood.known(y)  # a level that may be
        found += [(row[None], its) for row, its in zip(y, _each(likelihood, len(y)))]
    return found


def _each(likelihood: Likelihood, count: int) -> list[Likelihood]:
    """The likelihood of each sample: the same, unless they have levels of their own."""
    std = likelihood.noise_std
    if isinstance(likelihood, Gaussian) and likelihood.deviations is not None:
        std = likelihood.deviations
    if type(likelihood) is not Gaussian or not isinstance(std, Tensor) or not std.ndim or len(std) == 1:
        return [likelihood] * count
    return [Gaussian(likelihood.measured, std[i : i + 1]) for i in range(count)]


def _slices(m: Measurement) -> list[tuple[Tensor, Likelihood]]:
    op, std = m.operator(), m.noise_std
    if isinstance(std, Tensor) and std.ndim:
        return [(row[None], Gaussian(op, std[i] if std.ndim == 1 else std[i : i + 1])) for i, row in enumerate(m.y)]
    likelihood = Gaussian(op, std)
    return [(row[None], likelihood) for row in m.y]


def _batched(chosen: Sequence[tuple[Tensor, Likelihood]]) -> list[tuple[Tensor, Likelihood]]:
    """One batch where all have the same likelihood, else one after the other."""
    if all(likelihood is chosen[0][1] for _, likelihood in chosen):
        return [(torch.cat([y for y, _ in chosen]), chosen[0][1])]
    return [*chosen]


class NoisyCrops(Task):
    r"""Crops of images that are noisy themselves, for a denoiser that no clean image is shown.

    The images have white noise of the lowest of ``sigmas``; noise is added up to a level :math:`\sigma` of them, so
    that the denoiser learns all of these, by a loss of data such as :class:`pnp.train.losses.SURE`, weighted by
    :math:`\sigma` as in :class:`DenoiseCrops`. It warns where the noise of a few images is not of that level.

    Args:
        images: (C, H, W) each, noisy.
        sigmas: standard deviation of the noise in the images, and the highest level to learn.
        prepare: as in :class:`DenoiseCrops`.

    Raises:
        ValueError: ``sigmas`` are not 0 < lowest <= highest.

    >>> from denoisers import DRUNetDenoiser
    >>> from pnp.train.losses import SURE
    >>> task = NoisyCrops([0.1 * torch.randn(1, 16, 16)], SURE(), sigmas=(0.1, 0.2), crop=16, batch=2)
    >>> task.loss(DRUNetDenoiser(None, preset="fast"), task.draw(0, [0, 1])).shape
    torch.Size([])
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        loss: MeasuredLoss,
        *,
        sigmas: tuple[float, float],
        crop: int | None,
        batch: int,
        drawing: Drawing = USUAL,
        prepare: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch, _no_criterion, seed=seed)
        if not 0 < sigmas[0] <= sigmas[1] < math.inf:
            raise ValueError(f"sigmas: expected 0 < that of the images <= highest, got {sigmas}")
        self.images, self.measured_loss, self.sigmas = images, loss, sigmas
        self.crop, self.drawing, self.prepare = crop, drawing, prepare
        if prepare is None:
            _say(loss, (_middle(images[i], sigmas[0]) for i in range(min(len(images), _LOOKED_AT))))

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        (low, high), noisy, level, seeds = self.sigmas, [], [], []
        for g in self.generators(step, samples):
            _, y = numbered_crop(self.images, self.crop, g, self.drawing)
            y = y if self.prepare is None else self.prepare(y, g)
            u = torch.rand((), generator=g, device="cpu")
            s = low + (high - low) * u if self.drawing.levels == "uniform" else low * (high / low) ** u.sqrt()
            noisy.append(y + (s.square() - low**2).clamp(min=0).sqrt() * white_noise(y, g))
            level.append(s)
            seeds.append(int(torch.randint(2**40, (), generator=g, device="cpu")))
        y = torch.stack(noisy).contiguous(memory_format=torch.channels_last)
        return Drawn((y, torch.stack(level)), torch.tensor(seeds, device="cpu"))

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        y, level = drawn.given
        like = Gaussian(Identity((y.shape[-2], y.shape[-1]), channels=y.shape[1], in_dtype=y.dtype), level)
        value = self.measured_loss(lambda z, its: model(z, its.noise_std), y, like, drawn.target.tolist())
        return (value * level.to(value)).mean()


def _middle(image: Tensor, noise_std: float) -> tuple[Tensor, Likelihood]:
    """The middle of a noisy image, and its likelihood."""
    top, left = (max(0, (n - _LARGE) // 2) for n in image.shape[-2:])
    y = as_float(image)[None, :, top : top + _LARGE, left : left + _LARGE]
    return y, Gaussian(Identity((y.shape[-2], y.shape[-1]), channels=y.shape[1], in_dtype=y.dtype), noise_std)
