"""Noisy crops for priors of solvers: a denoiser answers alike whatever became of the noise that it is told of."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from operators.image.blur import kernel_spectrum
from operators.image.kernels import gaussian_kernel, motion_kernel

from ..drawing import log_uniform, sample_generator, white_noise
from .base import Drawn
from .supervised import DenoiseCrops, squares

__all__ = ["SteadyCrops", "random_frequencies", "random_motion", "solver_noise"]


def random_frequencies(side: int, g: torch.Generator, *, spokes: bool, half: bool = True) -> Tensor:
    """Ones where a random measurement has the spectrum, (H, W // 2 + 1) of real images or, not ``half``, all of it with
    its centre in the middle: 12 to 90 spokes through it, or columns (or rows), dense in the middle."""
    frequency = torch.fft.fftfreq(side, device="cpu")
    if spokes:
        angle = torch.arange(round(log_uniform(12, 90, g)), device="cpu") * 1.0
        angle = math.pi * (angle + torch.rand((), generator=g, device="cpu")) / len(angle)
        far = (frequency[:, None, None] * angle.cos() - frequency[:, None] * angle.sin()).abs().amin(-1)
        mask = far < 0.5 / side
    else:
        keep = log_uniform(0.1, 0.6, g)
        density = (frequency.abs() / 0.5).clamp(min=0.02).pow(-0.7)
        columns = torch.rand(side, generator=g, device="cpu") < density * keep / density.mean()
        mask = (columns | (frequency.abs() < 0.2 * keep)).expand(side, side)
    mask = mask.T if float(torch.rand((), generator=g, device="cpu")) < 0.5 else mask
    return (mask[:, : side // 2 + 1] if half else torch.fft.fftshift(mask)).float()


def random_motion(side: int, g: torch.Generator) -> Tensor:
    """Kernel of a straight motion of 4 to 25 pixels, and at most half of ``side``."""
    longest = min(25.0, side / 2)
    angle = float(math.pi * torch.rand((), generator=g, device="cpu"))
    return motion_kernel(log_uniform(min(4.0, longest), longest, g), angle)


def solver_noise(x: Tensor, g: torch.Generator) -> Tensor:
    r"""Noise as in the images that a solver hands its denoiser, for a square crop (C, H, H), real or complex, where the
    level that it names is one.

    A proximal step with transfer function H lets noise of the amplitude :math:`a / (1 + a^2)`, :math:`a = |H| \sigma /
    \sigma_n`, through: little where the data are exact, none where they hold nothing. So either all of the noise is
    weaker than the level says, or it has gaps, pixels that are missing, or a blur, a motion or missing frequencies
    shape its spectrum.

    >>> noise = solver_noise(torch.zeros(1, 16, 16), torch.Generator().manual_seed(0))
    >>> noise.shape, float(noise.std()) < 1.3
    (torch.Size([1, 16, 16]), True)
    """
    side, white = x.shape[-1], white_noise(x, g)
    kind, strength = (
        int(torch.randint(5, (), generator=g, device="cpu")),
        0.3 + float(torch.rand((), generator=g, device="cpu")),
    )
    match kind:
        case 0:
            return white * float(torch.rand((), generator=g, device="cpu"))
        case 1:
            return white * strength * (torch.rand(x.shape[-2:], generator=g, device="cpu") < log_uniform(0.15, 0.7, g))
        case 2:
            kernel = gaussian_kernel(log_uniform(0.6, 3.0, g), min(19, side - 1 + side % 2))
            a = log_uniform(1.0, 300.0, g) * kernel_spectrum(kernel, (side, side)).abs()
        case 3:
            a = log_uniform(1.0, 300.0, g) * kernel_spectrum(random_motion(side, g), (side, side)).abs()
        case _:
            a = random_frequencies(side, g, spokes=float(torch.rand((), generator=g, device="cpu")) < 0.5)
    parts = torch.view_as_real(white).movedim(-1, 0) if x.is_complex() else white[None]
    shaped = strength * torch.fft.irfft2(torch.fft.rfft2(parts) * (2 * a / (1 + a**2)), s=parts.shape[-2:])
    return torch.complex(*shaped) if x.is_complex() else shaped[0]


class SteadyCrops(DenoiseCrops):
    r"""Noisy crops, for a ``share`` of which the model is asked twice.

    .. math:: \frac1B \sum_b \frac{\|D(x_b + \sigma_b n_b, \sigma_b) - x_b\|^2}{N \sigma_b} + \frac1B \sum_{b \le B'}
        \frac{\|D(x_b + \sigma_b m_b, \sigma_b) - D(x_b + \sigma_b n_b, \sigma_b)\|^2}{N \sigma_b}

    n is white, m is :func:`solver_noise`, and the second term teaches the first D only. What solvers hand a denoiser
    carries less noise than the level says, and other noise. A network that knows only white noise answers such images
    worse than noisier ones; if it learns to give the image instead, it trusts what it sees of the noise, and does not
    regularise any more. The mean of its own answers over white noise is what a denoiser of this level should give.

    Arguments are those of :class:`DenoiseCrops`; the crops are square.
    """

    def __init__(self, images: Sequence[Tensor], *, share: float = 0.25, **others: Any) -> None:
        super().__init__(images, **others)
        if not 0 <= share <= 1:
            raise ValueError(f"share: expected a part of the samples, 0 to 1, got {share}")
        self.twice = round(share * self.batch)

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        samples = list(samples)
        drawn = super().draw(step, samples)
        others = []
        for sample, x, level in zip(samples, drawn.target, drawn.given[1]):
            if sample < self.twice:
                g = sample_generator(self.seed, step, self.batch + sample)
                shaped = solver_noise(torch.empty_like(x, device="cpu"), g)
                others.append(x + level * shaped.to(x.device, non_blocking=True))
        return Drawn((*drawn.given, torch.stack(others)), *drawn[1:]) if others else drawn

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        if len(drawn.given) == 2 or drawn.weight is None:
            return super().loss(model, drawn._replace(given=drawn.given[:2]))
        noisy, level, other = drawn.given
        first = slice(len(other))  # the samples that are asked twice come first
        seen = torch.cat((noisy, other)).contiguous(memory_format=torch.channels_last)
        answer, again = model(seen, torch.cat((level, level[first]))).split((len(noisy), len(other)))
        wrong = torch.cat((answer - drawn.target, again - answer[first].detach()))
        return (squares(wrong) * torch.cat((drawn.weight, drawn.weight[first]))).sum() / len(noisy)
