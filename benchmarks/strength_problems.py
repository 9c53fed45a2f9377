"""Problems of every field with a truth, for benchmarks that choose settings: each at three noise levels."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from operators import (
    MRI,
    Blur,
    Downsampling,
    Identity,
    Inpainting,
    KaiserSquires,
    RadioInterferometry,
    Radon,
    Weighted,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    random_columns,
    random_mask,
    std_from_snr,
    transmission_noise,
)
from pnp.lensing import LognormalMaps
from pnp.train.recipes.fields import ct_slices, stretched
from pnp.train.recipes.mass import NOISE, PIXEL
from pnp.train.recipes.unrolled import coil_maps

from .common import data_folder
from .radio import SKIES, sky

__all__ = ["PROBLEMS", "Case", "images", "low_dose"]


class Case(NamedTuple):
    """Operator and data of one measurement, the noise level of the data, and the truth (1, C, H, W)."""

    op: Any
    y: Tensor
    noise_std: float
    x: Tensor


def _simple(make: Callable[[int], Any]) -> Callable[[Tensor, float, int], Case]:
    """White noise of a standard deviation; nothing where nothing is measured."""

    def case(x: Tensor, std: float, seed: int) -> Case:
        op = make(x.shape[-1])
        y = gaussian_noise(op.A(x), std, seed=seed)
        return Case(op, y if op.measured is None else torch.where(op.measured, y, 0 * y), std, x)

    return case


def _radon(side: int, views: int, factor: int = 1) -> Radon:
    """Views over half a turn; pixels ``factor`` times as fine, the detector that of ``side`` pixels."""
    angles = torch.arange(views, dtype=torch.float64) * (math.pi / views)
    if factor == 1:
        return Radon(side, angles)
    return Radon(factor * side, angles, Radon(side, angles[:1]).detector_count, pixel_size=1 / factor)


def _ct(views: int, *, coarse: bool = False, dose: bool = False) -> Callable[[Tensor, float, int], Case]:
    """Slices on twice as fine a grid; the truth is their mean over pixels, and what is measured unless ``coarse``."""

    def case(fine: Tensor, level: float, seed: int) -> Case:
        x = avg_pool2d(fine, 2)
        op = _radon(x.shape[-1], views)
        clean = _radon(x.shape[-1], views, 2).A(fine) if coarse else op.A(x)
        if dose:
            return low_dose(op, clean, x, level, seed)
        std = float(std_from_snr(clean, level))
        return Case(op, gaussian_noise(clean, std, seed=seed), std, x)

    return case


def low_dose(op: Radon, clean: Tensor, x: Tensor, photons: float, seed: int) -> Case:
    """Counts, whitened, the densest of the rays ``clean`` at optical depth 4. Band-limited rays overshoot below zero
    beside edges; what is measured of them is not cut there: that would be another model than the operator's."""
    density = 4 / float(clean.max())
    y = transmission_noise(density * clean, photons, seed=seed)
    weights = photons**0.5 * (-y / 2).exp()
    return Case(Weighted(weights[0]) @ (density * op), weights * y, 1.0, x)


def _radio(x: Tensor, snr: float, seed: int) -> Case:
    op = RadioInterferometry(_radio.uv, (x.shape[-2], x.shape[-1]), unit="rad/pixel")
    clean = op.A(x)
    std = float(std_from_snr(clean, snr))
    return Case(op, gaussian_noise(clean, std, seed=seed), std, x)


