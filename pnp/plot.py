"""Pictures: images side by side in one gray range, their errors beside."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .metrics import psnr, ssim

if TYPE_CHECKING:
    from .result import Result

__all__ = ["plot_result", "show"]


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'pnp-imaging[examples]'") from error
    return plt


def _picture(x: Tensor) -> Tensor:
    """First sample as (H, W) or (H, W, 3), complex values by magnitude."""
    first = x.detach().cpu()[0]
    first = first.abs() if first.is_complex() else first
    return first.permute(1, 2, 0) if first.shape[0] == 3 else first[0]


def show(images: dict[str, Tensor], *, ref: Tensor | None = None, path: str | None = None) -> Any:
    """Panels of images (B, C, H, W), the first sample of each, all in the same range; complex ones by magnitude.

    Args:
        images: title -> image.
        ref: reference: the range is its own, each title gets PSNR and SSIM, and a second row shows absolute errors,
            all on one scale, ten times the images'.
        path: file to write.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
    """
    plt = _pyplot()
    pictures = {title: _picture(x) for title, x in images.items()}
    base = _picture(ref) if ref is not None else next(iter(pictures.values()))
    low, high = float(base.min()), float(base.max())
    if ref is not None:
        pictures = {"reference": base, **pictures}
    height, width = base.shape[:2]
    rows = 2 if ref is not None else 1
    size = (2.6 * len(pictures), rows * 2.6 * height / width + 0.5)
    figure, axes = plt.subplots(rows, len(pictures), figsize=size, squeeze=False, layout="constrained")
    for i, (title, picture) in enumerate(pictures.items()):
        if ref is not None and i > 0:
            a, b = (((p - low) / (high - low)).reshape(1, 1, height, -1) for p in (picture, base))
            title = f"{title}\n{float(psnr(a, b)):.2f} dB, SSIM {float(ssim(a, b)):.3f}"
            axes[1][i].imshow(_gray(picture - base).abs(), vmin=0, vmax=(high - low) / 10, cmap="magma")
        kwargs = {} if picture.ndim == 3 else {"cmap": "gray", "vmin": low, "vmax": high}
        axes[0][i].imshow(picture.clamp(0, 1) if picture.ndim == 3 else picture, **kwargs)
        axes[0][i].set_title(title, fontsize=9)
    if ref is not None:
        axes[1][0].text(0.5, 0.5, "absolute errors\n(range: a tenth)", ha="center", va="center", fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure


def _gray(picture: Tensor) -> Tensor:
    return picture.abs().mean(-1) if picture.ndim == 3 else picture


def plot_result(result: "Result", *, reference: Tensor | None = None, path: str | None = None) -> Any:
    """Reconstruction of the first sample, and the fixed-point residual and sigma over the iterations of all."""
    plt = _pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    picture = _picture(result.x)
    axes[0].imshow(picture.clamp(0, 1) if picture.ndim == 3 else picture, cmap=None if picture.ndim == 3 else "gray")
    title = f"{result.reasons[0]} after {len(result.history)} iterations"
    if reference is not None:
        base = _picture(reference)
        error = (picture - base).square().mean().sqrt() / (base.max() - base.min())
        title += f"\n{-20 * float(torch.log10(error)):.2f} dB"
    axes[0].set_title(title, fontsize=9)
    axes[0].set_axis_off()
    steps = [record.step for record in result.history]
    for axis, values, name in (
        (axes[1], result.residuals(), "fixed-point residual"),
        (axes[2], torch.stack([record.sigma for record in result.history]), "denoiser strength sigma"),
    ):
        axis.semilogy(steps, values.cpu())
        axis.set_xlabel("iteration")
        axis.set_title(name, fontsize=9)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure
