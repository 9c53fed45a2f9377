"""Large radio images: time and memory of a default solve, each size in a process of its own, one thread.

A sky of galaxies of log-normal emission and of compact sources, one field of 256^2 pixels beside the other, so that all
sizes hold the same; MeerKAT's baselines of eight hours, the longest pi radians per pixel; 30 dB of noise, which is
estimated. Seconds are those of the processor, set-up and report included; the peak of memory is that of the process.

    python -m benchmarks.large [--sizes 256 1024 2048 4096] [--visibilities 60000 250000 1000000 1000000] [--normal]
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from operators import RadioInterferometry, gaussian_noise_snr, uv_coverage
from pnp import PnPADMM, Stop
from pnp.metrics import psnr
from pnp.passport.memory import peak_memory

from .common import save, table
from .radio import snr

FIELD, NOISE = 256, 30.0
HEAD = [
    "size", "visibilities", "set-up / s", "solve / s", "iterations", "denoiser / s", "data steps / s", "report / s",
    "peak / GB", "dirty: PSNR, SNR / dB", "PSNR, SNR / dB",
]  # fmt: skip
NORMAL = ["size", "visibilities", "kernel / s", "its peak / MB", "product / ms", "its peak / MB"]


def field(seed: int) -> Tensor:
    """A galaxy and twelve compact sources, (FIELD, FIELD), its peak 0.2 to 1."""
    g = torch.Generator().manual_seed(seed)
    axis = torch.arange(FIELD) - FIELD / 2
    frequency = torch.hypot(torch.fft.fftfreq(FIELD)[:, None], torch.fft.rfftfreq(FIELD)).clamp_min(1 / FIELD)
    spectrum = torch.fft.rfft2(torch.randn(FIELD, FIELD, generator=g)) * frequency**-1.5
    texture = torch.fft.irfft2(spectrum, s=(FIELD, FIELD))
    row, column, wide, flat = (torch.rand(4, generator=g) * torch.tensor([80, 80, 25, 0.6])).tolist()
    away = ((axis[:, None] + row - 40) / (1 - flat)).square() + (axis + column - 40).square()
    sky = torch.exp(1.2 * texture / texture.std() - away / (2 * (15 + wide) ** 2))
    sky /= sky.max()
    for row, column, width, flux in torch.rand(12, 4, generator=g).tolist():
        width = 0.7 + 2 * width
        rows, columns = (torch.exp(-((axis + (p - 0.5) * 0.9 * FIELD) ** 2) / (2 * width**2)) for p in (row, column))
        sky += flux**3 * rows[:, None] * columns
    return sky * (0.2 + 0.8 * torch.rand((), generator=g)) / sky.max()


def sky(size: int) -> Tensor:
    """Fields beside each other, (1, 1, size, size), peak one."""
    count = math.ceil(size / FIELD)
    rows = [torch.cat([field(i * count + j) for j in range(count)], 1) for i in range(count)]
    x = torch.cat(rows)[:size, :size]
    return (x / x.max())[None, None].contiguous()


def baselines(count: int) -> Tensor:
    """About so many, (2, M), the longest pi radians per pixel."""
    uv = uv_coverage("meerkat", hours=(-4, 4), samples=max(1, round(count / 2016)))
    return uv * (math.pi / uv.abs().max())


class Clock:
    """Seconds of the processor within a function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: Any, **options: Any) -> Tensor:
        start = time.process_time()
        result = self.function(*args, **options)
        self.seconds += time.process_time() - start
        return result


def peak_bytes() -> int:
    """Of memory, since the process began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def solve(size: int, count: int, iterations: int) -> list[Any]:
    """The line of one size; what it has come to on the way goes to the error stream."""
    torch.set_num_threads(1)
    x, uv = sky(size), baselines(count)
    op = RadioInterferometry(uv, (size, size), unit="rad/pixel")
    y = gaussian_noise_snr(op(x), NOISE, seed=0)
    op = RadioInterferometry(uv, (size, size), unit="rad/pixel")  # nothing is made yet
    solver = PnPADMM(op)
    solver.stop = Stop(solver.stop.tolerance, iterations)
    start = time.process_time()
    state = solver.begin(y)
    ready = time.process_time()
    prior: Any = solver.denoiser.denoiser  # within bounds
    denoiser, data = Clock(prior.forward), Clock(op.solve_normal)
    prior.forward, op.solve_normal = denoiser, data
    last: list[tuple[float, float]] = []

    def looked(*_: Any) -> None:
        last.append((time.process_time(), denoiser.seconds))
        print(f"{size}²: set-up {ready - start:.0f} s, {len(last)} iterations in {last[-1][0] - ready:.0f} s, "
              f"{peak_bytes() / 1e9:.2f} GB", file=sys.stderr)  # fmt: skip

    result = solver.solve(y, state=state, callback=looked)
    end, peak = time.process_time(), peak_bytes() / 1e9
    dirty = op.dirty_image(y)
    dirty *= float((dirty * x).sum() / (dirty * dirty).sum())
    scores = [f"{float(psnr(image, x)):.2f}, {snr(image, x):.2f}" for image in (dirty, result.x)]
    return [
        f"{size}²", uv.shape[1], ready - start, end - start, len(result.history), last[-1][1], data.seconds,
        end - last[-1][0], peak, *scores,
    ]  # fmt: skip


def normal(size: int, count: int) -> list[Any]:
    """The line of the normal operator: seconds and peak of its kernel and first product, then of one product."""
    torch.set_num_threads(1)
    uv, x = baselines(count), sky(size)
    op = RadioInterferometry(uv, (size, size), unit="rad/pixel")
    clocks = [Clock(op.A_adjoint_A) for _ in range(7)]
    peaks = [(peak_memory(lambda clock=clock: clock(x)) or 0) / 1e6 for clock in clocks]
    return [f"{size}²", uv.shape[1], clocks[0].seconds, peaks[0], 1e3 * min(c.seconds for c in clocks[1:]), peaks[1]]


def main() -> None:
    """Solve each size in a process, print the table."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sizes", nargs="+", type=int, default=[256, 1024, 2048, 4096])
    p.add_argument("--visibilities", nargs="+", type=int, default=[60_000, 250_000, 1_000_000, 1_000_000])
    p.add_argument("--iterations", type=int, default=200, help="at most")
    p.add_argument("--save", help="JSON file to which the figures are added")
    p.add_argument("--normal", action="store_true", help="only the normal operator: its kernel, then a product")
    p.add_argument("--here", action="store_true", help="the first size, in this process; prints JSON")
    options = p.parse_args()
    if options.here:
        size, count = options.sizes[0], options.visibilities[0]
        return print(json.dumps(normal(size, count) if options.normal else solve(size, count, options.iterations)))
    counts = options.visibilities * (len(options.sizes) if len(options.visibilities) == 1 else 1)
    if len(counts) != len(options.sizes):
        p.error("--visibilities: give one number, or one for each size")
    rows = []
    for size, count in zip(options.sizes, counts):
        given = {"--sizes": size, "--visibilities": count, "--iterations": options.iterations}
        words = [str(word) for pair in given.items() for word in pair] + ["--normal"] * options.normal
        command = [sys.executable, "-m", "benchmarks.large", "--here", *words]
        rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
        print(rows[-1], flush=True)
    print(table(rows, NORMAL if options.normal else HEAD))
    save(options.save, {f"large{', normal' * options.normal}, {row[0]}": row[1:] for row in rows})


if __name__ == "__main__":
    main()
