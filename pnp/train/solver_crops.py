"""What solvers feed a denoiser: crops behind random operators, taken from the iterations of ADMM and HQS."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from operators.base import LinearOperator
from operators.blur import Blur
from operators.kernels import gaussian_kernel, motion_kernel
from operators.linalg import column
from operators.mask import Inpainting
from operators.mri import MRI
from operators.resample import Downsampling
from operators.sampling import random_columns

from ..problem import data_gain, rough_estimate
from .task import Drawn, sample_generator, white_noise
from .tasks import DenoiseCrops, squares

__all__ = ["SolverCrops", "random_operator"]

_START = 49 / 255  # first level of the solvers' annealing


def _log_uniform(low: float, high: float, g: torch.Generator) -> float:
    return low * (high / low) ** float(torch.rand((), generator=g))


def _kernels(make: Callable[[torch.Generator], Tensor], side: int, generators: Sequence[torch.Generator]) -> Tensor:
    """Kernels (B, 1, side, side), each with its origin in the middle."""
    out = torch.zeros(len(generators), 1, side, side)
    for place, g in zip(out, generators):
        kernel = make(g)
        top, left = (side // 2 - n // 2 for n in kernel.shape)
        place[0, top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return out


def _spectrum(side: int, g: torch.Generator) -> Tensor:
    """Kernel of a projection onto random frequencies: columns, dense in the middle, or spokes through it."""
    frequency = torch.fft.fftfreq(side)
    if float(torch.rand((), generator=g)) < 0.5:  # columns, as in MRI
        keep = _log_uniform(0.2, 0.6, g)
        density = (frequency.abs() / 0.5).clamp(min=0.02).pow(-0.7)
        columns = torch.rand(side, generator=g) < density * keep / density.mean()
        mask = (columns | (frequency.abs() < 0.04)).expand(side, side)
    else:  # spokes, as in tomography
        angle = torch.arange(round(_log_uniform(12, 90, g))) * 1.0
        angle = math.pi * (angle + torch.rand((), generator=g)) / len(angle)
        far = (frequency[:, None, None] * angle.cos() - frequency[:, None] * angle.sin()).abs().amin(-1)
        mask = far < 0.5 / side
    mask = mask | mask.flip(0, 1).roll((1, 1), (0, 1))  # real images have both
    mask = mask.T if float(torch.rand((), generator=g)) < 0.5 else mask
    return torch.fft.fftshift(torch.fft.ifft2(mask.float()).real)


def random_columns_of(side: int, generators: Sequence[torch.Generator]) -> LinearOperator:
    """Cartesian MRI of complex images with a mask for each sample, 2 to 10 times accelerated."""
    masks = []
    for g in generators:
        rate, seed = _log_uniform(2.0, 10.0, g), int(torch.randint(2**31, (), generator=g))
        mask = random_columns((side, side), rate, min(0.32 / rate, 0.16), seed=seed)
        masks.append(mask.T if float(torch.rand((), generator=g)) < 0.5 else mask)
    return MRI(torch.stack(masks)[:, None])


def random_operator(
    kind: int, side: int, generators: Sequence[torch.Generator], channels: int = 1
) -> tuple[LinearOperator, bool]:
    """One of six kinds of measurements of images of ``side`` pixels, its details drawn for each sample and shared by
    its channels: Gaussian blur, motion, missing pixels, fewer pixels, missing columns or spokes of the spectrum (two
    kinds of six); and whether it is a projection, within which the noise lies, too.

    >>> op, projects = random_operator(2, 8, [torch.Generator()])
    >>> op.out_shape, projects
    ((1, 8, 8), True)
    """

    def spread(per_sample: Tensor) -> Tensor:
        return per_sample.repeat_interleave(channels, 0)

    shape, first = (side, side), generators[0]
    match kind % 6:
        case 0:
            size = min(19, side - 1 + side % 2)
            kernels = _kernels(lambda g: gaussian_kernel(_log_uniform(0.6, 3.0, g), size), side, generators)
        case 1:
            longest = min(25.0, side / 2)

            def motion(g: torch.Generator) -> Tensor:
                return motion_kernel(
                    _log_uniform(min(4.0, longest), longest, g), float(math.pi * torch.rand((), generator=g))
                )

            kernels = _kernels(motion, side, generators)
        case 2:
            masks = [torch.rand(1, *shape, generator=g) < _log_uniform(0.15, 0.7, g) for g in generators]
            return Inpainting(spread(torch.stack(masks))), True
        case 3:
            factors = [f for f in (2, 3, 4) if side % f == 0] or [1]
            return Downsampling(factors[int(torch.randint(len(factors), (), generator=first))], shape), False
        case _:
            return Blur(spread(torch.stack([_spectrum(side, g)[None] for g in generators])), shape), True
    return Blur(spread(kernels), shape), False


class SolverCrops(DenoiseCrops):
    r"""Noisy crops, a ``share`` of which a solver made, with the model itself as its prior.

    What comes before the denoiser in a solver is not white: where the data hold little, there is no noise at all, and
    what the last answers lacked is in it. A network that knows white noise only leaves such errors alone. So the first
    samples of each step are measured by a random operator, one to six iterations of ADMM or HQS are made, and the
    model learns to give the image from what it is handed then, at the level that it is handed:

    .. math:: x_k = \mathrm{prox}(v_k - u_k), \quad v_{k+1} = D(x_k + u_k, \sigma_k), \quad
        \text{loss of } D(x_K + u_K, \sigma_K)

    Arguments are those of :class:`DenoiseCrops`, and:

    Args:
        share: of the samples that come from solvers, 0 <= share <= 1.
        warmup: steps without any, until there is a prior.
        noise: lowest and highest noise standard deviation of the data, in units of the images.
        floor: lowest and highest level at which a solver ends where the data hold little of the image.

    Complex images lack columns of their spectrum.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        *,
        share: float = 0.25,
        warmup: int = 0,
        noise: tuple[float, float] = (0.003, 0.06),
        floor: tuple[float, float] = (0.01, 0.12),
        **others: Any,
    ) -> None:
        super().__init__(images, **others)
        if not 0 <= share <= 1:
            raise ValueError(f"share: expected a part of the samples, 0 to 1, got {share}")
        self.count, self.warmup, self.noise, self.floor = round(share * self.batch), warmup, noise, floor

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        samples = list(samples)
        drawn = super().draw(step, samples)
        taken = sum(sample < self.count for sample in samples)  # they come first
        if taken == 0 or step < self.warmup:
            return drawn
        clean = drawn.target[:taken]
        own = [sample_generator(self.seed, step, self.batch + 1 + sample) for sample in samples[:taken]]
        common = sample_generator(self.seed, step, self.batch)
        kind, channels = int(torch.randint(6, (), generator=common)), clean.shape[1]
        if clean.is_complex():
            op, projects = random_columns_of(clean.shape[-1], own), True
        else:
            op, projects = random_operator(kind, clean.shape[-1], own, channels)

        def made(low: float, high: float) -> Tensor:
            return torch.tensor([_log_uniform(low, high, g) for g in own])

        std = made(*self.noise)
        planes = clean.flatten(0, 1)[:, None]  # colours one by one
        white = torch.cat([white_noise(x[:, None], g) for x, g in zip(clean, own)])
        white = white * column(std.repeat_interleave(channels), white)
        y = op.A(planes + white) if projects else op.A(planes) + white[..., : op.out_shape[-2], : op.out_shape[-1]]
        gain = data_gain(op, planes)
        start = rough_estimate(op, op.A_adjoint(y), gain)
        # where solvers end: at the noise in the image, or at a level that stands for what the data do not hold
        floor = made(*self.floor) * torch.tensor([float(torch.rand((), generator=g) < 0.7) for g in own])
        low, high = self.sigmas
        end = torch.maximum(std / gain[::channels].sqrt(), floor) * made(0.6, 1.5)
        end = end.clamp(max(low, 1e-3), high)
        steps, dual = 1 + torch.randint(6, (), generator=common), torch.rand((), generator=common) < 0.7
        solver = (op, y, std, start, end, made(0.3, 1.2), torch.stack((steps, dual)))
        return Drawn((*drawn.given, solver), drawn.target, drawn.weight)

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        if len(drawn.given) == 2:
            return super().loss(model, drawn)
        noisy, level, solver = drawn.given
        with torch.no_grad():
            made, end = handed(model, solver, noisy.shape[1])
        rest, weight = slice(len(made), None), drawn.weight
        if weight is not None:  # what can hardly be mended counts by what is to be mended, not by its level
            wrong = squares(made - drawn.target[: len(made)]).sqrt()
            weight = torch.cat((1 / torch.maximum(wrong, end), weight[rest]))
        noisy, level = torch.cat((made, noisy[rest])), torch.cat((end, level[rest]))
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        return super().loss(model, Drawn((noisy, level), drawn.target, weight))


