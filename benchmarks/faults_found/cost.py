"""Time and memory; ratios, since seconds are the machine's."""

import time
import tracemalloc

import torch

from denoisers import LoFiDenoiser
from operators import RadioInterferometry, Radon, Weighted, transmission_noise, uv_coverage
from operators.linalg import cg_reports
from pnp import PnPADMM, data

from .fault import fault


@fault("C1", "a loop over new weights keeps a kernel for each", before="+10 MB each at 256 x 256",
       right="one kernel")  # fmt: skip
def _kernels() -> tuple[str, bool]:
    op = RadioInterferometry(uv_coverage("vla-d"), (64, 64), cell=8.0)
    x, sizes = torch.rand(1, 1, 64, 64), []
    tracemalloc.start()
    for seed in range(12):
        g = torch.Generator().manual_seed(seed)
        (Weighted(torch.rand(op.out_shape, generator=g), dtype=torch.complex64) @ op).A_adjoint_A(x)
        sizes.append(sum(t.numel() * t.element_size() for t in _tensors()))
    tracemalloc.stop()
    grown = (sizes[-1] - sizes[3]) / 8 / 1e6
    return f"{grown:+.2f} MB for each new weight", grown < 0.01


def _tensors() -> list[torch.Tensor]:
    import gc

    gc.collect()
    return [o for o in gc.get_objects() if type(o) is torch.Tensor]


@fault("C2", "A* A of a million visibilities at 1024 x 1024, in forward transforms",
       before="first 49 s, then 4.2 s at 2048 x 2048, busy cores", right="below one forward transform")  # fmt: skip
def _many_visibilities() -> tuple[str, bool]:
    uv = uv_coverage("meerkat", hours=(-4.0, 4.0), samples=496)
    op = RadioInterferometry(uv * (3.1 / uv.abs().max()), (1024, 1024), unit="rad/pixel")
    x = torch.rand(1, 1, 1024, 1024)

    def seconds(f) -> float:
        start = time.perf_counter()
        f(x)
        return time.perf_counter() - start

    first = seconds(op.A_adjoint_A)
    forward, normal = (min(seconds(f) for _ in range(3)) for f in (op.A, op.A_adjoint_A))
    return f"first {first / forward:.0f}, then {normal / forward:.2f}", normal < forward


@fault("C3", "low-dose CT with weights, 3000 photons", before="200 iterations in three of four", right="converged")
def _low_dose() -> tuple[str, bool]:
    x = data.sample("camera")[..., 100:228, 180:308]
    op = Radon(128, torch.arange(90) * (torch.pi / 90))
    clean = op(x)
    density = 4 / float(clean.max())
    y = transmission_noise(density * clean, 3000.0, seed=0)
    weights = 3000**0.5 * (-y / 2).exp()
    result = PnPADMM(Weighted(weights[0]) @ (density * op), LoFiDenoiser(), noise_std=1.0).solve(weights * y)
    return f"{result.reason} after {len(result.history)} iterations", result.reason == "converged"


@fault("C4", "preparation of a solve, share of its normal operators", before="up to 41 %", right="less than a quarter")
def _preparation() -> tuple[str, bool]:
    x = data.sample("camera")[..., 100:228, 180:308]
    op = Radon(128, torch.arange(60) * (torch.pi / 60))
    solver, y = PnPADMM(op, LoFiDenoiser(), noise_std=0.5), op(x)
    with cg_reports() as before:
        solver.begin(y)
    with cg_reports() as whole:
        solver.solve(y)
    share = sum(int(r.iterations.max()) for r in before) / max(sum(int(r.iterations.max()) for r in whole), 1)
    return f"{share:.0%}", share < 0.25
