"""Problems with a planted fault, and the same problems without one."""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from operators import (
    MRI,
    Blur,
    Downsampling,
    FanBeam,
    Identity,
    Inpainting,
    KaiserSquires,
    NonCartesianMRI,
    RadioInterferometry,
    Radon,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    poisson_disc,
    radial_trajectory,
    random_columns,
    random_mask,
    std_from_snr,
    uv_coverage,
)
from pnp.train.recipes.fields import ct_slices
from pnp.train.recipes.unrolled import coil_maps

from .common import data_folder
from .mri import brains
from .radio import sky

__all__ = ["FIELDS", "Case"]

SIDE = 96


class Case(NamedTuple):
    """Data and what a solver is told of them. ``cause``: what a report should name, "" where nothing is wrong, a dash
    in front of what no data can show."""

    problem: str
    fault: str
    cause: str
    op: Any
    y: Tensor
    noise_std: float


def _common(problem: str, op: Any, y: Tensor, std: float, clip: float) -> Iterator[Case]:
    """The healthy problem, and the faults that every kind of data can have."""
    yield Case(problem, "", "", op, y, std)
    yield Case(problem, "noise_std 10 times too large", "noise level", op, y, 10 * std)
    yield Case(problem, "noise_std 10 times too small", "noise level", op, y, std / 10)
    parts = torch.view_as_real(y) if y.is_complex() else y
    low = -float("inf") if not y.is_complex() else -clip * float(parts.abs().max())
    parts = parts.clamp(low, clip * float(parts.abs().max()))
    yield Case(problem, "clipped", "clipped data", op, torch.view_as_complex(parts) if y.is_complex() else parts, std)


def photographs(data: str | None, count: int) -> Iterator[Case]:
    """Photographs: denoised, masked, blurred, down-sampled."""
    folder, shape = data_folder(data, "bsd68"), (SIDE, SIDE)
    for i in range(min(count, len(folder))):
        x = folder[i][None, :1, 100 : 100 + SIDE, 100 : 100 + SIDE]
        for std in (0.01, 0.05):
            y = gaussian_noise(x, std, seed=i)
            yield from _common("identity", Identity(shape), y, std, 0.8)
            mask = random_mask(shape, 0.5, seed=i)
            painted = Inpainting(mask)
            yield from _common("inpainting", painted, painted.A(y), std, 0.8)
            yield Case("inpainting", "mask transposed", "mask", Inpainting(mask.mT), painted.A(y), std)
            for name, kernel, wrong in (
                ("motion blur", motion_kernel(15, 30.0), motion_kernel(15, -30.0)),
                ("Gaussian blur", gaussian_kernel(1.2), gaussian_kernel(2.4)),
            ):
                op = Blur(kernel, shape)
                y = gaussian_noise(op.A(x), std, seed=i)
                yield from _common(name, op, y, std, 0.8)
                fault = "kernel mirrored" if name == "motion blur" else "kernel too wide"
                yield Case(name, fault, "kernel", Blur(wrong, shape), y, std)
            wide = Blur(F.interpolate(motion_kernel(15, 30.0)[None, None], scale_factor=1.6, mode="bilinear")[0, 0]
                        / 1.6**2, shape)  # fmt: skip
            op = Blur(motion_kernel(15, 30.0), shape)
            yield Case("motion blur", "kernel too wide", "kernel", wide, gaussian_noise(op.A(x), std, seed=i), std)
            down = Downsampling(2, shape)
            yield from _common("down-sampling", down, gaussian_noise(down.A(x), std, seed=i), std, 0.8)


