"""What a denoiser is trained on: noisy crops, or noisy objects at a few coordinates each; fresh noise every step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .images import random_crops

__all__ = ["denoise_crops", "denoise_pixels", "step_generator"]


def step_generator(seed: int, step: int) -> torch.Generator:
    """Random numbers of one step: a stream of its own for every (seed, step), so training can resume anywhere."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def denoise_crops(
    images: list[Tensor], *, crop: int, batch: int, sigmas: tuple[float, float], seed: int = 0
) -> Callable[[nn.Module, int], Tensor]:
    r"""Loss of a noise-conditioned denoiser on random crops, :math:`\sigma` uniform in ``sigmas`` for each crop.

    .. math:: \frac1B \sum_b \|D(x_b + \sigma_b n_b, \sigma_b) - x_b\|^2 / (N \sigma_b)

    The error of a good denoiser grows about as :math:`\sigma` in its square, so this weight counts a relative
    improvement alike at every level.
    """

    def loss(model: nn.Module, step: int) -> Tensor:
        g = step_generator(seed, step)
        clean = random_crops(images, batch, crop, g).contiguous(memory_format=torch.channels_last)
        low, high = sigmas
        sigma = low + (high - low) * torch.rand(batch, generator=g)
        noisy = clean + sigma.view(-1, 1, 1, 1) * torch.randn(clean.shape, generator=g)
        return ((model(noisy, sigma) - clean).square().mean((1, 2, 3)) / sigma).mean()

    return loss


def denoise_pixels(
    images: list[Tensor], *, crop: int, batch: int, pixels: int, sigma: float, seed: int = 0
) -> Callable[[nn.Module, int], Tensor]:
    """L1 loss of a :class:`denoisers.LoFi` on ``batch`` objects at ``pixels`` coordinates each, as the paper trains.

    The same coordinates serve all objects of a step, drawn with replacement from the pixel grid; memory does not
    depend on the size of the objects beyond the objects themselves. arXiv:2411.04995, VII.
    """

    def loss(model: nn.Module, step: int) -> Tensor:
        g = step_generator(seed, step)
        clean = random_crops(images, batch, crop, g)
        noisy = clean + sigma * torch.randn(clean.shape, generator=g)
        index = torch.randint(crop * crop, (pixels,), generator=g)
        place = torch.stack((index // crop, index % crop), -1)
        value = model(noisy, place / (crop - 1) - 0.5)  # (B, C, P)
        return (value - clean[..., place[:, 0], place[:, 1]]).abs().mean()

    return loss
