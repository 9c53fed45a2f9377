"""Images that are known to stay within bounds, or to be zero somewhere."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..base import Wrapper, sigma_column

__all__ = ["Bounded"]


class Bounded(Wrapper):
    r"""A denoiser, and the projection onto what images can be: :math:`\min(\max(D(x), l), h)`, zero off a support.

    A solver applies the bounds in the user's units, whatever units its denoiser has, to every answer of the denoiser,
    so that any constraint goes with any method.

    Args:
        denoiser: any denoiser or callable ``(x, sigma)``.
        low, high: bounds of the pixels, numbers or tensors that broadcast against images; ``None``: none.
        support: where images may differ from zero, a mask that broadcasts against them; ``None``: everywhere.
        slack: share of the noise level by which iterates may leave the bounds; the answer keeps them. What is left of
            noise on an empty sky has a mean of zero, which x >= 0 in every iteration would turn into a bias.

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
        if not 0 <= slack < float("inf"):
            raise ValueError(f"slack: expected a number >= 0, got {slack!r}")
        self.slack = float(slack)
        low, high, support = (_native(v) for v in (low, high, support))
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
        """The nearest image that obeys the constraints, but for their slack at a noise level (B,)."""
        for name, value in (("low", self.low), ("high", self.high), ("support", self.support)):
            if value is not None and not _fits(value, x):
                raise ValueError(f"{name}: shape {tuple(value.shape)} does not broadcast to images {tuple(x.shape)}")
        free = 0.0 if sigma is None or not self.slack else self.slack * sigma_column(sigma, x.real)
        if isinstance(free, Tensor):
            free = free.reshape(-1, *[1] * (x.ndim - 1))
        if x.is_complex() and (self.low is not None or self.high is not None):
            raise TypeError("low, high: complex images have no bounds; a support they may have")
        if self.low is not None:
            x = torch.maximum(x, self.low.to(x) - free)
        if self.high is not None:
            x = torch.minimum(x, self.high.to(x) + free)
        return x if self.support is None else torch.where(self.support, x, torch.zeros_like(x))

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise (B, C, H, W) and project; the bounds are in the units of ``x`` here."""
        return self.project(self.denoiser(x, sigma))


def _fits(value: Tensor, x: Tensor) -> bool:
    """Whether a constraint broadcasts to images."""
    pairs = zip(reversed(value.shape), reversed(x.shape), strict=False)
    return value.ndim <= x.ndim and all(n in (1, m) for n, m in pairs)


def _native(value: Any) -> Any:
    """Arrays of numpy's in this machine's byte order and running forwards, as torch takes them."""
    if not isinstance(value, np.ndarray):
        return value
    return np.array(value, dtype=value.dtype.newbyteorder("="))
