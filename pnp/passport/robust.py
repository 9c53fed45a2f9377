"""How a denoiser does on what it was not trained for: less, more and other noise, and long solves."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from denoisers.base import Denoiser

from ..metrics import psnr

__all__ = ["drift", "robustness"]


def _coloured(x: Tensor, seed: int, *, low: bool) -> Tensor:
    """Noise of unit deviation with frequencies below, or above, an eighth of a cycle per pixel."""
    white = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype, device="cpu").to(
        x.device
    )
    rows, columns = torch.fft.fftfreq(x.shape[-2], device="cpu")[:, None], torch.fft.rfftfreq(x.shape[-1], device="cpu")
    below = (rows.square() + columns.square() < 0.125**2).to(x.device)
    noise = torch.fft.irfft2(torch.fft.rfft2(white) * (below if low else ~below), s=x.shape[-2:])
    return noise / noise.std()


@torch.no_grad()
def robustness(denoiser: Denoiser, images: Sequence[Tensor], sigma: float) -> dict[str, float]:
    """Mean PSNR / dB of D(., sigma) on images (1, C, H, W) with other noise than white noise of this level."""
    scores: dict[str, list[float]] = {}
    for i, x in enumerate(images):
        white = torch.randn(x.shape, generator=torch.Generator().manual_seed(i), dtype=x.dtype, device="cpu").to(
            x.device
        )
        noises = {"none": 0 * white, "half": white / 2, "true": white, "1.5 times": 1.5 * white}
        noises |= {"high frequencies": _coloured(x, i, low=False), "low frequencies": _coloured(x, i, low=True)}
        for name, noise in noises.items():
            scores.setdefault(name, []).append(float(psnr(denoiser(x + sigma * noise, sigma).clamp(0, 1), x)))
    return {name: sum(values) / len(values) for name, values in scores.items()}


@torch.no_grad()
def drift(denoiser: Denoiser, x: Tensor, *, iterations: int = 1000, side: int = 64) -> dict[str, Any]:
    """PSNR / dB of PnP-ADMM's answer after 60 and after many iterations, for the middle of a gray image, blurred."""
    from ..solvers.admm import PnPADMM
    from ..train.in_solver import PROBLEMS, measured

    top, left = ((n - side) // 2 for n in x.shape[-2:])
    square, name = x[:, :1, top : top + side, left : left + side], "gaussian blur 1.6 px, noise 0.02"
    op, y = measured(name, square)
    solver, scores = PnPADMM(op, denoiser, noise_std=PROBLEMS[name].noise_std), {}
    for state in solver.iterate(y):
        if state.step in (60, iterations):
            scores[f"{state.step} iterations"] = float(psnr(state.x.clamp(0, 1), square))
        if state.step == iterations:
            break
    return scores
