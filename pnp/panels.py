"""One picture in a figure: the plane that is shown, its range, its colour bar."""

from typing import Any

import torch
from torch import Tensor

__all__ = ["as_picture", "colour_bar", "draw", "pyplot", "range_of"]


def pyplot() -> Any:
    """matplotlib's, which is loaded when something is drawn.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'pnp-imaging[examples]'") from error
    return plt


def as_picture(name: str, x: Tensor) -> Tensor:
    """First sample of images (B, C, H, W) as (1 | 3, H, W) in double precision: complex by magnitude, many channels by
    their norm.

    Raises:
        TypeError, ValueError: ``x`` is no batch of images; the message calls it ``name``.

    >>> as_picture("x", torch.full((1, 2, 1, 1), 3.0)).shape
    torch.Size([1, 1, 1])
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    if x.ndim != 4 or x.numel() == 0:
        raise ValueError(f"{name}: expected images (B, C, H, W), got {tuple(x.shape)}")
    first = x[0].detach().cpu()
    first = first.abs() if first.is_complex() else first
    first = first if first.shape[0] in (1, 3) else first.norm(dim=0, keepdim=True)
    return first.double()


def range_of(*pictures: Tensor) -> tuple[float, float]:
    """Lowest and highest finite intensity, apart from each other also for a constant picture.

    >>> range_of(torch.tensor([0.0, 2.0, float("nan")])), range_of(torch.ones(2))
    ((0.0, 2.0), (0.5, 1.5))
    """
    values = torch.cat([picture.flatten() for picture in pictures])
    finite = values[torch.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 1.0)
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, low + (abs(low) or 1.0) / 2)


def draw(axis: Any, picture: Tensor, limits: tuple[float, float], cmap: Any = "gray") -> Any:
    """The picture; what a colour bar is made of, where it is not in colour."""
    axis.set_axis_off()
    if picture.shape[0] == 3:
        axis.imshow(((picture - limits[0]) / (limits[1] - limits[0])).clamp(0, 1).permute(1, 2, 0).numpy())
        return None
    return axis.imshow(picture[0].numpy(), cmap=cmap, vmin=limits[0], vmax=limits[1])


def colour_bar(figure: Any, axes: Any, drawn: Any, pictures: list[Tensor], label: str) -> None:
    """A colour bar at the end of a row, with arrows where pictures leave its range."""
    low, high = range_of(*pictures)
    ends = (low < drawn.get_clim()[0], high > drawn.get_clim()[1])
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(ends, "neither")
    bar = figure.colorbar(drawn, ax=axes, extend=extend, shrink=0.9, aspect=16, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(label, fontsize=8)
