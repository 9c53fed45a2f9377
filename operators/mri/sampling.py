"""Which k-space samples an accelerated scan takes: masks (H, W), True where measured, zero frequency at n // 2."""

import numpy as np
import torch
from torch import Tensor

from ..shapes import check_number, check_seed, image_axes

__all__ = ["equispaced_columns", "poisson_disc", "random_columns"]


def _check_acceleration(acceleration: float) -> None:
    if not 1 <= check_number("acceleration", acceleration) < np.inf:
        raise ValueError(f"acceleration: expected a finite number >= 1, got {acceleration}")


def _centre(width: int, acceleration: float, center_fraction: float) -> tuple[slice, int]:
    _check_acceleration(acceleration)
    if not 0 <= center_fraction <= 1 / acceleration:
        raise ValueError(
            f"acceleration, center_fraction: the centre alone, {center_fraction} of the columns, is more than "
            f"1 / acceleration = {1 / acceleration:.3g}"
        )
    count = round(width * center_fraction)
    start = (width - count + 1) // 2
    return slice(start, start + count), count


def random_columns(
    image_shape: tuple[int, int], acceleration: float, center_fraction: float = 0.08, *, seed: int = 0
) -> Tensor:
    """Columns taken at random, those of the centre always; the expected share is 1 / acceleration (fastMRI's rule).

    Zbontar et al. 2018, arXiv:1811.08839.

    >>> mask = random_columns((8, 320), 4.0, 0.08)
    >>> bool(mask[:, 148:172].all()), 50 < int(mask[0].sum()) < 110
    (True, True)
    """
    _, height, width = image_axes(image_shape)
    centre, count = _centre(width, acceleration, center_fraction)
    share = (width / acceleration - count) / max(width - count, 1)
    line = torch.rand(width, generator=torch.Generator().manual_seed(check_seed(seed)), device="cpu") < share
    line[centre] = True
    return line.expand(height, width).clone()


def equispaced_columns(
    image_shape: tuple[int, int], acceleration: float, center_fraction: float = 0.08, *, offset: int = 0
) -> Tensor:
    """Columns at equal distances besides those of the centre; their spacing is stretched so that the share of all
    columns taken is 1 / acceleration (fastMRI's rule). ``offset`` shifts the comb.

    Zbontar et al. 2018, arXiv:1811.08839.

    >>> int(equispaced_columns((8, 320), 4.0, 0.08)[0].sum())
    80
    """
    _, height, width = image_axes(image_shape)
    centre, count = _centre(width, acceleration, center_fraction)
    line = torch.zeros(width, dtype=torch.bool, device="cpu")
    line[centre] = True
    wanted = width / acceleration - count  # besides the centre
    if wanted > 0:
        spacing = (width - count) / wanted
        places = torch.arange(offset % spacing, width - 1 + 1e-9, spacing, dtype=torch.float64, device="cpu")
        line[places.round().long().clamp(max=width - 1)] = True
    return line.expand(height, width).clone()


def poisson_disc(
    image_shape: tuple[int, int],
    acceleration: float,
    *,
    calibration: int = 24,
    slope: float = 6.0,
    seed: int = 0,
) -> Tensor:
    """Variable-density Poisson disc: random samples, none closer to another than a radius that grows outwards.

    The radius is (1 + slope d) times a base, d the distance from the centre (1 at the edges); the base is found by
    bisection, so that the share of samples, the fully sampled ``calibration`` square included, is 1 / acceleration
    (where the pixel grid allows it within 2 %). Lustig, Donoho, Pauly 2007, doi:10.1002/mrm.21391.

    Raises:
        ValueError: no base radius comes within 10 % of that acceleration, or the calibration square is too large.

    >>> mask = poisson_disc((64, 64), 4.0, calibration=12)
    >>> abs(mask.float().mean().item() * 4 - 1) < 0.05
    True
    """
    _, height, width = image_axes(image_shape)
    _check_acceleration(acceleration)
    if calibration < 0:
        raise ValueError(f"calibration: expected a number of samples >= 0, got {calibration}")
    if not 0 <= slope < np.inf:
        raise ValueError(f"slope: expected a finite number >= 0, got {slope}")
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot((rows - height // 2) / (height / 2), (columns - width // 2) / (width / 2))
    box = (abs(rows - height // 2) < calibration / 2) & (abs(columns - width // 2) < calibration / 2)
    target = height * width / acceleration
    if box.sum() > target:
        raise ValueError(
            f"calibration: a square of {calibration} alone exceeds 1 / {acceleration} of the samples; "
            f"calibration={int(target**0.5)} fits"
        )
    order = np.random.default_rng(check_seed(seed)).permutation(height * width)
    low, high = 0.0, float(max(height, width))
    best = box
    for _ in range(24):
        base = (low + high) / 2
        mask = _throw_darts(base * (1 + slope * distance), order) | box
        if abs(mask.sum() - target) < abs(best.sum() - target):
            best = mask
        if abs(mask.sum() / target - 1) < 0.02:
            break
        low, high = (base, high) if mask.sum() > target else (low, base)
    if abs(best.sum() / target - 1) > 0.1:  # radii between pixel distances make no difference, so shares are coarse
        raise ValueError(f"acceleration: no Poisson disc on {image_shape} comes within 10 % of {acceleration}")
    return torch.from_numpy(best)


def _throw_darts(radius: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Pixels in ``order``, each kept unless one kept before lies within its own radius."""
    height, width = radius.shape
    taken = np.zeros((height, width), dtype=bool)
    blocked = np.zeros((height, width), dtype=bool)
    for index in order.tolist():
        r, c = divmod(index, width)
        if blocked[r, c]:
            continue
        taken[r, c] = True
        reach = float(radius[r, c])
        n = int(reach)
        top, left = max(r - n, 0), max(c - n, 0)
        window = blocked[top : r + n + 1, left : c + n + 1]
        i = np.arange(top - r, top - r + window.shape[0])[:, None]
        j = np.arange(left - c, left - c + window.shape[1])[None]
        window |= i * i + j * j < reach * reach
    return taken
