"""What certificates say, and what it costs to be proven.

First table: linear denoisers in double precision; estimate over truth by dense algebra, for the norm of a step, its
spectral radius, and |I - D'|; the worst over three operators. Second table: PnP-ADMM at its defaults with the shipped
prior, images of BSD68 on the six problems of :data:`pnp.train.in_solver.PROBLEMS`: how many answers are certified,
medians of norm and radius; for the first image bound and distance from where 2000 more iterations end, relative.
Third table: plain priors and their proven variants in PnP-PGD, HQS and DRS: PSNR, how many converged in 200 iterations,
and the largest rise of the objective where the method has one.

    python -m benchmarks.certificates --data DIR [--images 5] [--size 96] [--proven FILE]
"""

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from denoisers import Averaged, Denoiser, DRUNetDenoiser, GradientStep, GradientStepDenoiser, XDnCNNDenoiser
from operators import Blur, Inpainting, gaussian_kernel, random_mask
from pnp import RED, PnPADMM, PnPDescent, PnPDRS, PnPHQS, PnPPDHG, PnPPGD, Solver, Stop
from pnp.analysis import certify
from pnp.metrics import psnr
from pnp.moving import Moving
from pnp.train.in_solver import PROBLEMS, measured

from .common import data_folder, parser, save, table

METHODS: dict[str, Callable[..., Solver]] = {
    "PnPADMM": PnPADMM, "PnPDRS": PnPDRS, "PnPHQS": PnPHQS, "PnPPGD": PnPPGD, "RED": RED, "PnPPDHG": PnPPDHG,
}  # fmt: skip
N = 8


class Linear(torch.nn.Module):
    """x -> D x with eigenvalues from 0.1 to 0.95, and as much again that is not symmetric."""

    def __init__(self, skewed: float) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(0)
        q = torch.linalg.qr(torch.randn(N * N, N * N, dtype=torch.float64, generator=g)).Q
        other = torch.randn(N * N, N * N, dtype=torch.float64, generator=g)
        self.matrix = q @ torch.diag(torch.linspace(0.1, 0.95, N * N, dtype=torch.float64)) @ q.T + skewed * other

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        return (x.flatten(1) @ self.matrix.T).reshape(x.shape)


