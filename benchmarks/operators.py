# ruff: noqa: B023 (every closure is called before the loop continues)
"""Operators beside other people's, same inputs, side by side in one run: ratios of times, pair by pair.

Every line repeats (ours, theirs) alternately and gives both medians and the median, least and largest ratio of a pair.
Where another package is missing its lines are left out. Peak memory is that of a fresh process each.

    python -m benchmarks.operators [--parts radon nufft prox memory] [--quick]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from operators import NUFFT, FanBeam, LinearOperator, RadioInterferometry, Radon, uv_coverage
from operators.linalg import cg

from .common import save, table

HEAD = ["what", "ours / ms", "theirs / ms", "theirs / ours", "least", "largest"]


def pair(what: str, ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> list[Any]:
    """One line: both run once to get ready, then ``repeats`` times alternately."""
    ours(), theirs()
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        both = []
        for call in (ours, theirs):
            start = time.perf_counter()
            call()
            both.append(time.perf_counter() - start)
        times.append((both[0], both[1]))
    ratios = [b / a for a, b in times]
    mine, other = (1e3 * statistics.median(t[i] for t in times) for i in (0, 1))
    line = [what, mine, other, statistics.median(ratios), min(ratios), max(ratios)]
    print(line, flush=True)
    return line


def half_circle(n: int) -> torch.Tensor:
    """Angles."""
    return torch.arange(n, dtype=torch.float64) * torch.pi / n


class Astra:
    """ASTRA's CPU projector with linear interpolation, set up once: as fast as it gets."""

    def __init__(self, n: int, angles: np.ndarray, count: int) -> None:
        import astra

        self.astra = astra
        self.volume = astra.create_vol_geom(n, n)
        self.geometry = astra.create_proj_geom("parallel", 1.0, count, angles)
        self.projector = astra.create_projector("linear", self.geometry, self.volume)
        self.image = astra.data2d.create("-vol", self.volume)
        self.data = astra.data2d.create("-sino", self.geometry)
        self.runs = {name: self._algorithm(name) for name in ("FP", "BP", "FBP")}

    def _algorithm(self, name: str) -> int:
        config = self.astra.astra_dict(name)
        config["ProjectorId"] = self.projector
        config["ProjectionDataId"] = self.data
        config["VolumeDataId" if name == "FP" else "ReconstructionDataId"] = self.image
        return self.astra.algorithm.create(config)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Sinogram of an image."""
        self.astra.data2d.store(self.image, x)
        self.astra.algorithm.run(self.runs["FP"])
        return self.astra.data2d.get(self.data)

    def adjoint(self, y: np.ndarray, name: str = "BP") -> np.ndarray:
        """Backprojection of a sinogram, or FBP."""
        self.astra.data2d.store(self.data, y)
        self.astra.algorithm.run(self.runs[name])
        return self.astra.data2d.get(self.image)


def radon_lines(quick: bool) -> Iterator[list[Any]]:
    """Parallel and fan beam against ASTRA, deepinv and scikit-image."""
    sizes = ((256, 180), (512, 720)) if quick else ((256, 180), (512, 720), (1024, 1000))
    for n, views in sizes:
        op, angles = Radon(n, half_circle(views)), half_circle(views).numpy()
        x = torch.rand(1, 1, n, n, generator=torch.Generator().manual_seed(0))
        y = op(x)
        xn, yn, label = x[0, 0].numpy(), y[0, 0].numpy(), f"Radon {n}^2, {views} angles: "
        repeats = 3 if n > 256 else 7
        try:
            astra = Astra(n, angles, op.detector_count)
        except ImportError:
            continue
        yield pair(label + "A, ASTRA linear", lambda: op.A(x), lambda: astra.forward(xn), repeats)
        yield pair(label + "adjoint, ASTRA", lambda: op.A_adjoint(y), lambda: astra.adjoint(yn), repeats)
        yield pair(
            label + "normal, ASTRA forward + adjoint",
            lambda: op.A_adjoint_A(x), lambda: astra.adjoint(astra.forward(xn)), repeats,
        )  # fmt: skip
        yield pair(label + "FBP, ASTRA", lambda: op.fbp(y), lambda: astra.adjoint(yn, "FBP"), repeats)
        if n > 512:
            continue
        eight = x.expand(8, -1, -1, -1).contiguous()
        yield pair(
            label + "A of a batch of 8, ASTRA one by one",
            lambda: op.A(eight), lambda: [astra.forward(xn) for _ in range(8)], 1 if n > 256 else 3,
        )  # fmt: skip
        yield from _deepinv_radon(label, op, x, views, 1 if n > 256 else 3)
        if n == 256:
            from skimage.transform import iradon, radon

            degrees = np.degrees(angles)
            yield pair(label + "A, skimage", lambda: op.A(x), lambda: radon(xn, degrees, circle=False), 2)
            yield pair(
                label + "FBP, skimage",
                lambda: op.fbp(y), lambda: iradon(yn.T, degrees, output_size=n, circle=False), 2,
            )  # fmt: skip
        fan = FanBeam(n, 2 * half_circle(views), 2.0 * n, 1.5 * n, detector_spacing=1.75)
        fan_y = fan(x)
        yield pair(f"fan beam {n}^2, {views} views: adjoint over A, both ours", lambda: fan.A(x),
                   lambda: fan.A_adjoint(fan_y), repeats)  # fmt: skip


def _deepinv_radon(label: str, op: Radon, x: torch.Tensor, views: int, repeats: int) -> Iterator[list[Any]]:
    try:
        from deepinv.physics import Tomography
    except ImportError:
        return
    angles = torch.arange(views) * 180 / views
    theirs = Tomography(angles=angles.tolist(), img_width=x.shape[-1], circle=False, normalize=False)
    with torch.no_grad():
        y, own = theirs.A(x), op(x)
        yield pair(label + "A, deepinv", lambda: op.A(x), lambda: theirs.A(x), repeats)
        yield pair(label + "adjoint, deepinv", lambda: op.A_adjoint(own), lambda: theirs.A_adjoint(y), repeats)
        yield pair(
            label + "normal, deepinv", lambda: op.A_adjoint_A(x), lambda: theirs.A_adjoint(theirs.A(x)), repeats
        )  # fmt: skip


def nufft_lines(quick: bool) -> Iterator[list[Any]]:
    """Against finufft's own plan, made once, and torchkbnufft."""
    import finufft

    n = 512
    for m in (50_000, 1_000_000) if quick else (50_000, 200_000, 1_000_000):
        p = (2 * torch.rand(2, m, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1) * torch.pi
        op = NUFFT(p, (n, n))
        x = torch.randn(1, 1, n, n, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
        y, label = op(x), f"NUFFT {n}^2, {m} points: "
        xn, yn, repeats = x[0, 0].numpy(), y[0, 0].numpy(), 5
        for name, kind, options in (
            ("finufft's plan, complex64", "complex64", {}), ("finufft's plan, complex128", "complex128", {}),
        ):  # fmt: skip
            real = np.float32 if kind == "complex64" else np.float64
            plan = finufft.Plan(2, (n, n), 1, 1e-6, -1, kind, nthreads=torch.get_num_threads(), **options)
            plan.setpts(*p.numpy().astype(real))
            data, samples = xn.astype(kind), yn.astype(kind)
            yield pair(label + "A, " + name, lambda: op.A(x), lambda d=data, q=plan: q.execute(d), repeats)
            yield pair(
                label + "adjoint, " + name, lambda: op.A_adjoint(y), lambda s=samples, q=plan: q.execute_adjoint(s),
                repeats,
            )  # fmt: skip
        try:
            import torchkbnufft as kb
        except ImportError:
            continue
        forward, adjoint = kb.KbNufft((n, n)).to(torch.complex64), kb.KbNufftAdjoint((n, n)).to(torch.complex64)
        pf = p.float()
        times = 2 if m <= 200_000 else 1
        yield pair(label + "A, torchkbnufft", lambda: op.A(x), lambda: forward(x, pf), times)
        yield pair(label + "adjoint, torchkbnufft", lambda: op.A_adjoint(y), lambda: adjoint(y, pf), times)
        yield pair(
            label + "normal, torchkbnufft forward + adjoint",
            lambda: op.A_adjoint_A(x), lambda: adjoint(forward(x, pf), pf), times,
        )  # fmt: skip


def _prox_cases() -> Iterator[tuple[str, LinearOperator, Any]]:
    """Name, our operator, deepinv's: CT of 180 and 30 angles, MeerKAT for an hour."""
    from deepinv.physics import RadioInterferometry as Theirs
    from deepinv.physics import Tomography

    n = 256
    for views in (180, 30):
        degrees = (torch.arange(views) * 180 / views).tolist()
        theirs = Tomography(angles=degrees, img_width=n, circle=False, normalize=False)
        yield f"CT {n}^2, {views} angles", Radon(n, half_circle(views)), theirs
    uv = uv_coverage("meerkat", samples=15)
    uv = uv * (torch.pi * 0.99 / uv.abs().max())
    yield (
        f"MeerKAT {n}^2, {uv.shape[1]} points",
        RadioInterferometry(uv, (n, n), unit="rad/pixel"),
        Theirs((n, n), uv.float(), device="cpu"),  # pyright: ignore[reportArgumentType]
    )


def prox_lines() -> Iterator[list[Any]]:
    """prox_l2 to the relative residual 1e-5 over six decades of gamma: iterations and seconds, ours and deepinv's."""
    for name, op, theirs in _prox_cases():
        z = torch.rand(1, *op.in_shape, generator=torch.Generator().manual_seed(0))
        other_image = torch.rand(1, *op.in_shape, generator=torch.Generator().manual_seed(1))
        y, yt = op(other_image), theirs.A(other_image)
        size, their_size = op.norm() ** 2, float(theirs.compute_sqnorm(z, max_iter=50, verbose=False))
        for decade in range(-2, 5):
            gamma, theirs_gamma = 10.0**decade / size, 10.0**decade / their_size
            g, b = torch.tensor(gamma), z + gamma * op.A_adjoint(y)
            start = time.perf_counter()
            _, info = cg(lambda v: v + g * op.A_adjoint_A(v), b, rtol=1e-5, max_iter=1000, precond=op.preconditioner(g))
            mine = time.perf_counter() - start
            calls = _counted(theirs)
            start = time.perf_counter()
            x = theirs.prox_l2(z, yt, theirs_gamma, max_iter=300, tol=1e-5)
            other, count = time.perf_counter() - start, calls()
            right = z + theirs_gamma * theirs.A_adjoint(yt)
            rest = float((right - x - theirs_gamma * theirs.A_adjoint(theirs.A(x))).norm() / right.norm())
            line = [
                f"{name}, gamma |A|^2 = 1e{decade}",
                int(info.iterations), f"{float(info.residual):.1e}", mine, count, f"{rest:.1e}", other, other / mine,
            ]  # fmt: skip
            print(line, flush=True)
            yield line


def _counted(physics: Any) -> Callable[[], int]:
    calls, plain = [0], type(physics).A

    def counting(x: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        calls[0] += 1
        return plain(physics, x, *args, **options)

    physics.A = counting
    return lambda: (physics.__dict__.pop("A", None), calls[0])[1]


MEMORY = {
    "Radon, ours": "from operators import Radon; op = Radon(512, a); op.A_adjoint(op.A(x))",
    "Radon, deepinv": (
        "from deepinv.physics import Tomography as T; op = T(angles=a * 57.29578, img_width=512, circle=False, "
        "normalize=False); op.A_adjoint(op.A(x))"
    ),
}


def memory_lines() -> Iterator[list[Any]]:
    """Peak resident memory of forward and adjoint at 512^2, 720 angles, beyond that of the import."""
    for name, code in MEMORY.items():
        script = (
            "import torch, re\ntorch.set_grad_enabled(False)\nx = torch.rand(1, 1, 512, 512)\n"
            "a = torch.arange(720) * torch.pi / 720\nfrom operators import Radon\nimport deepinv.physics\n"
            "Radon(8, [0.0])(x[..., :8, :8])\n"
            "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()).group(1))\n"
            "open('/proc/self/clear_refs', 'w').write('5')\n"  # the peak so far is forgotten
            f"before = peak()\n{code}\nprint((peak() - before) / 1024)"
        )
        out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        if out.returncode == 0:
            yield [name, float(out.stdout.split()[-1])]


def main() -> None:
    """Print the tables."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--parts", nargs="+", default=["radon", "nufft", "prox", "memory"])
    p.add_argument("--quick", action="store_true", help="fewer sizes")
    p.add_argument("--save", help="folder for the figures as JSON")
    options = p.parse_args()
    torch.set_grad_enabled(False)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    lines = [line for part, make in (("radon", radon_lines), ("nufft", nufft_lines)) if part in options.parts
             for line in make(options.quick)]  # fmt: skip
    print(table(lines, HEAD))
    if "prox" in options.parts:
        head = ["prox_l2", "iterations", "residual", "s", "deepinv: calls of A", "residual", "s", "their s / ours"]
        print(table(list(prox_lines()), head))
    if "memory" in options.parts:
        print(table(list(memory_lines()), ["forward + adjoint, 512^2, 720 angles", "peak / MiB"]))
    save(options.save, {line[0]: line[1:] for line in lines})
    print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
