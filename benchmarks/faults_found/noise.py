"""Noise levels of data, and what is told of data and answers."""

import warnings

import torch
from torch import Tensor

from denoisers import LoFiDenoiser
from operators import (
    MRI,
    Blur,
    Identity,
    Inpainting,
    NonCartesianMRI,
    RadioInterferometry,
    gaussian_kernel,
    gaussian_noise,
    motion_kernel,
    poisson_disc,
    radial_trajectory,
    random_mask,
    uv_coverage,
)
from pnp import PnPADMM, PnPHQS, data, estimate_noise
from pnp.metrics import psnr

from .fault import fault


def _photo() -> Tensor:
    return data.sample("camera")[..., 100:228, 180:308]


def _ratios(values: list[float]) -> tuple[str, bool]:
    return ", ".join(f"{v:.2f}" for v in values) + " of the truth", all(0.8 <= v <= 1.3 for v in values)


@fault("A1", "noise level of masked, padded and counted data",
       before="4 to 10 times the truth; 0 for padding and counts", right="0.8 to 1.3 of the truth")  # fmt: skip
def _masked() -> tuple[str, bool]:
    op = Inpainting(random_mask((128, 128), 0.3, seed=0))
    everywhere = gaussian_noise(op(_photo()), 0.05)
    padded = torch.full((1, 1, 200, 200), -1.0)
    padded[..., 36:164, 36:164] = gaussian_noise(_photo(), 0.05)
    found = [estimate_noise(op, everywhere)[0] / 0.05, estimate_noise(Identity((200, 200)), padded)[0] / 0.05]
    for mean in (0.3, 1.0, 10.0):
        y = torch.poisson(torch.full((1, 1, 128, 128), mean), generator=torch.Generator().manual_seed(3))
        found.append(estimate_noise(Identity((128, 128)), y)[0] / mean**0.5)
    return _ratios([float(v) for v in found])


@fault("A2", "noise level of visibilities: a point, 10 to 40 dB, MeerKAT and VLA",
       before="1.3 to 87 times the truth", right="0.8 to 1.3 of the truth")  # fmt: skip
def _visibilities() -> tuple[str, bool]:
    found, x = [], torch.zeros(1, 1, 128, 128)
    x[..., 30, 90] = 1.0
    x[..., 50:70, 50:70] = 0.01
    for array in ("meerkat", "vla-a"):
        uv = uv_coverage(array, hours=(-1.0, 1.0), samples=20)
        op = RadioInterferometry(uv * (3.1 / uv.abs().max()), (128, 128), unit="rad/pixel")
        clean = op(x)
        for snr in (10.0, 20.0, 40.0):
            std = 10 ** (-snr / 20) * float(clean.abs().square().mean().sqrt()) / 2**0.5
            found.append(float(estimate_noise(op, gaussian_noise(clean, std, seed=0))[0]) / std)
    return _ratios(found)


@fault("A2", "noise level of k-space: eight coils at 100 pixels, Cartesian and radial",
       before="2.5 to 4.2, radial 3 times the truth", right="0.8 to 1.3 of the truth")  # fmt: skip
def _coils() -> tuple[str, bool]:
    side, found = 100, []
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="ij")
    angles = torch.arange(8) * (torch.pi / 4)
    far = (rows - angles.sin()[:, None, None]) ** 2 + (columns - angles.cos()[:, None, None]) ** 2
    maps = torch.exp(-far + 1j * angles[:, None, None])
    x = data.sample("camera")[..., 100:200, 180:280].to(torch.complex64)
    points = radial_trajectory(50, 200)
    for op in (MRI(poisson_disc((side, side), 4.0, seed=1), maps), NonCartesianMRI(points, (side, side), maps)):
        clean = op(x)
        std = 0.003 * float(clean.abs().square().mean().sqrt())
        y = gaussian_noise(clean, std, seed=0)
        y = y if op.measured is None else y * op.measured
        found.append(float(estimate_noise(op, y)[0]) / std)
    return _ratios(found)


@fault("A4", "missing short spacings", before="nothing is said", right="the report names the scales")
def _short_spacings() -> tuple[str, bool]:
    uv = uv_coverage("vla-a")
    op = RadioInterferometry(uv[:, uv.norm(dim=0) > 0.3 * uv.norm(dim=0).max()], (64, 64), cell=0.5)
    x = torch.zeros(1, 1, 64, 64)
    x[..., 20:44, 20:44] = 1.0
    told = PnPADMM(op, LoFiDenoiser(), noise_std=0.1).solve(op(x)).report.get("scales", "nothing")
    return told, "wider than" in told


@fault("A18", "HQS at strength 0.1", before="-7.8 dB, no warning", right="a warning")
def _weak() -> tuple[str, bool]:
    op = Blur(motion_kernel(15, 30.0), (128, 128))
    y = gaussian_noise(op(_photo()), 0.01)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x = PnPHQS(op, LoFiDenoiser(), noise_std=0.01, strength=0.1)(y)
    told = "; ".join(str(w.message) for w in caught)
    return f"{float(psnr(x, _photo())):.1f} dB; {told or 'no warning'}", "strength" in told


@fault("A4", "scales that a blur loses", before="nothing is said", right="the report names the scales")
def _blurred() -> tuple[str, bool]:
    op = Blur(gaussian_kernel(2.5), (128, 128))
    told = (
        PnPADMM(op, LoFiDenoiser(), noise_std=0.01).solve(gaussian_noise(op(_photo()), 0.01)).report.get("scales", "")
    )
    return told or "nothing", "finer than" in told