PROBLEMS: dict[str, tuple[str, tuple[float, ...], Any]] = {
    "denoising": ("natural", (0.03, 0.1, 0.2), _simple(lambda n: Identity((n, n)))),
    "inpainting 30 %": ("natural", (0.01, 0.03, 0.1), _simple(lambda n: Inpainting(random_mask((n, n), 0.3)))),
    "motion blur": ("natural", (0.005, 0.01, 0.03), _simple(lambda n: Blur(motion_kernel(15, 0.6), (n, n)))),
    "gaussian blur": ("natural", (0.005, 0.02, 0.05), _simple(lambda n: Blur(gaussian_kernel(1.6), (n, n)))),
    "downsampling": ("natural", (0.005, 0.01, 0.05), _simple(lambda n: Downsampling(2, (n, n)))),
    "MRI 4x": ("mri", (0.003, 0.01, 0.03), _simple(lambda n: MRI(random_columns((n, n), 4.0, 0.08), coil_maps(n)))),
    "MRI 8x": ("mri", (0.003, 0.01, 0.03), _simple(lambda n: MRI(random_columns((n, n), 8.0, 0.04), coil_maps(n)))),
    "CT 30": ("ct", (20.0, 30.0, 40.0), _ct(30)),
    "CT 60": ("ct", (20.0, 30.0, 40.0), _ct(60)),
    "CT 180": ("ct", (20.0, 30.0, 40.0), _ct(180)),
    "CT 30, coarse": ("ct", (20.0, 30.0, 40.0), _ct(30, coarse=True)),
    "CT 60, coarse": ("ct", (20.0, 30.0, 40.0), _ct(60, coarse=True)),
    "CT 180, coarse": ("ct", (20.0, 30.0, 40.0), _ct(180, coarse=True)),
    "CT 180, low dose": ("ct", (1e3, 3e3, 1e4), _ct(180, coarse=True, dose=True)),
    "radio": ("radio", (20.0, 30.0, 40.0), _radio),
    "lensing": ("kappa", (NOISE / 2, NOISE, 2 * NOISE), _simple(lambda n: KaiserSquires((n, n)))),
}


def _centre(x: Tensor, side: int) -> Tensor:
    top, left = (x.shape[-2] - side) // 2, (x.shape[-1] - side) // 2
    return x[..., top : top + side, left : left + side]


def images(data: str | None, field: str, side: int, count: int, *, training: bool) -> list[Tensor]:
    """Images (1, 1, H, W) of a field, ``side`` pixels wide (CT: on a grid twice as fine), those that settings are
    chosen on or others."""
    if field == "natural":
        folder = data_folder(data, "bsds400_color" if training else "bsd68")
        return [_centre(folder[i][None], side) for i in range(0, len(folder), max(len(folder) // count, 1))][:count]
    root = Path(data or ".")
    if field == "ct":
        slices = [x for x in ct_slices(root / "ct_patients" / "tcga", held_out=not training) if x.shape[-1] == 512]
        chosen = slices[:: max(len(slices) // count, 1)][:count]
        return [avg_pool2d(x[None] / 2, 256 // side) for x in chosen]
    if field == "mri":
        every = np.load(root / "mri_images" / "complex_brain31.npy").astype(np.float32)
        every = every[:25] if training else every[25:]
        x = torch.view_as_complex(torch.from_numpy(every).contiguous())[:: max(len(every) // count, 1)][:count, None]
        spectrum = torch.fft.fftshift(torch.fft.fft2(x), dim=(-2, -1))
        x = torch.fft.ifft2(torch.fft.ifftshift(_centre(spectrum, side), dim=(-2, -1)))
        return [v[None] / v.abs().max() for v in x]
    if field == "radio":
        _radio.uv = torch.from_numpy(np.load(root / "radio" / "meerkat_uv_1h.npy")).double()
        if training:
            photos = images(data, "natural", side, count, training=True)
            found = [stretched(x[0], torch.Generator().manual_seed(i)) for i, x in enumerate(photos)]
        else:
            found = [sky(root / "radio" / name)[0, :, :256, :256] for name in SKIES.values() if name]
        shrunk = [avg_pool2d(x[None], max(x.shape[-1] // side, 1)) for x in found[:count]]
        return [x / x.max() for x in shrunk]
    maps = LognormalMaps(count, (side, side), PIXEL, first=1_000_000 if training else 0)
    return [x[None] - x.mean() for x in (maps[i] for i in range(count))]
