"""What the driver costs: iterations beside their denoisings and data fits alone, and, in iterations, what is made once:
the preparation, the report, and the estimate of the noise level, which the preparation has where none is given.

Images of 256², one thread, default prior, PnP-ADMM, seconds of the processor; all are timed within one solve, so that
other work on the machine counts alike. Also the growth of memory over many iterations.

    python -m benchmarks.overhead [--iterations 60]
"""

import time
from typing import Any

import torch
from torch import Tensor

import pnp.solver
from denoisers import default_denoiser
from operators import MRI, Blur, Inpainting, LinearOperator, Radon, gaussian_kernel, gaussian_noise, random_columns
from operators import random_mask as random_pixels
from pnp import PnPADMM, Stop, data, estimate_noise
from pnp.fit import Fit
from pnp.passport.memory import peak_memory
from pnp.prior import Prior

from .common import parser, save, table

SIDE = 256


class Clock:
    """Seconds spent in functions that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Any, apart: "Clock | None" = None) -> Any:
        """``function``, whose seconds another clock, ``apart``, leaves out."""

        def timed(*arguments: Any, **named: Any) -> Any:
            start, others = time.process_time(), 0.0 if apart is None else apart.seconds
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.process_time() - start
                if apart is not None:
                    apart.seconds = others

        return timed


def measure(op: LinearOperator, y: Tensor, iterations: int) -> tuple[float, float, float, float, float, float]:
    """Share of the driver, without and with the report; seconds of an iteration; what is made once in iterations."""
    solver = PnPADMM(op, default_denoiser(op.field), noise_std=0.02, stop=Stop(0.0, iterations))
    solver.solve(y, callback=lambda *_: True)  # kernels, plans, weights in half precision
    clock, told, fit, prior, report = Clock(), Clock(), Fit.prox, Prior.__call__, pnp.solver.report
    begin = time.process_time()
    state = solver.begin(y)
    prepared = time.process_time() - begin
    estimate_noise(op, y)
    begin = time.process_time()
    estimate_noise(op, y)
    estimated = time.process_time() - begin
    Fit.prox, Prior.__call__ = clock.around(fit), clock.around(prior)  # pyright: ignore[reportAttributeAccessIssue]
    pnp.solver.report = told.around(report, clock)
    try:
        start = time.process_time()
        solver.solve(y, state=state)
        total = time.process_time() - start
    finally:
        Fit.prox, Prior.__call__, pnp.solver.report = fit, prior, report  # pyright: ignore[reportAttributeAccessIssue]
    each = total / iterations
    whole = (total - clock.seconds) / clock.seconds
    return whole - told.seconds / clock.seconds, whole, each, prepared / each, told.seconds / each, estimated / each


def main() -> None:
    """Measure, print."""
    p = parser(__doc__)
    p.add_argument("--iterations", type=int, default=60)
    options = p.parse_args()
    torch.set_num_threads(1)
    x = data.sample("camera")[..., :SIDE, :SIDE]
    problems: dict[str, LinearOperator] = {
        "inpainting": Inpainting(random_pixels((SIDE, SIDE), 0.3)),
        "blur": Blur(gaussian_kernel(1.6), (SIDE, SIDE)),
        "masked blur": Inpainting(random_pixels((SIDE, SIDE), 0.5)) @ Blur(gaussian_kernel(1.6), (SIDE, SIDE)),
        "MRI": MRI(random_columns((SIDE, SIDE), 4.0, 0.08)),
        "CT, 60 angles": Radon(SIDE, torch.arange(60) * (torch.pi / 60)),
    }
    rows = []
    for name, op in problems.items():
        clean = op(x + 0j if op.in_dtype.is_complex else x)
        y = torch.where(clean == 0, clean, gaussian_noise(clean, 0.02))
        driver, whole, iteration, *once = measure(op, y, options.iterations)
        rows.append(
            [
                name,
                f"{100 * driver:.1f} %",
                f"{100 * whole:.1f} %",
                f"{1e3 * iteration:.0f}",
                *(f"{v:.1f}" for v in once),
            ]
        )
        print(rows[-1], flush=True)
        save(options.save, {f"overhead, {name}": driver, f"overhead with report, {name}": whole})
    print(table(rows, ["problem", "driver over denoiser and data fit", "with the report", "iteration / ms",
                       "preparation / iterations", "report / iterations", "noise estimate / iterations"]))  # fmt: skip
    op, y = problems["blur"], gaussian_noise(problems["blur"](x[..., :64, :64].repeat(1, 1, 4, 4)), 0.02)
    solver = PnPADMM(op, lambda v, sigma: v / 2, noise_std=0.02, stop=Stop(0.0, 100))
    used = []
    for count in (100, 1000):
        solver.stop = Stop(0.0, count)
        used.append(peak_memory(lambda: solver.solve(y)))
    print("peak memory of 100 and 1000 iterations / MB:", *(None if u is None else round(u / 1e6, 1) for u in used))


if __name__ == "__main__":
    main()
