"""Stein's estimate where the noise level is unknown."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...arguments import positive
from ...likelihood import Gaussian, Likelihood
from .measured import Estimator, MeasuredLoss, inner, measured_op, per_datum, real_count, seen, white

__all__ = ["UNSURE", "UnknownNoise"]


class UnknownNoise(nn.Module):
    r"""A model with a noise level that is learned beside it, for :class:`UNSURE`.

    Calls go to the model. The level is a parameter, so that optimiser, checkpoints and several processes treat it as
    the others.

    Args:
        model: any.
        noise_std: first guess, in the units of the data.

    Attributes:
        noise_std: the guess as it stands. It converges to the level of white noise only where no estimator without
            divergence does better; see :class:`UNSURE`.

    Raises:
        ValueError: the guess is not positive.

    >>> UnknownNoise(nn.Identity(), 0.5).noise_std
    0.5
    """

    def __init__(self, model: nn.Module, noise_std: float) -> None:
        super().__init__()
        self.model = model
        self.log_level = nn.Parameter(
            torch.tensor(math.log(positive("noise_std", noise_std)), dtype=torch.float64, device="cpu")
        )

    @property
    def noise_std(self) -> float:
        return round(float(self.log_level.detach().exp()), 12)

    def forward(self, *given: Any) -> Any:
        return self.model(*given)


class UNSURE(MeasuredLoss):
    r"""Stein's estimate with the variance as a multiplier, for white noise whose level is unknown.

    .. math:: \min_f \max_\eta\; \frac1M E \|h(y) - y\|^2 + \frac{2 \eta}{M} E \sum_i \partial_i h_i(y), \qquad h = A f

    The maximum asks for estimators without mean divergence; among them the first term is the error plus a constant,
    whatever the level. So the answer is a little worse than with :class:`SURE` and the right level, and better than
    with a wrong one. :math:`\eta` rises along its gradient with the model's own optimiser
    (:class:`UnknownNoise`). The value is divided by :math:`\eta`, as a constant.

    Assumes: white Gaussian noise of one level for all data, the same in all samples.

    Args:
        level: the module that holds the level, or a function that gives it.
        step: of the derivative, in deviations of the noise.

    Raises:
        TypeError: ``level`` is another module. ValueError: another likelihood.

    Tachella, Davies, Jacques 2025, arXiv:2409.01985.

    >>> from operators import Identity
    >>> from pnp.likelihood import Gaussian
    >>> model = UnknownNoise(nn.Conv2d(1, 1, 3, padding=1), 0.1)
    >>> UNSURE(model)(lambda y, _: model(y), torch.rand(2, 1, 8, 8), Gaussian(Identity((8, 8))), [0, 1]).shape
    torch.Size([2])
    """

    assumes = ("white",)

    def __init__(self, level: UnknownNoise | Callable[[], UnknownNoise], *, step: float = 0.1) -> None:
        if isinstance(level, UnknownNoise):
            held = level
            self._level: Callable[[], UnknownNoise] = lambda: held
        else:
            if isinstance(level, nn.Module) or not callable(level):
                raise TypeError(f"level: expected UnknownNoise(model, first_guess), got {type(level).__name__}")
            self._level = level
        self.step = positive("step", step)

    def check(self, likelihood: Likelihood) -> None:
        if type(likelihood) is not Gaussian:
            raise ValueError(
                f"likelihood: UNSURE is for Gaussian noise, got {type(likelihood).__name__}; SURE takes counts"
            )

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        op, known = measured_op(likelihood), seen(likelihood, y)
        log: Tensor = self._level().log_level.to(y.device)
        rising = (2 * (2 * log.detach() - log)).exp().to(y.real.dtype)  # the value of exp(2 log), the slope reversed
        now = (2 * log.detach()).exp().to(y.real.dtype)
        b, moved = white(y, seeds, signs=True) * known, self.step * now.sqrt()
        at, near = f(y, likelihood), f(y + moved * b, likelihood)
        h, change = op.A(at), op.A(near - at)
        count = real_count(y, known)
        value = known * (h - y).abs().square() + 2 * rising * inner(b, change) / moved
        return per_datum(value, count) / now
