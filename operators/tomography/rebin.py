"""From the rays of a fan to parallel ones: which view and bin has a ray, and what a ray counts that is seen twice."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Views", "even_views", "levelled", "ray_weights"]


class Views(NamedTuple):
    """Evenly spaced angles of a source, rising from ``start`` by ``step``, whatever the order they were given in.

    Attributes:
        which: the place of each given angle among them, (n,); angles a whole turn apart share one.
        full: whether they go all around.
    """

    start: float
    step: float
    count: int
    which: Tensor
    full: bool

    def merged(self, y: Tensor) -> Tensor:
        """Sinogram (..., n, bins) -> (..., count, bins), in the order of rising angles; means of equal ones."""
        which = self.which.to(y.device)
        sums = y.new_zeros(*y.shape[:-2], self.count, y.shape[-1]).index_add(-2, which, y)
        return sums / which.bincount()[:, None].to(y)

    def from_first(self, beta: Tensor) -> Tensor:
        """Angles ``beta`` as fractional places among the views, from -0.5."""
        return torch.remainder((beta - self.start) / self.step + 0.5, 2 * math.pi / self.step) - 0.5


def even_views(angles: Tensor) -> Views:
    """The views of a scan in rising order: any start, clockwise or not, more than a turn.

    Raises:
        ValueError: fewer than two different angles, or not evenly spaced within 2 %.

    >>> clockwise = -0.1 * torch.arange(4).double()
    >>> even_views(clockwise).which.tolist()
    [3, 2, 1, 0]
    """
    ordered, order = torch.remainder(angles.double(), 2 * math.pi).sort()
    gaps = torch.remainder(ordered.roll(-1) - ordered, 2 * math.pi)
    first = (int(gaps.argmax()) + 1) % len(ordered)  # the scan begins behind the widest gap
    order, places = order.roll(-first), torch.remainder(ordered.roll(-first) - ordered[first], 2 * math.pi)
    group = (places.diff(prepend=places[:1]) > 1e-5).cumsum(0)  # a turn apart, in single precision
    count = int(group[-1]) + 1
    which = torch.empty_like(group)
    which[order] = group
    places = torch.zeros(count, dtype=torch.float64, device="cpu").index_add_(0, group, places) / group.bincount()
    step = float(places[-1]) / max(count - 1, 1)
    full = 2 * math.pi - float(places[-1]) < 1.5 * step
    step = 2 * math.pi / count if full else step
    away = (places - step * torch.arange(count, device="cpu")).abs().max()
    if count < 2 or not float(away) <= 0.02 * step:
        raise ValueError("angles: expected evenly spaced views, two at least; A_dagger and solvers take any")
    return Views(float(ordered[first]), step, count, which, full)


def ray_weights(
    views: Views, theta: Tensor, gamma: Tensor, s: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    r"""What the parallel rays (theta, s) count, those at (theta + pi, -s) counting the rest, and whether either was
    measured, both (angles, bins).

    .. math:: \sin^2 \Big(\frac{\pi}{2} \frac{c}{c + c'}\Big)

    c is how far the ray is from where the measurement ends, c' the same of the opposite ray: 1/2 for a full turn,
    Parker's weights for a short scan, Wang's for a detector that reaches from ``low`` to ``high`` past the centre.

    Args:
        theta: angles, even in number, all around.
        gamma: of the rays within the fan, (bins,).
        s: symmetric about 0.

    Parker 1982, doi:10.1118/1.595078; Wang 2002, doi:10.1118/1.1489043.
    """
    place = views.from_first(theta[:, None] + gamma) + 0.5
    inside = torch.minimum(place, views.count - place).clamp_min(0) if not views.full else torch.ones_like(place)
    width, radius = high - low, float(s.abs().max())
    if abs(low + high) > 1e-6 * width and min(-low, high) < radius:
        inside = inside * ((s - low) if high > -low else (high - s)).clamp_min(1e-6 * width)
    opposite = inside.roll(len(theta) // 2, 0).flip(1)
    both = inside + opposite
    return torch.sin(math.pi / 2 * inside / both.clamp_min(1e-30)).square(), both > 0


def levelled(y: Tensor, shift: Tensor) -> Tensor:
    """Sinogram (B, C, angles, bins) of a detector that was ``shift`` (angles,) bins ahead, as one that was not sees it,
    by cubic interpolation; the outermost bins go on.

    >>> levelled(torch.arange(8.0).reshape(1, 1, 1, 8), torch.tensor([-1.0]))[0, 0, 0, 3].item()
    4.0
    """
    rows, bins = y.shape[-2:]
    column = torch.arange(bins, device=y.device, dtype=torch.float64) - shift.to(y.device)[:, None]
    row = torch.arange(rows, device=y.device, dtype=torch.float64)[:, None].expand(-1, bins)
    grid = torch.stack(((2 * column + 1) / bins - 1, (2 * row + 1) / rows - 1), -1).to(y)
    return torch.nn.functional.grid_sample(
        y, grid.expand(len(y), -1, -1, -1), mode="bicubic", padding_mode="border", align_corners=False
    )
