"""An image, how sure it is, and what of it the data hold, in one figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..panels import as_picture, colour_bar, draw, pyplot, range_of

if TYPE_CHECKING:
    from .support import DataSupport
    from .uncertainty import Uncertainty

__all__ = ["plot_uncertainty"]


def _high(picture: Tensor) -> float:
    """A value that few pixels exceed, above zero."""
    finite = picture[torch.isfinite(picture)].flatten().sort().values
    return float(finite[int(0.995 * (len(finite) - 1))]) or 1.0


def plot_uncertainty(
    found: "Uncertainty",
    *,
    reference: Tensor | None = None,
    support: "DataSupport | None" = None,
    path: str | Path | None = None,
) -> Any:
    """The first sample: image, deviation of the draws, width of the intervals; with a ``reference`` (B, C, H, W) its
    error and where it lies outside of the intervals, with a ``support`` what of each pixel the data hold.

    Returns:
        The matplotlib figure.
    """
    image = as_picture("uncertainty.x", found.x)
    width = as_picture("uncertainty.width", found.width)
    panels: list[tuple[str, Tensor, tuple[float, float], str, str]] = [
        ("image", image, range_of(image), "gray", ""),
        (f"deviation, {found.told['method']}", as_picture("std", found.std), (0, _high(width) / 2), "magma", ""),
        (f"width of {100 * found.level:g} % intervals", width, (0, _high(width)), "magma", ""),
    ]
    if reference is not None:
        truth = as_picture("reference", reference)
        inside = found.covers(reference)
        outside = ~(inside.all(-1) if inside.ndim > found.x.ndim else inside)
        error = (truth - image).abs()
        panels.append(("absolute error", error, (0, _high(width) / 2), "magma", ""))
        share = 100 * float(outside[0].double().mean())
        panels.append((f"outside: {share:.1f} %", outside[0].double().amax(0, keepdim=True), (0, 1), "gray_r", ""))
    if support is not None:
        panels.append(("held by the data", as_picture("resolution", support.resolution), (0, 1), "viridis", ""))
        if support.unheld is not None:
            rest = as_picture("unheld", support.unheld).abs()
            panels.append(("the prior's part", rest, (0, _high(rest)), "magma", ""))
    height, across = image.shape[1:]
    columns = len(panels) if len(panels) < 5 else -(-len(panels) // 2)
    rows = -(-len(panels) // columns)
    size = (2.8 * columns, rows * (2.3 * height / across + 0.4))
    figure, axes = pyplot().subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, picture, limits, cmap, label) in zip(axes.flat, panels):
        one = picture.mean(0, keepdim=True) if picture.shape[0] == 3 and title != "image" else picture
        drawn = draw(axis, one, limits, cmap)
        axis.set_title(title, fontsize=8)
        if drawn is not None:
            colour_bar(figure, axis, drawn, [one], label)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure
