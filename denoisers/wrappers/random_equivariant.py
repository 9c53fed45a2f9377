"""A denoiser between a random flip or turn and its inverse, another one at each iteration."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from ..base import Wrapper

__all__ = ["RandomEquivariant"]


class RandomEquivariant(Wrapper):
    r"""One of the eight flips and turns around the denoiser, :math:`T^{-1} D_\sigma(T x)`, drawn for each iteration.

    Inside a solver the transform follows from ``seed`` and the iteration, so that a solve resumes with the same bits;
    outside of one it is the identity. :class:`denoisers.EquivariantDenoiser` is the mean of all eight, at eight times
    the price.

    Args:
        denoiser: any denoiser or callable ``(x, sigma)``.
        seed: another one draws other transforms.

    Terris, Moreau, Pustelnik, Tachella 2024, arXiv:2312.01831.

    >>> shifted = RandomEquivariant(lambda x, sigma: x.roll(1, -1))
    >>> x = torch.arange(4.0).reshape(1, 1, 2, 2)
    >>> len({str(shifted.at_iteration(k)(x, 0.1).tolist()) for k in range(20)}) > 1
    True
    """

    def __init__(self, denoiser: Callable[..., Tensor], *, seed: int = 0) -> None:
        super().__init__(denoiser)
        self.seed, self.transform = int(seed), 0

    def at_iteration(self, step: int) -> "RandomEquivariant":
        """The denoiser of an iteration."""
        other = copy.copy(self)
        other._modules = {**self._modules, "denoiser": self.denoiser.at_iteration(step)}
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) % 2**63)
        other.transform = int(torch.randint(8, (), generator=generator, device="cpu"))
        return other

    def forward(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Denoise (B, C, H, W) behind the transform of this iteration."""
        turns, flipped = self.transform % 4, self.transform >= 4
        x = x.flip(-1) if flipped else x
        clean = self.denoiser(torch.rot90(x, turns, (-2, -1)), sigma)
        clean = torch.rot90(clean, -turns, (-2, -1))
        return clean.flip(-1) if flipped else clean
