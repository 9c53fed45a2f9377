"""A default solve on one core, today's, also accelerated, and the first edition's, beside deepinv's DPIR with today's
network.

Problems of :data:`pnp.train.in_solver.PROBLEMS` on the first images of BSD68, centre 256 x 256, noise level known. The
first edition: LoFi, sigma over 24 levels, no relaxation, no half steps, a tolerance of 0.001 (its code gives the same
calls and PSNR). DPIR, eight iterations, has today's weights and evaluation, and the best of four noise levels by the
truth; its time is that of one level. Methods alternate image by image; medians of PSNR in dB, denoiser calls, seconds
of processor time, and of the images' ratios of these.

    python -m benchmarks.speed --data DIR [--images 2] [--size 256] [--problems ...]
"""

import statistics
import time
import warnings
from typing import Any

import torch
from torch import Tensor

from denoisers import DRUNetDenoiser, LoFiDenoiser
from operators import to_deepinv
from pnp import Anderson, PnPADMM, Stop
from pnp.solver import Solver
from pnp.train.in_solver import PROBLEMS, measured

from .common import data_folder, parser, save, table
from .reconstruction import score
from .rivals import Counted, settings

FIRST, TODAY, FASTER, DPIR = "first edition", "today", "today, Anderson", "deepinv DPIR"
RATIOS = ((FIRST, TODAY), (DPIR, TODAY), (FIRST, FASTER))  # of seconds
Figures = tuple[float, float, float]


class FirstEdition(PnPADMM):
    """ADMM as it was."""

    annealing, first, usual, damps = 24, Solver.first, Stop(), False

    def init(self, p: Any) -> Any:
        state = super().init(p)
        return state._replace(relaxed=torch.ones_like(state.relaxed))


def busy(function: Any) -> tuple[Any, float]:
    """Value and seconds of processor time of a call."""
    start = time.process_time()
    value = function()
    return value, time.process_time() - start


def compare(op: Any, y: Tensor, x: Tensor, std: float, priors: dict[str, Any]) -> dict[str, Figures]:
    """PSNR, calls and seconds of each method."""
    out: dict[str, Figures] = {}
    solvers: dict[str, Solver] = {
        FIRST: FirstEdition(op, priors[FIRST], noise_std=std),
        TODAY: PnPADMM(op, priors[TODAY], noise_std=std),
        FASTER: Anderson(PnPADMM(op, priors[TODAY], noise_std=std)),
    }
    for name, solver in solvers.items():
        result, seconds = busy(lambda: solver.solve(y))  # noqa: B023
        out[name] = score(result.x, x), float(len(result.history)), seconds
    counted, physics = Counted(priors[TODAY]), to_deepinv(op)
    for name, make in settings(counted, std):
        if name == DPIR:
            counted.calls = 0
            with torch.no_grad():
                found, seconds = busy(lambda: make()(y, physics))  # noqa: B023
            figures = score(found, x), float(counted.calls), seconds
            out[name] = max(out.get(name, figures), figures)
    return out


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    p.add_argument("--size", type=int, default=256)
    options = p.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder, rows, middle = data_folder(options.data, "bsd68"), [], statistics.median
    priors = {FIRST: LoFiDenoiser(), TODAY: DRUNetDenoiser()}
    for problem in options.problems:
        every = []
        for i in range(min(len(folder), options.images or 2)):
            x = folder[i][None]
            top, left = ((n - options.size) // 2 for n in x.shape[-2:])
            x = x[..., top : top + options.size, left : left + options.size]
            op, y = measured(problem, x, seed=i)
            every.append(compare(op, y, x, PROBLEMS[problem].noise_std, priors))
        medians = {name: [middle(f[name][k] for f in every) for k in range(3)] for name in every[0]}
        ratios = [middle(f[one][2] / f[other][2] for f in every) for one, other in RATIOS]
        told = [f"{m[0]:.2f}, {m[1]:.0f} calls, {m[2]:.2f} s" for m in medians.values()]
        rows.append([problem, *told, *(f"{r:.1f}" for r in ratios)])
        print(rows[-1], flush=True)
        save(options.save, {f"speed, {problem}": {**medians, "ratios": ratios}})
    print(table(rows, ["problem", *medians, *(f"{one} / {other}" for one, other in RATIOS)]))


if __name__ == "__main__":
    main()
