"""The measurements of a passport."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from denoisers.base import Denoiser
from denoisers.evaluation.receptive_field import receptive_field
from operators.linalg import dot

from ..metrics import psnr
from ..train.in_solver import in_solver
from .memory import peak_memory
from .robust import drift, robustness

__all__ = ["jacobian_figures", "measure_passport"]

LEVELS = (2 / 255, 5 / 255, 15 / 255, 25 / 255, 50 / 255)


def _noise(x: Tensor, sigma: float, seed: int = 0) -> Tensor:
    return x + sigma * torch.randn(
        x.shape, generator=torch.Generator().manual_seed(seed), dtype=x.dtype, device="cpu"
    ).to(x.device)


def _distance(a: Tensor, b: Tensor, sigma: float) -> float:
    """Root mean square of a - b in units of sigma."""
    return float((a - b).double().square().mean().sqrt() / sigma)


@torch.no_grad()
def _levels(denoiser: Denoiser, images: list[Tensor], sigmas: list[float]) -> dict[str, dict[str, float]]:
    """Gain in dB and bias, the mean error in units of sigma, at each level."""
    gain, bias = {}, {}
    for sigma in sigmas:
        noisy = [_noise(x, sigma, i) for i, x in enumerate(images)]
        clean = [denoiser(y, sigma) for y in noisy]
        key = f"{255 * sigma:g}/255"
        gain[key] = sum(float(psnr(c, x) - psnr(y, x)) for c, x, y in zip(clean, images, noisy)) / len(images)
        bias[key] = sum(float((c - x).mean()) for c, x in zip(clean, images)) / len(images) / sigma
    return {"gain_dB": gain, "bias": bias}


@torch.no_grad()
def _units(denoiser: Denoiser, y: Tensor, sigma: float) -> dict[str, float]:
    """How far D(a y + b, a sigma) is from a D(y, sigma) + b, in units of the noise."""
    plain = denoiser(y, sigma)
    out = {
        f"scale_{a:g}": _distance(denoiser(a * y, a * sigma), a * plain, a * sigma)
        for a in (0.5, 0.8, 1.25)
        if _in_range(denoiser, a * sigma)
    }
    return out | {f"shift_{b:+g}": _distance(denoiser(y + b, sigma), plain + b, sigma) for b in (-0.2, 0.2)}


def _in_range(denoiser: Denoiser, sigma: float) -> bool:
    low, high = denoiser.sigma_range or (0.0, math.inf)
    return low * (1 - 1e-6) <= sigma <= high * (1 + 1e-6)


@torch.no_grad()
def _symmetries(denoiser: Denoiser, y: Tensor, sigma: float) -> dict[str, float]:
    """How far D(T y) is from T D(y), in units of the noise; a shift by one pixel is compared away from the border."""
    plain = denoiser(y, sigma)
    moves: dict[str, Callable[[Tensor], Tensor]] = {
        "flip": lambda v: v.flip(-1),
        "quarter turn": lambda v: torch.rot90(v, 1, (-2, -1)),
    }
    out = {name: _distance(denoiser(move(y), sigma), move(plain), sigma) for name, move in moves.items()}
    inside = slice(y.shape[-1] // 4, -y.shape[-1] // 4)
    shifted = denoiser(y[..., 1:, 1:], sigma)[..., inside, inside]
    return out | {"shift by a pixel": _distance(shifted, plain[..., 1:, 1:][..., inside, inside], sigma)}


def jacobian_figures(denoiser: Denoiser, y: Tensor, sigma: float, *, steps: int = 20) -> dict[str, float]:
    r"""Figures of the Jacobian J of D(., sigma) at ``y``: :math:`\|J\|`, :math:`\|J - I\|` (from below, by power
    iteration) and the asymmetry :math:`\|J - J^*\|_F / \|J\|_F` (from random directions).

    A symmetric J with eigenvalues in [0, 1] is that of a proximal map; :math:`\|J - I\| < 1` makes iterations
    contract.

    >>> from denoisers import as_denoiser
    >>> halve = as_denoiser(lambda x, sigma: x / 2)
    >>> {k: round(v, 4) for k, v in jacobian_figures(halve, torch.rand(1, 1, 8, 8), 0.1).items()}
    {'lipschitz': 0.5, 'lipschitz_of_residual': 0.5, 'asymmetry': 0.0}
    """
    y = y.detach().requires_grad_()
    with torch.enable_grad():
        out = denoiser(y, sigma)
    if not out.requires_grad:
        raise ValueError("denoiser: its output has no derivative")

    def transposed(v: Tensor) -> Tensor:
        return torch.autograd.grad(out, y, v, retain_graph=True)[0]

    dummy = torch.zeros_like(out, requires_grad=True)
    (pulled,) = torch.autograd.grad(out, y, dummy, create_graph=True)

    def forward(v: Tensor) -> Tensor:  # the derivative of J* w by w is J
        return torch.autograd.grad(pulled, dummy, v, retain_graph=True)[0]

    generator = torch.Generator().manual_seed(0)

    def norm(shift: float) -> float:
        v, size = torch.randn(y.shape, generator=generator, dtype=y.dtype, device="cpu").to(y.device), 0.0
        for _ in range(steps):
            v = v / dot(v, v).sqrt()
            w = forward(v) - shift * v
            size = float(dot(w, w).sqrt())
            v = transposed(w) - shift * w
            if not bool(v.any()):
                break
        return size

    different, whole = 0.0, 0.0
    for _ in range(4):
        v = torch.randn(y.shape, generator=generator, dtype=y.dtype, device="cpu").to(y.device)
        jv = forward(v)
        rest = jv - transposed(v)
        different, whole = different + float(dot(rest, rest)), whole + float(dot(jv, jv))
    return {
        "lipschitz": norm(0.0),
        "lipschitz_of_residual": norm(1.0),
        "asymmetry": (different / whole) ** 0.5 if whole else 0.0,
    }


@torch.no_grad()
def _cost(denoiser: Denoiser, x: Tensor, sigma: float) -> dict[str, Any]:
    """Seconds for a million pixels, the best of three, and bytes for a pixel."""
    best, pixels = math.inf, x[0, 0].numel()
    for _ in range(3):
        start = time.perf_counter()
        denoiser(x, sigma)
        best = min(best, time.perf_counter() - start)
    peak = peak_memory(lambda: denoiser(x, sigma))
    return {
        "seconds_per_megapixel": best / pixels * 1e6,
        "threads": torch.get_num_threads(),
        "bytes_per_pixel": None if peak is None else peak / pixels,
    }


@torch.no_grad()
def _precision(denoiser: Denoiser, images: list[Tensor], sigma: float) -> dict[str, float]:
    """What evaluations in half precision cost in dB, for denoisers that have the choice; TF32 where there is a GPU."""
    if not hasattr(denoiser, "precision"):
        return {}
    chosen: Any = denoiser  # its ``precision`` is a plain attribute
    before, scores = chosen.precision, {}
    for precision in ("float32", "bfloat16"):
        chosen.precision = precision
        scores[precision] = robustness(denoiser, images, sigma)["true"]
    chosen.precision = "float32"
    out = {"bfloat16_dB": scores["bfloat16"] - scores["float32"]}
    if torch.cuda.is_available():
        for precision in ("float32", "tf32"):
            chosen.precision = precision
            scores[precision] = robustness(denoiser.to("cuda"), [x.cuda() for x in images], sigma)["true"]
        denoiser.to("cpu")
        out["tf32_dB"] = scores["tf32"] - scores["float32"]
    chosen.precision = before
    return out


def measure_passport(denoiser: Denoiser, images: list[Tensor], *, solvers: bool = False) -> dict[str, Any]:
    """The passport of ``denoiser`` from clean images (1, C, H, W) in [0, 1], which it is shown with noise.

    Returns plain values: ``gain_dB`` and ``bias`` by level, and at one level (25/255 or the denoiser's own) ``units``,
    ``symmetries`` (errors in units of the noise), ``jacobian``, ``receptive_field`` (pixels, None: the whole image),
    ``robustness`` (PSNR with other noise than it is told), ``precision`` (dB lost in bfloat16, in TF32), ``cost``
    (seconds per megapixel with so many threads, bytes per pixel at the peak); with ``solvers``, for gray images,
    ``in_solver`` (PSNR of default reconstructions) and ``drift`` (PSNR after 60 and 1000 iterations).

    Raises:
        ValueError: no image.
    """
    if not images:
        raise ValueError("images: expected at least one")
    low, high = denoiser.sigma_range or (0.0, math.inf)
    sigmas = [s for s in LEVELS if _in_range(denoiser, s)] or [(low + high) / 2]
    sigma = min(sigmas, key=lambda s: abs(s - 25 / 255))
    small = images[0][..., :96, :96]
    y = _noise(small, sigma)

    passport: dict[str, Any] = {
        **_levels(denoiser, images, sigmas),
        "level_of_the_rest": sigma,
        "units": _units(denoiser, y, sigma),
        "symmetries": _symmetries(denoiser, y, sigma),
    }
    try:
        passport["jacobian"] = jacobian_figures(denoiser, y, sigma)
    except (ValueError, RuntimeError) as error:  # classical methods have none
        passport["jacobian"] = {"none": str(error).splitlines()[0]}
    passport |= {"robustness": robustness(denoiser, images, sigma), "precision": _precision(denoiser, images, sigma)}
    if solvers and small.shape[1] == 1:
        passport |= {"in_solver": in_solver(denoiser, [x[0] for x in images]), "drift": drift(denoiser, images[0])}
    passport["cost"] = _cost(denoiser, images[0], sigma)
    radius = receptive_field(denoiser, small.shape[1])
    return _rounded({**passport, "receptive_field": None if math.isinf(radius) else int(radius)})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