def mri(data: str | None, count: int) -> Iterator[Case]:
    """Brains, one and several coils, on a grid and along spokes."""
    side = 128
    for i, x in enumerate(brains(data, count).split(1)):
        x = torch.complex(*(F.interpolate(p, (side, side), mode="area") for p in (x.real, x.imag)))
        maps = coil_maps(side)[::2]
        maps = maps / maps.abs().square().sum(0, keepdim=True).sqrt()
        for std in (0.005, 0.02):
            for name, mask in (
                ("columns 4x", random_columns((side, side), 4.0, 0.08)),
                ("Poisson disc 4x", poisson_disc((side, side), 4.0, seed=i)),
            ):
                op = MRI(mask, maps)
                y = op.mask * gaussian_noise(op.A(x), std, seed=i)
                yield from _common(f"MRI, 4 coils, {name}", op, y, std, 0.3)
                yield from _coils(f"MRI, 4 coils, {name}", partial(MRI, mask), maps, y, std)
                whole = gaussian_noise(MRI(torch.ones(side, side), maps).A(x), std, seed=i)
                corner = op.mask * torch.fft.ifftshift(whole, (-2, -1))
                yield Case(f"MRI, 4 coils, {name}", "k-space not centred", "centre", op, corner, std)
                yield Case(f"MRI, 4 coils, {name}", "image not centred", "centre", op, _checkered(y), std)
                if name != "columns 4x":
                    swapped = whole.mT * op.mask
                    yield Case(f"MRI, 4 coils, {name}", "axes swapped", "geometry", op, swapped, std)
                    yield Case(f"MRI, 4 coils, {name}", "mask transposed", "mask", MRI(mask.mT, maps), y, std)
            one = MRI(random_columns((side, side), 3.0, 0.1))
            yield from _common("MRI, one coil", one, one.mask * gaussian_noise(one.A(x), std, seed=i), std, 0.3)
            points = radial_trajectory(48, 2 * side)
            radial = NonCartesianMRI(points, (side, side), maps)
            scaled = std * float(radial.norm()) / 2
            y = gaussian_noise(radial.A(x), scaled, seed=i)
            yield from _common("radial MRI, 4 coils", radial, y, scaled, 0.3)
            yield from _coils("radial MRI, 4 coils", partial(NonCartesianMRI, points, (side, side)), maps, y, scaled)
            mirrored = NonCartesianMRI(points * torch.tensor([[-1.0], [1.0]]), (side, side), maps)
            yield Case("radial MRI, 4 coils", "first axis of the trajectory mirrored", "geometry", mirrored, y, scaled)
            swapped = NonCartesianMRI(points.flip(0), (side, side), maps)
            yield Case("radial MRI, 4 coils", "axes of the trajectory swapped", "geometry", swapped, y, scaled)


def _coils(problem: str, make: Any, maps: Tensor, y: Tensor, std: float) -> Iterator[Case]:
    yield Case(problem, "coils in reverse order", "coil maps", make(maps.flip(0)), y, std)
    yield Case(problem, "two coils exchanged", "coil maps", make(maps[[1, 0, 2, 3]]), y, std)
    yield Case(problem, "coil maps conjugated", "coil maps", make(maps.conj().resolve_conj()), y, std)
    if "radial" not in problem:  # where the trajectory, mirrored, says the same
        yield Case(problem, "coil maps mirrored", "coil maps", make(maps.flip(-1)), y, std)


def _checkered(y: Tensor) -> Tensor:
    rows, columns = (torch.arange(n) for n in y.shape[-2:])
    return y * (1 - 2 * ((rows[:, None] + columns) % 2))


