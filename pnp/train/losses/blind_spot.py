"""One noisy image: pixels are predicted from their neighbours."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...likelihood import Likelihood
from .measured import Estimator, MeasuredLoss, measured_op, seen, stream
from .splitting import misfit

__all__ = ["BlindSpot"]


class BlindSpot(MeasuredLoss):
    r"""Noise2Void: on a lattice pixels are replaced by a neighbour's value, and have to be predicted.

    .. math:: \frac{1}{|J|} \|(A f(y_{J^c}))_J - y_J\|^2 - \sigma_n^2

    Its expectation is the error of f(y_{J^c}) on J, for noise of any distribution. A network learns from one image.
    Data are rows of neighbours, (B, C, H, W): images, sinograms, maps.

    Assumes: noise of mean zero, independent of datum to datum; neighbours tell of a pixel. Sharp details of one pixel
    are lost.

    Args:
        spacing: of the lattice J, in pixels, at least 2; its place is random.

    Raises:
        ValueError: ``spacing`` is below 2; on use: data without rows and columns, or fewer than it.

    Krull, Buchholz, Jug 2019, doi:10.1109/CVPR.2019.00223; Batson, Royer 2019, arXiv:1901.11365.

    >>> from operators import Identity
    >>> from pnp.likelihood import Gaussian
    >>> y = torch.ones(2, 1, 8, 8)
    >>> BlindSpot()(lambda y, _: y, y, Gaussian(Identity((8, 8))), [0, 1]).tolist()
    [0.0, 0.0]
    """

    assumes = ("white",)

    def __init__(self, spacing: int = 4) -> None:
        if not isinstance(spacing, int) or spacing < 2:
            raise ValueError(f"spacing: expected at least 2 pixels, got {spacing!r}")
        self.spacing = spacing

    def __call__(
        self, f: Estimator, y: Tensor, likelihood: Likelihood, seeds: Sequence[int], other: Any = None
    ) -> Tensor:
        if y.ndim < 4:
            raise ValueError(f"y: BlindSpot needs rows and columns of neighbours, (B, C, H, W), got {tuple(y.shape)}")
        if min(y.shape[-2:]) < self.spacing:
            raise ValueError(
                f"spacing: {self.spacing} of {y.shape[-2]} x {y.shape[-1]} data, some would have no lattice"
            )
        rows = [self._hidden(row, stream(seed)) for row, seed in zip(y, seeds)]
        replaced, hidden = (torch.stack(parts) for parts in zip(*rows))
        out = hidden * seen(likelihood, y)
        return misfit(measured_op(likelihood).A(f(replaced, likelihood)), y, likelihood, out)

    def _hidden(self, y: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Data of a sample with neighbours in place of those of the lattice, and where it is, (C, H, W) each."""
        height, width = y.shape[-2:]
        top, left = torch.randint(self.spacing, (2,), generator=g, device="cpu").tolist()
        lattice = torch.zeros(height, width, dtype=torch.bool, device=y.device)
        lattice[top :: self.spacing, left :: self.spacing] = True
        reach = min(2, self.spacing - 1)  # the lattice's own pixels are further away
        steps = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1) if (i, j) != (0, 0)]
        choice = torch.randint(len(steps), (height, width), generator=g, device="cpu").to(y.device)
        step = torch.tensor(steps, device=y.device)[choice]
        row = _inside(torch.arange(height, device=y.device)[:, None], step[..., 0], height)
        column = _inside(torch.arange(width, device=y.device), step[..., 1], width)
        return torch.where(lattice, y[..., row, column], y), lattice.expand(y.shape).to(y.real.dtype)


def _inside(place: Tensor, step: Tensor, count: int) -> Tensor:
    """A step is taken to the other side where it would leave the image."""
    to = place + step
    return torch.where((to < 0) | (to >= count), place - step, to).clamp(0, count - 1)