def linear() -> list[list[Any]]:
    """Rows of the first table."""
    shape = (N, N)
    blur, mask = Blur(gaussian_kernel(0.8, 5), shape).double(), Inpainting(random_mask(shape, 0.6)).double()
    rows = []
    for name, method in METHODS.items():
        ratios: dict[str, list[float]] = {"norm": [], "radius": [], "residual": []}
        for op in (blur, mask, mask @ blur):
            for skewed in (0.0, 0.02):
                d = Linear(skewed)
                y = op.A(torch.rand(1, 1, N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
                solver = method(op, d, noise_std=0.3, calibration=(1.0, 0.0), stop=Stop(max_iter=60))
                result = solver.solve(y)
                found = certify(solver, y, result, powers=False)
                truth = _assembled(solver, y, result.state)
                one = torch.eye(N * N, dtype=torch.float64)
                ratios["norm"].append(float(found.norm) / float(torch.linalg.matrix_norm(truth, 2)))
                ratios["radius"].append(float(found.radius) / float(torch.linalg.eigvals(truth).abs().max()))
                ratios["residual"].append(float(found.residual) / float(torch.linalg.matrix_norm(one - d.matrix, 2)))
        rows.append([name, *(f"{min(v):.4f} to {max(v):.4f}" for v in ratios.values())])
    return rows


def _assembled(solver: Solver, y: Tensor, state: Any) -> Tensor:
    """The matrix of a solver's linear step, column by column."""
    problem = solver.problem(y, state.facts)
    moving = Moving(solver, problem, state.values, problem.levels(state.step), state.pace)
    unit = torch.eye(moving.vector.shape[1], dtype=y.dtype)
    start = moving.step(torch.zeros_like(moving.vector))
    return torch.cat([moving.step(e[None]) - start for e in unit]).T


def certified(images: list[Tensor], denoiser: Denoiser, problems: list[str]) -> list[list[Any]]:
    """Rows of the second table."""
    rows = []
    for name in problems:
        found, far, seconds = [], 0.0, []
        for i, x in enumerate(images):
            op, y = measured(name, x, seed=i)
            solver = PnPADMM(op, denoiser, noise_std=PROBLEMS[name].noise_std)
            result = solver.solve(y)
            start = time.perf_counter()
            found.append(certify(solver, y, result, powers=i == 0))  # a bound takes most of the time
            seconds.append(time.perf_counter() - start)
            if i == 0:
                solver.stop = Stop(max_iter=2000, tolerance=1e-6)
                more = solver.solve(y, state=result.state).state.x
                far = float((more - result.state.x).norm() / result.state.x.norm())
        verdicts = [f.verdicts[0] for f in found]
        middle = {k: statistics.median(float(getattr(f, k)) for f in found) for k in ("residual", "norm", "radius")}
        told = [f"{verdicts.count(v)}" for v in ("contracts", "settles", "not certified")]
        rows.append([name, *told, *(f"{v:.3f}" for v in middle.values()),
                     f"{float(found[0].bound):.4f}", f"{far:.4f}", f"{statistics.median(seconds):.0f}"])  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def variants(proven: str) -> dict[str, tuple[Callable[..., Solver], Denoiser]]:
    """What the third table compares: a method and a prior."""
    plain, steep = DRUNetDenoiser(), XDnCNNDenoiser()
    found: dict[str, tuple[Callable[..., Solver], Denoiser]] = {}
    for name, method in (("PGD", PnPPGD), ("HQS", PnPHQS), ("DRS", PnPDRS)):
        found |= {f"{name}, drunet": (method, plain), f"{name}, xdncnn": (method, steep)}
        found |= {f"{name}, half of drunet": (method, Averaged(plain, 0.5))}
    networks: dict[str, Denoiser] = {"drunet": GradientStep(plain, widen=1.25), "xdncnn": GradientStep(steep)}
    networks["trained"] = GradientStepDenoiser(proven)
    for name, denoiser in networks.items():
        found |= {f"descent, gradient step of {name}": (PnPDescent, denoiser)}
        found |= {f"HQS, gradient step of {name}": (PnPHQS, denoiser)}
    return found


def compared(images: list[Tensor], problems: list[str], proven: str) -> list[list[Any]]:
    """Rows of the third table."""
    rows = []
    for label, (method, denoiser) in variants(proven).items():
        scores, ends, rise = [], [], None
        for name in problems:
            each = []
            for i, x in enumerate(images):
                op, y = measured(name, x, seed=i)
                solver = method(op, denoiser, noise_std=PROBLEMS[name].noise_std, stop=Stop(1e-3, 200))
                solver.damps = False  # as the proofs have it
                values: list[float] = []

                def note(state: Any, record: Any, solver: Solver = solver, values: list[float] = values) -> None:
                    if isinstance(solver, PnPDescent) and state.step > solver.settled:
                        values.append(float(state.values.objective))

                result = solver.solve(y, callback=note)
                answer = result.x.real if result.x.is_complex() else result.x
                each.append(float(psnr(answer.clamp(0, 1), x)))
                ends.append(result.reason == "converged")
                if len(values) > 1:
                    rise = max(max(b - a for a, b in zip(values, values[1:])), rise if rise is not None else -1e30)
            scores.append(f"{statistics.median(each):.2f}")
        rows.append([label, *scores, f"{sum(ends)} of {len(ends)}", "" if rise is None else f"{rise:.1e}"])
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Print the tables."""
    p = parser(__doc__)
    p.add_argument("--size", type=int, default=96, help="side of the images")
    p.add_argument("--proven", default="natural-gray", help="other weights of GradientStepDenoiser")
    p.add_argument("--tables", nargs="+", type=int, default=[1, 2, 3], choices=(1, 2, 3))
    p.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=[*PROBLEMS][1:])
    options = p.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", RuntimeWarning)
    if 1 in options.tables:
        print(table(linear(), ["estimate over truth", "norm of the step", "spectral radius", "|I - D'|"]) + "\n")
    if options.tables == [1]:
        return
    folder, images = data_folder(options.data, "bsd68"), []
    for i in range(min(len(folder), options.images or 5)):
        x = folder[i][None]
        top, left = ((n - options.size) // 2 for n in x.shape[-2:])
        images.append(x[..., top : top + options.size, left : left + options.size])
    if 2 in options.tables:
        head = ["PnPADMM, drunet", "contracts", "settles", "not certified", "|I - D'|", "norm", "radius",
                "bound, first image", "true distance", "seconds"]  # fmt: skip
        rows = certified(images, DRUNetDenoiser(), options.problems)
        print(table(rows, head) + "\n")
        save(options.save, {row[0]: row[1:] for row in rows})
    if 3 in options.tables:
        rows = compared(images, options.problems, options.proven)
        print(table(rows, ["PSNR / dB", *options.problems, "converged", "largest rise"]))
        save(options.save, {row[0]: row[1:] for row in rows})


if __name__ == "__main__":
    main()
