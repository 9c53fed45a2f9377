"""How good a denoiser is as a prior: PSNR of default reconstructions on six problems."""

import math
import statistics
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.image.blur import Blur
from operators.image.kernels import gaussian_kernel, motion_kernel
from operators.image.mask import Identity, Inpainting, random_mask
from operators.image.resample import Downsampling
from operators.mri.cartesian import MRI
from operators.mri.sampling import random_columns
from operators.noise import gaussian_noise
from operators.tomography.radon import Radon

from ..metrics import psnr
from ..solvers.admm import PnPADMM
from ..stopping import Stop
from .tasks.base import device_of

__all__ = ["PROBLEMS", "Measurement", "in_solver"]


class Measurement(NamedTuple):
    """A problem for images of ``side`` pixels in [0, 1]: its operator, and the noise in the data."""

    op: Callable[[int], Any]
    noise_std: float


PROBLEMS: dict[str, Measurement] = {
    "denoising, noise 0.1": Measurement(lambda n: Identity((n, n)), 0.1),
    "inpainting 30 %, noise 0.01": Measurement(lambda n: Inpainting(random_mask((n, n), 0.3)), 0.01),
    "motion blur 15 px, noise 0.01": Measurement(lambda n: Blur(motion_kernel(15, 0.6), (n, n)), 0.01),
    "gaussian blur 1.6 px, noise 0.02": Measurement(lambda n: Blur(gaussian_kernel(1.6), (n, n)), 0.02),
    "downsampling 2, noise 0.01": Measurement(lambda n: Downsampling(2, (n, n)), 0.01),
    "MRI 4 x, noise 0.02": Measurement(lambda n: MRI(random_columns((n, n), 4.0, 0.08)), 0.02),
    "CT, 40 angles, noise 0.5 px": Measurement(
        lambda n: Radon((n, n), torch.arange(40, device="cpu") * (math.pi / 40)), 0.5
    ),
}


def measured(name: str, x: Tensor, *, seed: int = 0) -> tuple[Any, Tensor]:
    """Operator and data of a problem for square images (B, 1, n, n); each image's noise has a seed of its own."""
    op, std = PROBLEMS[name].op(x.shape[-1]), PROBLEMS[name].noise_std
    clean = op.A(x.to(torch.complex64) if op.in_dtype.is_complex else x)
    y = torch.cat([gaussian_noise(clean[i : i + 1], std, seed=seed + i) for i in range(len(clean))])
    return op, torch.where(clean == 0, clean, y) if isinstance(op, Inpainting | MRI) else y


@torch.no_grad()
def in_solver(
    denoiser: Any, images: Sequence[Tensor], *, side: int = 128, problems: Sequence[str] = (), iterations: int = 40
) -> dict[str, float]:
    """Mean PSNR / dB of :class:`pnp.PnPADMM` with ``denoiser`` for each of ``problems`` (default: all of
    :data:`PROBLEMS` but the identity), on the central squares of gray images (1, H, W), of ``side`` pixels or as many
    as they all have.

    >>> from denoisers import TVDenoiser
    >>> scores = in_solver(TVDenoiser(), [torch.rand(1, 16, 16)], side=16, problems=["inpainting 30 %, noise 0.01"])
    >>> [*scores]
    ['inpainting 30 %, noise 0.01']
    """
    squares, side = [], min([side, *(min(image.shape[-2:]) // 2 * 2 for image in images)])
    for image in images:
        top, left = (max(n - side, 0) // 2 for n in image.shape[-2:])
        squares.append(image[..., top : top + side, left : left + side])
    x, out = torch.stack(squares).cpu(), {}
    device = device_of(denoiser, x.device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for name in problems or [*PROBLEMS][1:]:
            op, y = measured(name, x)
            op, y = op.to(device), y.to(device)
            solver = PnPADMM(op, denoiser, noise_std=PROBLEMS[name].noise_std, stop=Stop(max_iter=iterations))
            answer = solver(y)
            answer = (answer.real if answer.is_complex() else answer).clamp(0, 1).cpu()
            out[name] = statistics.fmean(psnr(answer, x).tolist())
    return out
