"""Pictures: images side by side in one gray range, their errors beside."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .metrics import psnr, ssim
from .panels import as_picture, colour_bar, draw, pyplot, range_of

if TYPE_CHECKING:
    from .result import Result

__all__ = ["plot_curve", "plot_result", "show"]

_SMALLEST = 7  # side of the window of SSIM


def _scores(picture: Tensor, base: Tensor, limits: tuple[float, float]) -> str:
    a, b, span = picture[None], base[None], limits[1] - limits[0]
    text = f"{float(psnr(a, b, data_range=span)):.2f} dB"
    if min(base.shape[1:]) >= _SMALLEST:  # SSIM's constants fix the origin of intensities, too
        text += f", SSIM {float(ssim((a - limits[0]) / span, (b - limits[0]) / span)):.3f}"
    return text


def show(
    images: dict[str, Tensor],
    *,
    ref: Tensor | None = None,
    path: str | Path | None = None,
    limits: tuple[float, float] | None = None,
    cmap: Any = "gray",
    label: str = "",
) -> Any:
    """Panels of images (B, C, H, W), the first sample of each, all in one range: that of ``ref``, else of all.

    Complex images are shown by magnitude, others than of 1 or 3 channels by the norm over the channels.

    Args:
        images: title -> image.
        ref: reference. It comes first, each other title gets PSNR and SSIM (peak: the reference's range), and a
            second row shows absolute errors (means over colours), black to white over a tenth of the range, or more
            where that does not hold 95 % of the best image's errors.
        path: file to write.
        limits: lowest and highest intensity shown instead; the colour bar has arrows where images leave them.
        cmap: matplotlib's colour map, or its name.
        label: of the colour bar, such as a unit.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: no images, or not (B, C, H, W), or of another shape than ``ref``. TypeError: not tensors.
    """
    pictures = {title: as_picture(f"images[{title!r}]", x) for title, x in images.items()}
    if not pictures:
        raise ValueError("images: expected at least one, got none")
    base = None if ref is None else as_picture("ref", ref)
    shown = limits or range_of(*([base] if base is not None else pictures.values()))
    if not shown[0] < shown[1]:
        raise ValueError(f"limits: expected two numbers, the lower first, got {limits}")
    panels = dict(pictures)
    if base is not None:
        for title, picture in pictures.items():
            if picture.shape != base.shape:
                raise ValueError(f"images[{title!r}]: {tuple(picture.shape)}, but ref has {tuple(base.shape)}")
        scored = {f"{title}\n{_scores(p, base, range_of(base))}": p for title, p in pictures.items()}
        panels = {"reference": base, **scored}
    rows, (height, width) = 1 if base is None else 2, next(iter(panels.values())).shape[1:]
    size = (2.6 * len(panels) + 0.7, rows * 2.6 * height / width + 0.5)
    figure, axes = pyplot().subplots(rows, len(panels), figsize=size, squeeze=False, layout="constrained")
    for axis, (title, picture) in zip(axes[0], panels.items(), strict=True):
        drawn = draw(axis, picture, shown, cmap)
        axis.set_title(title, fontsize=9)
    if drawn is not None:
        colour_bar(figure, axes[0], drawn, list(panels.values()), label)
    if base is not None:
        axes[1, 0].set_axis_off()
        _draw_errors(figure, axes[1], [(picture - base).abs() for picture in pictures.values()], shown)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure


def _draw_errors(figure: Any, axes: Any, errors: list[Tensor], limits: tuple[float, float]) -> None:
    """Absolute errors under their images."""
    means = [error.mean(0, keepdim=True) for error in errors]
    best = min(float(torch.nan_to_num(m).flatten().sort().values[int(0.95 * (m.numel() - 1))]) for m in means)
    largest = max((limits[1] - limits[0]) / 10, best)
    drawn = [draw(axis, mean, (0.0, largest), "magma") for axis, mean in zip(axes[1:], means, strict=True)]
    colour_bar(figure, axes, drawn[-1], means, "absolute error")


def plot_curve(
    curves: Sequence[tuple[Tensor, Tensor, Tensor]],
    chosen: Tensor,
    *,
    label: str,
    names: Sequence[str] | None = None,
    path: str | Path | None = None,
) -> Any:
    """A criterion over what was tried, with its noise: curves of (tried, criterion, noise) per sample, and choices.

    ``names``: of what was tried, if it is not the strength.
    """
    figure, axis = pyplot().subplots(figsize=(5, 3.4), layout="constrained")
    for (tried, value, noise), choice in zip(curves, chosen.tolist(), strict=True):
        order = tried.argsort()
        x, y, spread = (v[order].detach().cpu().numpy() for v in (tried, value, noise))
        (line,) = axis.plot(x, y, "o-")
        axis.fill_between(x, y - spread, y + spread, color=line.get_color(), alpha=0.2, linewidth=0)
        axis.axvline(choice, color=line.get_color(), linestyle="--", linewidth=1)
    if names is None:
        axis.set_xscale("log", base=2)
        axis.set_xlabel("strength")
    else:
        axis.set_xticks(range(len(names)), names)
    axis.set_ylabel(label)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure


def plot_result(result: "Result", *, reference: Tensor | None = None, path: str | Path | None = None) -> Any:
    """One page of the first sample: image, data misfit, its spectrum, residual over the iterations, findings in words.

    With a ``reference`` of the image's shape the picture has its range, and the title PSNR and SSIM. Volumes
    (B, C, D, H, W) are shown by their three middle planes, signals as lines.
    """
    figure = pyplot().figure(figsize=(12, 6.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(2.2, 1))
    axes = top.subplots(2, 3, width_ratios=(1.25, 1, 1))
    grid = axes[0, 0].get_gridspec()
    for axis in axes[:, 0]:
        axis.remove()
    _draw_answer(top.add_subplot(grid[:, 0]), result, reference)
    rest = None if result.health is None else result.health.measured.residual[0]
    _draw_misfit(top, axes[0, 1], rest)
    _draw_spectrum(axes[0, 2], rest)
    steps = [record.step for record in result.history]
    for axis, values, name in (
        (axes[1, 1], result.residuals(), "fixed-point residual"),
        (axes[1, 2], torch.stack([record.sigma for record in result.history]), "denoiser strength sigma"),
    ):
        axis.semilogy(steps, values.detach().cpu().numpy())
        axis.set_xlabel("iteration", fontsize=8)
        axis.set_title(name, fontsize=9)
        axis.tick_params(which="both", labelsize=7)
    bottom.text(0.01, 0.97, _wrapped(str(result)), family="monospace", fontsize=7.5, va="top", linespacing=1.35)
    if path is not None:
        figure.savefig(path, dpi=130)
    return figure


def _wrapped(text: str, width: int = 150) -> str:
    lines = (textwrap.wrap(line, width, subsequent_indent=" " * 21) for line in text.splitlines())
    return "\n".join(part for parts in lines for part in parts)


def _planes(x: Tensor) -> Tensor:
    """A volume (C, D, H, W) by its three middle planes beside each other, (1 | 3, H', W')."""
    depth, height, width = x.shape[-3:]
    three = (x[:, depth // 2], x[:, :, height // 2], x[:, :, :, width // 2])
    tall = max(plane.shape[1] for plane in three)
    return torch.cat([F.pad(plane, (0, 2, 0, tall - plane.shape[1])) for plane in three], 2)


def _draw_answer(axis: Any, result: "Result", reference: Tensor | None) -> None:
    first, title = result.x[0].detach().cpu(), f"{result.reasons[0]} after {len(result.history)} iterations"
    if first.ndim not in (3, 4):
        axis.plot(first.abs().reshape(-1) if first.is_complex() else first.reshape(-1))
    elif first.ndim == 4:
        first = (first.abs() if first.is_complex() else first).double()
        first = first if first.shape[0] in (1, 3) else first.norm(dim=0, keepdim=True)
        draw(axis, _planes(first), range_of(first))
    else:
        picture = as_picture("result.x", result.x)
        base = picture if reference is None else as_picture("reference", reference)
        if reference is not None:
            title += f"\n{_scores(picture, base, range_of(base))}"
        drawn = draw(axis, picture, range_of(base))
        if drawn is not None:
            axis.figure.colorbar(drawn, ax=axis, shrink=0.7, aspect=24, pad=0.01).ax.tick_params(labelsize=7)
    axis.set_title(title + (", magnitude" if result.x.is_complex() else ""), fontsize=9)


def _draw_misfit(figure: Any, axis: Any, rest: Tensor | None) -> None:
    """Data misfit in units of the noise: as a picture where data have two axes, else along their order."""
    axis.set_title("data misfit / noise", fontsize=9)
    axis.tick_params(which="both", labelsize=7)
    if rest is None:
        return
    rest = rest.cpu()
    real = rest.abs() if rest.is_complex() else rest
    if rest.ndim >= 3 and min(rest.shape[-2:]) > 3:
        while real.ndim > 2:
            real = real[real.shape[0] // 2]
        high = float(real.abs().flatten().sort().values[int(0.99 * (real.numel() - 1))]) or 1.0
        low, cmap = (0.0, "magma") if rest.is_complex() else (-high, "RdBu")
        drawn = axis.imshow(real.numpy(), cmap=cmap, vmin=low, vmax=high, aspect="auto")
        figure.colorbar(drawn, ax=axis, shrink=0.9, aspect=16, pad=0.01).ax.tick_params(labelsize=7)
        return
    line = real.reshape(-1)
    step = max(1, line.numel() // 4000)
    axis.plot(range(0, line.numel(), step), line[::step].numpy(), ".", ms=2, alpha=0.7)
    axis.set_xlabel("datum", fontsize=8)


def _draw_spectrum(axis: Any, rest: Tensor | None) -> None:
    """Power of the residual by frequency along each axis of the data; one is what white noise has."""
    axis.set_title("spectrum of the misfit; white noise: 1", fontsize=9)
    axis.tick_params(which="both", labelsize=7)
    if rest is None:
        return
    rest = rest.cpu()
    axes = [a for a in range(min(1, rest.ndim - 1), rest.ndim) if rest.shape[a] >= 16]
    share = float((rest != 0).double().mean()) or 1.0  # of data that are measured
    for a in axes:
        power = torch.fft.fft(rest.to(torch.complex128), dim=a, norm="ortho").abs().square()
        power = power.movedim(a, -1).reshape(-1, rest.shape[a]).mean(0) / ((2 if rest.is_complex() else 1) * share)
        n = len(power)
        half = power[1 : n // 2]
        bins = max(1, len(half) // 24)
        half = half[: len(half) // bins * bins].reshape(-1, bins).mean(1)
        middles = (torch.arange(len(half), device="cpu") + 0.5) * bins / n
        axis.semilogy(middles, half.clamp_min(1e-6), label=f"axis {a + 1} of y")
    axis.axhline(1.0, color="gray", lw=0.8, ls="--")
    axis.set_xlabel("cycles per sample", fontsize=8)
    if len(axes) > 1:
        axis.legend(fontsize=7)
