"""Visibilities in parts on one, two, ... processes of this machine: what each costs, and the same answer.

A sky of ``--side`` squared pixels, ``--count`` visibilities, dense in the middle, in equal parts. Of one process:
seconds of its processor for A x and A* y with the engine's plan, for the kernel of A* A, for the rest of the
preparation and for an iteration of ADMM; its memory at most; and how far its image is from that of the first run.

    python -m benchmarks.shards [--processes 1 2] [--side 512] [--count 1000000] [--iterations 4] [--double]
"""

import os
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from denoisers import DRUNetDenoiser
from operators import RadioInterferometry, Sharded, gaussian_noise
from pnp import PnPADMM, Stop

from .common import parser, save, table


def part(count: int, rank: int, world: int) -> torch.Tensor:
    """Baselines of a process, (2, M)."""
    g = torch.Generator().manual_seed(0)
    radius, angle = torch.rand(count, generator=g) ** 1.5, 2 * torch.pi * torch.rand(count, generator=g)
    points = 0.9 * torch.pi * radius.double() * torch.stack((angle.cos(), angle.sin()))
    return points[:, rank * count // world : (rank + 1) * count // world].clone()


def work(rank: int, world: int, options: Any, folder: str) -> None:
    """What one process does; the first one writes what it found."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group("gloo", init_method=f"file://{folder}/store-{world}", rank=rank, world_size=world)
    baselines = part(options.count, rank, world)
    marks = [time.process_time()]
    op = Sharded(RadioInterferometry(baselines, (options.side,) * 2, unit="rad/pixel"))
    x = torch.zeros(1, 1, options.side, options.side, dtype=torch.float64 if options.double else torch.float32)
    x[..., options.side // 3 : options.side // 2, options.side // 3 : options.side // 2] = 1
    clean = op.A(x)
    std = 0.1 * float(clean.abs().mean())
    y = gaussian_noise(clean, std)
    dirty = op.A_adjoint(y)
    marks.append(time.process_time())
    op.A_adjoint_A(dirty)
    marks.append(time.process_time())
    solver = PnPADMM(op, DRUNetDenoiser("radio"), noise_std=std, stop=Stop(0.0, options.iterations))
    state = solver.begin(y)
    marks.append(time.process_time())
    result = solver.solve(y, state=state)
    marks.append(time.process_time())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    once, kernel, prepared, solved = (b - a for a, b in zip(marks, marks[1:]))
    if rank == 0:
        torch.save((result.x, [once, kernel, prepared, solved / options.iterations, memory]), f"{folder}/{world}.pt")
    dist.barrier()
    dist.destroy_process_group()


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    p.add_argument("--side", type=int, default=512)
    p.add_argument("--count", type=int, default=10**6)
    p.add_argument("--iterations", type=int, default=4)
    p.add_argument("--double", action="store_true", help="double precision, in which answers can be compared")
    options = p.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rows, first = [], None
    with tempfile.TemporaryDirectory() as folder:
        for world in options.processes:
            torch.multiprocessing.spawn(work, (world, options, folder), nprocs=world)
            x, figures = torch.load(Path(folder) / f"{world}.pt")
            first = x if first is None else first
            rows.append([world, *figures, f"{float((x - first).norm() / first.norm()):.1e}"])
            print(rows[-1], flush=True)
    head = [
        "processes",
        "A x, A* y / s",
        "kernel / s",
        "preparation / s",
        "an iteration / s",
        "memory / GB",
        "difference",
    ]
    print(table(rows, head))
    save(options.save, {"shards": {str(row[0]): row[1:] for row in rows}})


if __name__ == "__main__":
    main()
