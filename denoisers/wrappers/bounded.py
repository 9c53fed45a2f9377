"""Images that are known to stay within bounds, or to be zero somewhere."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import Wrapper, sigma_column

__all__ = ["Bounded"]

_RINGING = 3.0  # noise levels; what a denoiser leaves of noise stays within half of it


class Bounded(Wrapper):
    r"""A denoiser, and the projection onto what images can be: :math:`\min(\max(D(x), l), h)`, zero off a support.

    A solver applies the bounds in the user's units, whatever units its denoiser has, to every answer of the denoiser,
    so that any constraint goes with any method.

    Args:
        denoiser: any denoiser or callable ``(x, sigma)``.
        low, high: bounds of the pixels, numbers or tensors that broadcast against images; ``None``: none.
        support: where images may differ from zero, a mask that broadcasts against them; ``None``: everywhere.
        slack: share of the noise level by which iterates may leave the bounds where somewhere they would by three noise
            levels, as around sources that ring; where by half of that at most, iterates are free, and with all in
            between the farther the less. The answer keeps the bounds. What is left of noise on an empty sky has a mean
            of zero, which x >= 0 in every iteration would turn into a bias.

    Raises:
        ValueError: no constraint at all, or ``low`` above ``high``. TypeError: bounds for complex images.

    >>> Bounded(lambda x, sigma: x - 1, low=0)(torch.tensor([[[[0.5, 3.0]]]]), 0.1).tolist()
    [[[[0.0, 2.0]]]]
    """

    def __init__(
        self,
        denoiser: Callable[..., Tensor],
        *,
        low: float | Tensor | None = None,
        high: float | Tensor | None = None,
        support: Tensor | None = None,
        slack: float = 0.0,
    ) -> None:
        super().__init__(denoiser)
        if not isinstance(slack, Real) or not 0 <= slack < float("inf"):
            raise ValueError(f"slack: expected a number >= 0, got {slack!r}")
        self.slack = float(slack)
        low, high, support = (_native(n, v) for n, v in (("low", low), ("high", high), ("support", support)))
        if low is None and high is None and support is None:
            raise ValueError("low, high, support: give at least one constraint")
        for name, value in (("low", low), ("high", high)):
            bound = None if value is None else torch.as_tensor(value, dtype=torch.get_default_dtype())
            if bound is not None and bool(torch.isnan(bound).any()):
                raise ValueError(f"{name}: holds NaN")
            self.register_buffer(name, bound, persistent=False)
        if low is not None and high is not None and not bool((torch.as_tensor(low) <= torch.as_tensor(high)).all()):
            raise ValueError("low, high: expected low <= high")
        self.register_buffer("support", None if support is None else torch.as_tensor(support) != 0, persistent=False)

    low: Tensor | None
    high: Tensor | None
    support: Tensor | None

    def project(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        """The nearest image that obeys the constraints, but for the slack of each sample at a noise level (B,)."""
        for name, value in (("low", self.low), ("high", self.high), ("support", self.support)):
            if value is not None and not _fits(value, x):
                raise ValueError(f"{name}: shape {tuple(value.shape)} does not broadcast to images {tuple(x.shape)}")
        if x.is_complex() and (self.low is not None or self.high is not None):
            raise TypeError("low, high: complex images have no bounds; a support they may have")
        if self.low is not None:
            low = self.low.to(x)
            x = torch.maximum(x, low - self._free(low - x, sigma))
        if self.high is not None:
            high = self.high.to(x)
            x = torch.minimum(x, high + self._free(x - high, sigma))
        return x if self.support is None else torch.where(self.support, x, torch.zeros_like(x))

    def _free(self, beyond: Tensor, sigma: Tensor | None) -> Tensor | float:
        """How far pixels, now ``beyond`` a bound, may leave it."""
        if sigma is None or not self.slack:
            return 0.0
        level = sigma_column(sigma, beyond).reshape(-1, *[1] * (beyond.ndim - 1))
        worst = beyond.amax(tuple(range(1, beyond.ndim)), keepdim=True)
        return torch.maximum(_RINGING * level - worst, self.slack * level)

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise (B, C, H, W) and project; the bounds are in the units of ``x`` here."""
        return self.project(self.denoiser(x, sigma))


def _fits(value: Tensor, x: Tensor) -> bool:
    """Whether a constraint broadcasts to images."""
    pairs = zip(reversed(value.shape), reversed(x.shape), strict=False)
    return value.ndim <= x.ndim and all(n in (1, m) for n, m in pairs)


def _native(name: str, value: Any) -> Any:
    """Arrays of numpy's in this machine's byte order and running forwards, as torch takes them; a TypeError for what
    is no real number or array of them."""
    kind = str(getattr(value, "dtype", ""))
    if value is not None and (not isinstance(value, Real | Tensor | np.ndarray) or "complex" in kind):
        raise TypeError(f"{name}: expected a real number or tensor, got {value!r}")
    if not isinstance(value, np.ndarray):
        return value
    return np.array(value, dtype=value.dtype.newbyteorder("="))