def handed(model: Callable[[Tensor, Tensor], Tensor], solver: Sequence[Any], channels: int) -> tuple[Tensor, Tensor]:
    """What a solver hands the model after some iterations, (B, C, H, W), and its level (B,)."""
    op, y, std, start, end, balance, (steps, dual) = solver
    aty, each = op.A_adjoint(y), lambda v: v.repeat_interleave(channels)
    v, u, before = start, torch.zeros_like(start), None
    falling = max(1, (int(steps) + 1) // 2)
    first = end.clamp(min=_START)
    for k in range(int(steps)):
        sigma = first * (end / first) ** min(k / falling, 1.0) if k + 1 < int(steps) else end
        if before is not None:
            u = u * column(each((sigma / before) ** 2), u)
        gamma = each(sigma**2 / (balance * std**2))
        gamma = torch.minimum(gamma, torch.full_like(gamma, 1e4 / op.norm() ** 2))
        z = op.solve_normal(v - u + column(gamma, v) * aty, gamma) + u
        if k + 1 == int(steps):
            v = z
            break
        v = model(z.unflatten(0, (-1, channels)).squeeze(2), sigma).flatten(0, 1)[:, None].to(z.dtype)
        u = (z - v) * dual
        before = sigma
    return v.unflatten(0, (-1, channels)).squeeze(2), end
