# ruff: noqa: B023 (every closure is called before the loop continues)
"""Engines of the non-uniform FFT side by side: errors against direct sums, then times, in alternating pairs.

Errors: of samples and of adjoint images, relative, the largest over shapes and over points that are random, at both
ends of the period, and repeated. Times: ``backend="torch"`` beside the others, 512^2, complex, plans made before.

    python -m benchmarks.nufft [--parts errors times] [--points 100000 1000000] [--double] [--device cuda]
"""

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from operators import NUFFT, NUFFT3D

from .common import save, table
from .operators import HEAD, pair

BACKENDS: Any = {"cpu": ("finufft", "torch", "torchkbnufft"), "cuda": ("cufinufft", "torch", "torchkbnufft")}
SHAPES = ((31, 20), (64, 64), (120, 90), (12, 11, 16))


def some_points(m: int, d: int) -> Tensor:
    """(d, M) over a period, its ends included and a tenth of them one."""
    p = (2 * torch.rand(d, m, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1) * torch.pi
    p[:, 0], p[:, 1] = torch.pi, -torch.pi
    p[:, 2 : m // 10] = p[:, 2:3]
    return p


def errors(backend: Any, dtype: torch.dtype, shape: tuple[int, ...], device: str) -> tuple[float, float]:
    """Relative errors of A and of its adjoint against sums term by term."""
    p = some_points(1000, len(shape))
    op: Any = (NUFFT if len(shape) == 2 else NUFFT3D)(p, shape, backend=backend).to(device)  # pyright: ignore[reportArgumentType]
    g = torch.Generator().manual_seed(1)
    x, y = (torch.randn(1, 1, *s, dtype=torch.complex128, generator=g) for s in (shape, (1000,)))
    grids = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - n // 2 for n in shape), indexing="ij")
    terms = torch.exp(-1j * (p.T @ torch.stack([v.flatten() for v in grids])))
    samples, image = x.flatten() @ terms.T, y.flatten() @ terms.conj()
    return (
        float((op(x.to(device, dtype)).cpu().flatten() - samples).norm() / samples.norm()),
        float((op.A_adjoint(y.to(device, dtype)).cpu().flatten() - image).norm() / image.norm()),
    )


def error_lines(device: str) -> Iterator[list[Any]]:
    """The largest error of every engine that is there, in the plane and in space."""
    for dtype in (torch.complex64, torch.complex128):
        for d in (2, 3):
            for backend in BACKENDS[device]:
                try:
                    found = [errors(backend, dtype, shape, device) for shape in SHAPES if len(shape) == d]
                except (ImportError, ValueError):  # not installed, or not for these
                    continue
                worst = (f"{max(e[i] for e in found):.1e}" for i in (0, 1))
                yield [f"{backend}, {d}-D, {str(dtype)[6:]}", *worst]


def time_lines(counts: list[int], dtype: torch.dtype) -> Iterator[list[Any]]:
    """The engine of torch beside the others."""
    for m in counts:
        p = (2 * torch.rand(2, m, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1) * torch.pi
        x = torch.randn(1, 1, 512, 512, dtype=dtype, generator=torch.Generator().manual_seed(1))
        ours = NUFFT(p, (512, 512), backend="torch")
        y = ours(x)
        for backend, repeats in (("finufft", 9), ("torchkbnufft", 3)):
            other = NUFFT(p, (512, 512), backend=backend)
            label = f"512^2, {m} points, {str(dtype)[6:]}: "
            try:
                yield pair(f"{label}A, {backend}", lambda: ours(x), lambda: other(x), repeats)
            except ImportError:
                continue
            yield pair(f"{label}adjoint, {backend}", lambda: ours.A_adjoint(y), lambda: other.A_adjoint(y), repeats)


def main() -> None:
    """Print the tables."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--parts", nargs="+", default=["errors", "times"], choices=["errors", "times"])
    p.add_argument("--points", nargs="+", type=int, default=[100_000, 1_000_000])
    p.add_argument("--double", action="store_true", help="times in double precision, too")
    p.add_argument("--device", default="cpu", choices=BACKENDS, help="of the errors; times are of the CPU")
    p.add_argument("--save", help="JSON file to which the figures are added")
    options = p.parse_args()
    torch.set_grad_enabled(False)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    lines: list[list[Any]] = []
    if "errors" in options.parts:
        lines += error_lines(options.device)
        print(table(lines, ["engine", "error of A", "of the adjoint"]))
    if "times" in options.parts:
        kinds = (torch.complex64, torch.complex128) if options.double else (torch.complex64,)
        times = [line for dtype in kinds for line in time_lines(options.points, dtype)]
        print(table(times, HEAD))
        lines += times
    save(options.save, {line[0]: line[1:] for line in lines})


if __name__ == "__main__":
    main()
