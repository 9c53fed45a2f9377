"""Pictures: images side by side in one gray range, their errors beside."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .metrics import psnr, ssim

if TYPE_CHECKING:
    from .result import Result

__all__ = ["plot_result", "show"]

_SMALLEST = 7  # side of the window of SSIM


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'pnp-imaging[examples]'") from error
    return plt


def _picture(name: str, x: Tensor) -> Tensor:
    """First sample as (1 | 3, H, W) in double precision: complex by magnitude, many channels by their norm."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: expected a torch.Tensor, got {type(x).__name__}")
    if x.ndim != 4 or x.numel() == 0:
        raise ValueError(f"{name}: expected images (B, C, H, W), got {tuple(x.shape)}")
    first = x[0].detach().cpu()
    first = first.abs() if first.is_complex() else first
    first = first if first.shape[0] in (1, 3) else first.norm(dim=0, keepdim=True)
    return first.double()


def _limits(picture: Tensor) -> tuple[float, float]:
    """Lowest and highest finite intensity, apart from each other also for a constant picture."""
    finite = picture[torch.isfinite(picture)]
    low, high = (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 1.0)
    return (low, high) if high > low else (low - (abs(low) or 1.0) / 2, low + (abs(low) or 1.0) / 2)


def _draw(axis: Any, picture: Tensor, limits: tuple[float, float]) -> None:
    unit = ((picture - limits[0]) / (limits[1] - limits[0])).clamp(0, 1)
    if unit.shape[0] == 3:
        axis.imshow(unit.permute(1, 2, 0).numpy())
    else:
        axis.imshow(unit[0].numpy(), cmap="gray", vmin=0, vmax=1)


def _scores(picture: Tensor, base: Tensor, limits: tuple[float, float]) -> str:
    a, b, span = picture[None], base[None], limits[1] - limits[0]
    text = f"{float(psnr(a, b, data_range=span)):.2f} dB"
    if min(base.shape[1:]) >= _SMALLEST:  # SSIM's constants fix the origin of intensities, too
        text += f", SSIM {float(ssim((a - limits[0]) / span, (b - limits[0]) / span)):.3f}"
    return text


def show(images: dict[str, Tensor], *, ref: Tensor | None = None, path: str | Path | None = None) -> Any:
    """Panels of images (B, C, H, W), the first sample of each, all in the range of ``ref`` (else of the first).

    Complex images are shown by magnitude, others than of 1 or 3 channels by the norm over the channels.

    Args:
        images: title -> image.
        ref: reference. It comes first, each other title gets PSNR and SSIM (peak: the reference's range), and a
            second row shows absolute errors (means over colours), black to white over a tenth of the range.
        path: file to write.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: no images, or not (B, C, H, W), or of another shape than ``ref``. TypeError: not tensors.
    """
    pictures = {title: _picture(f"images[{title!r}]", x) for title, x in images.items()}
    if not pictures:
        raise ValueError("images: expected at least one, got none")
    base = next(iter(pictures.values())) if ref is None else _picture("ref", ref)
    limits = _limits(base)
    panels = [(title, picture) for title, picture in pictures.items()]
    if ref is not None:
        for title, picture in pictures.items():
            if picture.shape != base.shape:
                raise ValueError(f"images[{title!r}]: {tuple(picture.shape)}, but ref has {tuple(base.shape)}")
        panels = [("reference", base)] + [(f"{t}\n{_scores(p, base, limits)}", p) for t, p in panels]
    rows, (height, width) = 1 if ref is None else 2, base.shape[1:]
    size = (2.6 * len(panels), rows * 2.6 * height / width + 0.5)
    figure, axes = _pyplot().subplots(rows, len(panels), figsize=size, squeeze=False, layout="constrained")
    for axis, (title, picture) in zip(axes[0], panels, strict=True):
        _draw(axis, picture, limits)
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    if ref is not None:
        _draw_errors(figure, axes[1], [picture - base for picture in pictures.values()], limits)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure


def _draw_errors(figure: Any, axes: Any, errors: list[Tensor], limits: tuple[float, float]) -> None:
    """Absolute errors under their images, and their scale under the reference."""
    largest = (limits[1] - limits[0]) / 10
    for axis, error in zip(axes[1:], errors, strict=True):
        drawn = axis.imshow(error.abs().mean(0).numpy(), vmin=0, vmax=largest, cmap="magma")
    scale = axes[0].inset_axes((0.1, 0.48, 0.8, 0.05))
    bar = figure.colorbar(drawn, cax=scale, orientation="horizontal", extend="max", ticks=[0, largest / 2, largest])
    bar.set_label("absolute error", fontsize=9)
    bar.ax.set_xticklabels([f"{value:.2g}" for value in (0.0, largest / 2, largest)], fontsize=8)


def plot_result(result: "Result", *, reference: Tensor | None = None, path: str | Path | None = None) -> Any:
    """Reconstruction of the first sample, and the fixed-point residual and sigma over the iterations of all.

    With a ``reference`` (B, C, H, W) the picture has its range, and the title PSNR and SSIM.
    """
    picture = _picture("result.x", result.x)
    base = picture if reference is None else _picture("reference", reference)
    title = f"{result.reasons[0]} after {len(result.history)} iterations"
    if reference is not None:
        title += f"\n{_scores(picture, base, _limits(base))}"
    figure, axes = _pyplot().subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    _draw(axes[0], picture, _limits(base))
    axes[0].set_title(title, fontsize=9)
    axes[0].set_axis_off()
    steps = [record.step for record in result.history]
    for axis, values, name in (
        (axes[1], result.residuals(), "fixed-point residual"),
        (axes[2], torch.stack([record.sigma for record in result.history]), "denoiser strength sigma"),
    ):
        axis.semilogy(steps, values.detach().cpu().numpy())
        axis.set_xlabel("iteration")
        axis.set_title(name, fontsize=9)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure
