"""What the recipes measure: operators by the side of the image, made once, and how they corrupt images."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from operators import MRI, Blur, KaiserSquires, Radon, gaussian_noise, gaussian_noise_snr, motion_kernel, random_columns
from operators.lensing.catalogue import shape_noise_std

__all__ = ["accelerated_mri", "course_blur", "low_dose_ct", "mass_map", "radon", "smooth_phase", "with_noise"]


@lru_cache(maxsize=4)
def radon(size: int, angles: int = 180) -> Radon:
    """Parallel beams over half a turn."""
    return Radon(size, torch.arange(angles, device="cpu") * (torch.pi / angles))


@lru_cache(maxsize=4)
def course_blur(size: int) -> Blur:
    """The course's motion blur, 7 pixels along the diagonal, zeros around the image."""
    return Blur(motion_kernel(7, torch.pi / 4, variant="ippy").flip(0, 1), (size, size), boundary="zero")


def with_noise(std: float, *, relative: bool = False) -> Callable[[Tensor, torch.Generator], Tensor]:
    """White noise on an image, ``relative`` to its largest value."""

    def corrupt(x: Tensor, g: torch.Generator) -> Tensor:
        return x + std * (x.amax() if relative else 1) * torch.randn(x.shape, generator=g, device="cpu")

    return corrupt


def low_dose_ct(x: Tensor, g: torch.Generator) -> Tensor:
    """Filtered back projection of 180 projections with noise of 30 dB, as LoFi's network sees it."""
    op = radon(x.shape[-1])
    return op.fbp(gaussian_noise_snr(op.A(x[None]), 30.0, seed=_seed(g)))[0]


def mass_map(x: Tensor, g: torch.Generator) -> Tensor:
    """E and B modes, two channels, of the shear of 5 degrees with the noise of formula (19), as LoFi's network sees
    them."""
    op = _kaiser_squires((x.shape[-2], x.shape[-1]))
    std = shape_noise_std(300 / x.shape[-1], components=1)
    modes = op.modes(gaussian_noise(op.A(x[None]), std, seed=_seed(g)))[0]
    return torch.cat((modes.real, modes.imag))


@lru_cache(maxsize=4)
def _kaiser_squires(shape: tuple[int, int]) -> KaiserSquires:
    return KaiserSquires(shape, convention="lofi")


def accelerated_mri(size: int) -> Callable[[torch.Generator], MRI]:
    """A random mask for each sample: a quarter of the columns, 8 % in the centre, as fastMRI has it."""
    return lambda g: MRI(random_columns((size, size), 4.0, 0.08, seed=_seed(g)))


def smooth_phase(x: Tensor, g: torch.Generator) -> Tensor:
    """A magnitude with a synthetic phase: a plane wave of at most a turn, which measured images have beside others."""
    u = torch.rand(3, generator=g, device="cpu") * 2 - 1
    rows, columns = (torch.linspace(-0.5, 0.5, n, device="cpu") for n in x.shape[-2:])
    return x * torch.exp(2j * torch.pi * (u[0] * rows[:, None] + u[1] * columns + u[2]))


def _seed(g: torch.Generator) -> int:
    return int(torch.randint(2**31, (1,), generator=g, device="cpu"))
