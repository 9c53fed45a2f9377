"""Every method: exact where there is an answer to compare with, and how good with a trained prior.

First table: images of 6 x 6 in double precision, a denoiser that is the proximal map of a quadratic prior; distance of
the fixed point from the minimiser by dense algebra (Gaussian data) or L-BFGS-B (counts with x >= 0, outliers),
relative.
Second table: a photograph of 128², default prior and settings; PSNR, denoiser calls, seconds on one thread.

    python -m benchmarks.methods
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from denoisers import Bounded, default_denoiser
from operators import Blur, Identity, Inpainting, LinearOperator, gaussian_kernel, gaussian_noise, random_mask
from pnp import (
    RED,
    SNORE,
    Anderson,
    DiffPIR,
    Expert,
    Huber,
    Likelihood,
    PnPADMM,
    PnPDRS,
    PnPFISTA,
    PnPHQS,
    PnPMACE,
    PnPPDHG,
    PnPPGD,
    Poisson,
    Stop,
    data,
)
from pnp.metrics import psnr

from .common import parser, save, table

N, NOISE, WEIGHT = 6, 0.5, 0.72
METHODS: dict[str, Callable[..., Any]] = {
    "PnPADMM": PnPADMM, "PnPDRS": PnPDRS, "PnPPDHG": PnPPDHG, "PnPMACE": lambda op, d, **o: PnPMACE(op, [d], **o),
    "PnPPGD": PnPPGD, "PnPFISTA": PnPFISTA, "Anderson(PnPADMM)": lambda *a, **o: Anderson(PnPADMM(*a, **o)),
}  # fmt: skip
OTHERS: dict[str, Callable[..., Any]] = {"PnPHQS": PnPHQS, "RED": RED, "SNORE": SNORE, "DiffPIR": DiffPIR}


class Ridge(torch.nn.Module):
    """Proximal map of sigma² |x|² / 2."""

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        return x / (1 + torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1) ** 2)


def best(objective: Callable[[Tensor], Tensor], *, positive: bool) -> Tensor:
    """Minimiser by L-BFGS-B."""
    from scipy import optimize

    def both(v: np.ndarray) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(v).reshape(1, 1, N, N).requires_grad_()
        value = objective(x) + WEIGHT * x.square().sum() / 2
        return float(value.detach()), torch.autograd.grad(value, x)[0].numpy().ravel()

    options = {"maxiter": 50_000, "maxfun": 500_000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 40}
    bounds = [(0, None)] * N * N if positive else None
    found = optimize.minimize(both, np.full(N * N, 0.5), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return torch.from_numpy(found.x).reshape(1, 1, N, N)


def exact() -> list[list[Any]]:
    """Rows of the first table."""
    g = torch.Generator().manual_seed(0)
    shape = (N, N)
    operators: dict[str, LinearOperator] = {
        "blur": Blur(gaussian_kernel(0.8, 5), shape).double(),
        "inpainting": Inpainting(random_mask(shape, 0.6)).double(),
        "product": (Inpainting(random_mask(shape, 0.7)) @ Blur(gaussian_kernel(0.8, 5), shape)).double(),
    }
    problems: dict[str, tuple[Likelihood | LinearOperator, Tensor, Tensor, Any]] = {}
    for name, op in operators.items():
        y = torch.randn(1, 1, N, N, dtype=torch.float64, generator=g)
        unit = torch.eye(N * N, dtype=torch.float64).reshape(-1, 1, N, N)
        a = op.A(unit).reshape(N * N, -1).T
        normal = a.T @ a / NOISE**2 + WEIGHT * torch.eye(N * N, dtype=torch.float64)
        answer = torch.linalg.solve(normal, a.T @ y.flatten() / NOISE**2).reshape(1, 1, N, N)
        problems[f"Gaussian, {name}"] = (op, y, answer, Ridge())
    blur = operators["blur"]
    counts = torch.poisson(20 * torch.rand(1, 1, N, N, dtype=torch.float64, generator=g), generator=g) / 20

    def poisson(x: Tensor) -> Tensor:
        v = blur.A(x)
        return 20 * (v - counts * v.clamp(min=1e-12).log()).sum()

    problems["Poisson, x >= 0, blur"] = (
        Poisson(blur, photons=20.0), counts, best(poisson, positive=True), Bounded(Ridge(), low=0.0)
    )  # fmt: skip
    spoilt = torch.randn(1, 1, N, N, dtype=torch.float64, generator=g)
    spoilt[0, 0, 1, 2] = 30.0

    def huber(x: Tensor) -> Tensor:
        r = (blur.A(x) - spoilt).abs() / NOISE
        return torch.where(r <= 1, r**2 / 2, r - 0.5).sum()

    problems["Huber, blur"] = (Huber(blur, NOISE, threshold=1.0), spoilt, best(huber, positive=False), Ridge())
    rows = []
    for name, method in METHODS.items():
        row: list[Any] = [name]
        for problem, (op, y, answer, denoiser) in problems.items():
            short = name in ("PnPPGD", "PnPFISTA")
            if short and problem.startswith("Poisson"):
                row.append("")  # its curvature has no bound
                continue
            rho = 1.05 / NOISE**2 if short else 2.0
            others = {} if isinstance(op, Likelihood) else {"noise_std": NOISE}
            solver = method(op, denoiser, calibration=None, expert=Expert(rho, (WEIGHT / rho) ** 0.5),
                            stop=Stop(1e-13, 20_000), **others)  # fmt: skip
            found = solver(y)
            row.append(f"{float((found - answer).norm() / answer.norm()):.0e}")
        rows.append(row)
    return [["", *problems], *rows]


def main() -> None:
    """Print both tables."""
    options = parser(__doc__).parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", RuntimeWarning)
    head, *rows = exact()
    print(table(rows, head) + "\n")
    x, shape = data.sample("camera")[..., 100:228, 180:308], (128, 128)
    problems = {
        "denoising, noise 0.1": (Identity(shape), 0.1),
        "inpainting 30 %": (Inpainting(random_mask(shape, 0.3)), 0.01),
        "Gaussian blur": (Blur(gaussian_kernel(1.6), shape), 0.02),
    }
    rows, denoiser = [], default_denoiser()
    for name, method in {**METHODS, **OTHERS}.items():
        row = [name]
        for problem, (op, std) in problems.items():
            clean = op.A(x)
            y = torch.where(clean == 0, clean, gaussian_noise(clean, std))
            start = time.perf_counter()
            result = method(op, denoiser, noise_std=std).solve(y)
            seconds = time.perf_counter() - start
            score = float(psnr(result.x.clamp(0, 1), x))
            row.append(f"{score:.2f}, {len(result.history)}, {seconds:.1f} s")
            save(options.save, {f"methods, {name}, {problem}": score})
        rows.append(row)
        print(row, flush=True)
    print(table(rows, ["PSNR / dB, calls, time", *problems]))


if __name__ == "__main__":
    main()