def ct(data: str | None, count: int) -> Iterator[Case]:
    """Slices of patients, parallel and fan beams."""
    slices = ct_slices(Path(data or ".") / "ct_patients" / "tcga", held_out=True)
    slices = [x for x in slices if x.shape[-1] == 512][:count]
    for i, x in enumerate(slices):
        x = F.avg_pool2d(x[None], 512 // SIDE if 512 % SIDE == 0 else 4)
        side = x.shape[-1]
        for snr in (40.0, 30.0):
            for views in (60, 180):
                angles = torch.arange(views) * (math.pi / views)
                op, name = Radon(side, angles), f"CT, {views} views"
                clean = op.A(x)
                std = float(std_from_snr(clean, snr))
                y = gaussian_noise(clean, std, seed=i)
                yield from _common(name, op, y, std, 0.8)
                dead, gains = y.clone(), torch.randn(y.shape[-1], generator=torch.Generator().manual_seed(i))
                dead[..., op.detector_count // 2 + 5] = 0
                yield Case(name, "a dead detector", "dead data", op, dead, std)
                yield Case(name, "gains of bins differ by 3 %", "detector gains", op, y * (1 + 0.03 * gains), std)
                for shift in (2.5, -1.0):
                    moved = Radon(side, angles, op.detector_count, offset=shift)
                    shifted = gaussian_noise(moved.A(x), std, seed=i)
                    yield Case(name, f"centre of rotation {shift} pixels off", "centre of rotation", op, shifted, std)
                turned = angles + (torch.arange(views) >= views // 2) * math.radians(15)
                yield Case(name, "15 degrees skipped", "angles", op,
                           gaussian_noise(Radon(side, turned, op.detector_count).A(x), std, seed=i), std)  # fmt: skip
                wide = gaussian_noise(Radon(side, 2 * angles, op.detector_count).A(x), std, seed=i)
                yield Case(name, "half a turn told, a turn measured", "angles", op, wide, std)
                yield Case(name, "all angles 10 degrees off", "-angles", Radon(side, angles + math.radians(10)), y, std)
                yield Case(name, "turns the other way", "-angles", Radon(side, -angles), y, std)
            square = Radon(side, torch.arange(op.detector_count) * (math.pi / op.detector_count))
            swapped = gaussian_noise(square.A(x), std, seed=i).mT.contiguous()
            yield Case("CT, square sinogram", "", "", square, gaussian_noise(square.A(x), std, seed=i), std)
            yield Case("CT, square sinogram", "axes swapped", "geometry", square, swapped, std)
            turn = torch.arange(120) * (2 * math.pi / 120)
            fan = FanBeam(side, turn, source_distance=2.0 * side, detector_distance=1.0 * side)
            y = gaussian_noise(fan.A(x), std, seed=i)
            yield from _common("CT, fan beam", fan, y, std, 0.8)
            back = FanBeam(side, -turn, source_distance=2.0 * side, detector_distance=1.0 * side)
            yield Case("CT, fan beam", "turns the other way", "angles", back, y, std)


def radio(data: str | None, count: int) -> Iterator[Case]:
    """A diffuse sky and points."""
    folder, side = Path(data or ".") / "radio", 128
    diffuse = F.avg_pool2d(sky(folder / "M31_256.fits"), 2)
    points = torch.zeros(1, 1, side, side)
    for k in range(12):
        points[..., (37 * k + 20) % 100 + 14, (53 * k + 7) % 100 + 14] = 10 ** (-k / 8)
    uv = uv_coverage("vla-a", declination=30.0, hours=(-2.0, 2.0), samples=30)
    uv = uv * (math.pi / float(uv.abs().max()))
    op = RadioInterferometry(uv, (side, side), unit="rad/pixel")
    for i, x in enumerate([diffuse, points][: max(1, count)]):
        for snr in (30.0, 20.0):
            clean = op.A(x)
            std = 10 ** (-snr / 20) * float(clean.norm()) / (2 * clean.numel()) ** 0.5
            y = gaussian_noise(clean, std, seed=i)
            yield from _common("radio", op, y, std, 0.3)
            other = RadioInterferometry(uv * torch.tensor([[1.0], [-1.0]]), (side, side), unit="rad/pixel")
            yield Case("radio", "sign of v", "-geometry", other, y, std)
            other = RadioInterferometry(uv.flip(0), (side, side), unit="rad/pixel")
            yield Case("radio", "u and v exchanged", "-geometry", other, y, std)


def shear(data: str | None, count: int) -> Iterator[Case]:
    """Convergence of a simulation, whole and behind a mask."""
    from pnp.lensing import read_map

    kappa = read_map(Path(data or ".") / "lensing" / "ktng_kappa360v2.fits")[0].float()
    for i in range(min(count, 4)):
        x = kappa[..., 90 * i : 90 * i + SIDE, 60 * i : 60 * i + SIDE]
        mask = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(i)) > 0.2
        for std in (0.005, 0.02):
            for name, op in (("shear", KaiserSquires((SIDE, SIDE))),
                             ("masked shear", KaiserSquires((SIDE, SIDE), mask=mask))):  # fmt: skip
                y = gaussian_noise(op.A(x), std, seed=i)
                y = y if op.measured is None else torch.where(op.measured, y, torch.zeros_like(y))
                yield from _common(name, op, y, std, 0.3)
                yield Case(name, "sign of the second component", "geometry", op, y.conj().resolve_conj(), std)
                if name == "shear":
                    yield Case(name, "axes swapped", "geometry", op, y.mT.contiguous(), std)


FIELDS = {"photographs": photographs, "mri": mri, "ct": ct, "radio": radio, "shear": shear}
