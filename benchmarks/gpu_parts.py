"""The parts of ``python -m benchmarks.gpu``: each gives a table, its head first, and figures by name."""

import contextlib
import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from denoisers import DRUNetDenoiser, LoFiDenoiser, MixerDenoiser, XDnCNNDenoiser
from operators import MRI, NUFFT, Identity, LinearOperator, RadioInterferometry, Radon, gaussian_noise, random_columns
from operators.fourier.nufft import engine_for
from pnp import PnPADMM, Stop, data
from pnp.metrics import psnr
from pnp.passport.memory import peak_memory
from pnp.train import DenoiseCrops, Trainer
from pnp.train.ahead import Ahead
from pnp.train.one_device import OneDevice

__all__ = ["PARTS", "Settings", "run_part"]

Part = tuple[list[list[Any]], dict[str, Any]]


class Settings(NamedTuple):
    """Where, whether as little as possible, and sides of the images of the part radio."""

    device: str
    tiny: bool
    sizes: tuple[int, ...]

    def of(self, full: Any, tiny: Any) -> Any:
        return tiny if self.tiny else full


def run_part(name: str, settings: Settings) -> Part:
    """A part by its name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return PARTS[name](settings)


def seconds(function: Callable[[], Any], device: str, repeats: int = 5) -> float:
    """Median of some calls, the device awaited, after one that warms up."""
    function()
    found = []
    for _ in range(repeats):
        _wait(device)
        begin = time.perf_counter()
        function()
        _wait(device)
        found.append(time.perf_counter() - begin)
    return sorted(found)[repeats // 2]


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def image(side: int, batch: int = 1) -> Tensor:
    """A photograph of the package, repeated to any size."""
    x = data.sample("camera")
    times = -(-side // min(x.shape[-2:]))
    return x.repeat(1, 1, times, times)[..., :side, :side].repeat(batch, 1, 1, 1)


def coil_maps(coils: int, side: int) -> Tensor:
    """Smooth complex maps around the image."""
    line = torch.linspace(-1, 1, side)
    angles = torch.arange(coils) * (2 * torch.pi / coils)
    away = (line[:, None] - angles.sin()[:, None, None]) ** 2 + (line - angles.cos()[:, None, None]) ** 2
    return torch.polar(torch.exp(-away), angles[:, None, None] + line)


def versions(s: Settings) -> Part:
    """What is installed, which device, which engine, how fast memory is copied."""
    found: dict[str, Any] = {"torch": torch.__version__, "CUDA of torch": str(torch.version.cuda)}
    if s.device.startswith("cuda"):
        found |= {"device": torch.cuda.get_device_name(), "capability": str(torch.cuda.get_device_capability())}
    for package in ("cufinufft", "finufft", "torchkbnufft", "deepinv", "lightning"):
        try:
            found[package] = str(getattr(importlib.import_module(package), "__version__", "imports"))
        except Exception as error:  # of shared libraries, too
            found[package] = f"no: {str(error).splitlines()[0][:80]}"
    found["engine"] = engine_for("auto", torch.device(s.device))
    block = torch.zeros(s.of(2**28, 2**10), device=s.device)
    found["copy / GB/s"] = 2 * block.numel() * 4 / seconds(block.clone, s.device) / 1e9
    return [["", "figure"], *([k, v] for k, v in found.items())], found


def problems(s: Settings) -> dict[str, LinearOperator]:
    """Small ones of each kind."""
    n, g = s.of(128, 24), torch.Generator().manual_seed(0)
    line = (torch.arange(n) / n - 0.5) * 2 * torch.pi
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij")).flatten(1)
    return {
        "identity": Identity((n, n)),
        "MRI": MRI(random_columns((n, n), 4.0, 0.08)),
        "MRI, 8 coils": MRI(random_columns((n, n), 4.0, 0.08), coil_maps(8, n)),
        "CT": Radon(n, torch.arange(60) * (torch.pi / 60)),
        "NUFFT": NUFFT(grid + torch.rand(grid.shape, generator=g) / n, (n, n)),
    }


def _data(op: LinearOperator, side: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    x = image(side, batch)
    x = x.to(torch.complex64) if op.in_dtype.is_complex else x
    clean = op.A(x)
    return x, torch.where(clean == 0, clean, gaussian_noise(clean, 0.02))


def parity(s: Settings) -> Part:
    """Largest relative difference from the CPU: A, its adjoint, denoisers without and with TF32, and their PSNR."""
    rows: list[list[Any]] = [["", "difference", "with TF32", "dB by TF32"]]
    for name, op in problems(s).items():
        x, y = _data(op, op.in_shape[-1])
        wanted = op.A(x), op.A_adjoint(y)
        op = op.to(s.device)
        found = op.A(x.to(s.device)), op.A_adjoint(y.to(s.device))
        worst = max(float((f.cpu() - w).abs().amax() / w.abs().amax()) for f, w in zip(found, wanted))
        rows.append([name, f"{worst:.1e}", "", ""])
    clean = image(s.of(256, 32))
    noisy = gaussian_noise(clean, 0.1)
    with torch.no_grad():
        for make in (DRUNetDenoiser, LoFiDenoiser, MixerDenoiser, XDnCNNDenoiser):
            denoiser = make()
            if hasattr(denoiser, "precision"):
                denoiser.precision = "auto" if s.tiny else "float32"  # pyright: ignore[reportAttributeAccessIssue]
            wanted, denoiser = denoiser(noisy, 0.1), denoiser.to(s.device)
            kept, errors, scores = torch.backends.cudnn.allow_tf32, [], []
            for allowed in (False, True):
                torch.backends.cudnn.allow_tf32 = allowed
                if hasattr(denoiser, "precision"):
                    denoiser.precision = "tf32" if allowed else "float32"  # pyright: ignore[reportAttributeAccessIssue]
                found = denoiser(noisy.to(s.device), 0.1).cpu()
                errors.append(f"{float((found - wanted).abs().amax()):.1e}")
                scores.append(float(psnr(found, clean)))
            torch.backends.cudnn.allow_tf32 = kept
            rows.append([make.__name__, *errors, f"{scores[1] - scores[0]:.4f}"])
    return rows, {str(row[0]): row[1:] for row in rows[1:]}


class _Count(TorchDispatchMode):
    """Operations that are no views: about the kernels that are launched."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        views = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        self.count += not views
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def _waits() -> Iterator[list[Any]]:
    """What waited for the device."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield caught
        finally:
            torch.cuda.set_sync_debug_mode("default")


def _marks(solver: PnPADMM, y: Tensor) -> list[tuple[int, int]]:
    """How often the device was waited for, and operations, until the end of each iteration."""
    found: list[tuple[int, int]] = []
    with _waits() as caught, _Count() as counter:

        def mark(*_: Any) -> None:
            found.append((sum("synchroniz" in str(w.message) for w in caught), counter.count))

        solver.solve(y, callback=mark)
    return found


def waiting(s: Settings) -> Part:
    """How often an iteration of ADMM waits for the device, and its operations, while sigma falls and after."""
    rows: list[list[Any]] = [["", "waits while sigma falls", "after", "operations while sigma falls", "after"]]
    for name, op in problems(s).items():
        _, y = _data(op, op.in_shape[-1], 2)
        solver = PnPADMM(op.to(s.device), LoFiDenoiser().to(s.device), noise_std=0.02, stop=Stop(0.0, 16))
        marks = _marks(solver, y.to(s.device))
        each = [[(marks[b][i] - marks[a][i]) / (b - a) for a, b in ((1, 6), (9, 15))] for i in (0, 1)]
        rows.append([name, *(f"{v:.1f}" for pair in each for v in pair)])
    return rows, {str(row[0]): row[1:] for row in rows[1:]}


def iterations(s: Settings) -> Part:
    """Milliseconds of an iteration of ADMM with the default prior, and peak memory, by batch; operators beside those of
    other packages."""
    rows: list[list[Any]] = [["", "ms", "peak / GB"]]
    side, wide = s.of(320, 24), s.of(512, 32)
    ops = {
        f"MRI {side}^2, 8 coils": MRI(random_columns((side, side), 4.0, 0.08), coil_maps(8, side)),
        f"CT {wide}^2, 180 angles": Radon(wide, torch.arange(180) * (torch.pi / 180)),
    }
    count = s.of(20, 3)
    for name, op in ops.items():
        for batch in s.of((1, 8, 32), (1, 2)):
            _, y = _data(op.to("cpu"), op.in_shape[-1], batch)
            solver = PnPADMM(op.to(s.device), noise_std=0.02, stop=Stop(0.0, count)).to(s.device)
            y = y.to(s.device)
            solver.solve(y, callback=lambda *_: True)
            if s.device.startswith("cuda"):
                torch.cuda.reset_peak_memory_stats()
            state, begin = solver.begin(y), time.perf_counter()
            solver.solve(y, state=state)
            _wait(s.device)
            each = (time.perf_counter() - begin) / count
            peak = torch.cuda.max_memory_allocated() / 1e9 if s.device.startswith("cuda") else float("nan")
            rows.append([f"ADMM, {name}, batch {batch}", f"{1e3 * each:.2f}", f"{peak:.2f}"])
    rows += _rivals(ops, wide, s)
    return rows, {str(row[0]): row[1:] for row in rows[1:]}


def _rivals(ops: dict[str, LinearOperator], side: int, s: Settings) -> Iterator[list[Any]]:
    """A and A* of projections and of non-uniform samples, here and in deepinv and torchkbnufft."""
    ct, x = [*ops.values()][1].to(s.device), image(side).to(s.device)
    y = ct.A(x)
    yield ["CT, A and A*", f"{1e3 * seconds(lambda: ct.A_adjoint(ct.A(x)), s.device):.2f}", ""]
    with contextlib.suppress(Exception):  # not there, or not for this device
        deepinv = importlib.import_module("deepinv")
        other = deepinv.physics.Tomography(180, side, circle=False, device=s.device)
        yield ["CT, A and A*, deepinv", f"{1e3 * seconds(lambda: other.A_adjoint(other.A(x)), s.device):.2f}", ""]
    points = (2 * torch.rand(2, s.of(10**6, 500), generator=torch.Generator().manual_seed(0)) - 1) * torch.pi
    z = x.to(torch.complex64)
    for backend in ("auto", "torch", "torchkbnufft"):
        with contextlib.suppress(ImportError):
            op = NUFFT(points, (side, side), backend=backend).to(s.device)  # pyright: ignore[reportArgumentType]
            y = op.A(z)
            label = f"NUFFT, {points.shape[1]} points, {backend}"
            yield [f"{label}, A", f"{1e3 * seconds(lambda: op.A(z), s.device):.2f}", ""]  # noqa: B023
            yield [f"{label}, A*", f"{1e3 * seconds(lambda: op.A_adjoint(y), s.device):.2f}", ""]  # noqa: B023
            yield [f"{label}, A*A", f"{1e3 * seconds(lambda: op.A_adjoint_A(z), s.device):.2f}", ""]  # noqa: B023


def denoising(s: Settings) -> Part:
    """Milliseconds of denoisers by size and precision; compiled, and captured in a CUDA graph, where that works."""
    rows: list[list[Any]] = [["", "ms"]]
    with torch.no_grad():
        for side in s.of((256, 512, 1024), (32,)):
            x = image(side).to(s.device)
            level = torch.full((1,), 0.1, device=s.device)
            for make in (DRUNetDenoiser, LoFiDenoiser, XDnCNNDenoiser):
                denoiser = make().to(s.device)
                for precision in ("float32", "tf32", "bfloat16") if hasattr(denoiser, "precision") else ("float32",):
                    if hasattr(denoiser, "precision"):
                        denoiser.precision = precision  # pyright: ignore[reportAttributeAccessIssue]
                    time_ = seconds(lambda: denoiser(x, level), s.device)  # noqa: B023
                    rows.append([f"{make.__name__}, {side}^2, {precision}", f"{1e3 * time_:.2f}"])
            rows += _faster(DRUNetDenoiser(precision="float32").to(s.device), x, s)
    return rows, {str(row[0]): row[1] for row in rows[1:]}


def _faster(denoiser: DRUNetDenoiser, x: Tensor, s: Settings) -> Iterator[list[Any]]:
    """The network alone, as it is, compiled, in a graph."""
    net = denoiser.net
    z = torch.cat((x, torch.ones_like(x)), 1).contiguous(memory_format=torch.channels_last)
    label = f"network of DRUNetDenoiser, {x.shape[-1]}^2"
    yield [f"{label}, as it is", f"{1e3 * seconds(lambda: net(z), s.device):.2f}"]
    for name, make in (("compiled", torch.compile), ("CUDA graph", lambda f: _captured(f, z))):
        try:
            fast: Any = None if s.tiny else make(net)
            told = "not tried" if fast is None else f"{1e3 * seconds(lambda: fast(z), s.device):.2f}"  # noqa: B023
        except Exception as error:
            told = f"no: {str(error).splitlines()[0][:60]}"
        yield [f"{label}, {name}", told]


def _captured(function: Any, x: Tensor) -> Callable[[Tensor], Any]:
    function(x)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function(x)
    return lambda _: graph.replay()


def training(s: Settings) -> Part:
    """Samples a second of training: drawn, learned from, and both together."""
    rows: list[list[Any]] = [["", "drawn", "learned from", "both"]]
    images = [(255 * image(256)[0]).to(torch.uint8).roll(31 * i, -1) for i in range(s.of(64, 2))]
    steps, crop = s.of(30, 2), s.of(80, 16)
    makes = {"drunet fast": lambda: DRUNetDenoiser(None, preset="fast"), "lofi": lambda: LoFiDenoiser(None)}
    for name, make in makes.items():
        for batch in s.of((16, 128), (2,)):
            for precision in ("32-true", "bf16-mixed"):
                task = DenoiseCrops(images, crop=crop, batch=batch, sigmas=(0.02, 0.2))
                trainer = Trainer(make(), task, fabric=OneDevice(s.device, precision))
                both = _pace(lambda: list(trainer.run(trainer.step + steps)), s) * steps * batch  # noqa: B023
                ahead = Ahead(task)
                drawn = _pace(lambda: [ahead.draw(k, range(batch), k + 1, range(batch)) for k in range(steps)], s)  # noqa: B023
                one = task.draw(0, range(batch))
                task.draw = lambda *_: one  # type: ignore[method-assign]  # noqa: B023
                alone = _pace(lambda: list(trainer.run(trainer.step + steps)), s)  # noqa: B023
                paces = drawn * steps * batch, alone * steps * batch, both
                rows.append([f"{name}, batch {batch}, {precision}", *(f"{v:.0f}" for v in paces)])
    return rows, {str(row[0]): row[1:] for row in rows[1:]}


def _pace(function: Callable[[], Any], s: Settings) -> float:
    return 1 / seconds(function, s.device, 1)


def radio(s: Settings) -> Part:
    """Preparation and two iterations of ADMM with the default prior on a million visibilities, dense in the middle:
    seconds, memory."""
    rows: list[list[Any]] = [
        ["", "preparation / s", "an iteration / s", "processor / s", "peak / GB", "inner iterations"]
    ]
    for side in s.of(s.sizes, (64,)):
        row, peak = [], None

        def work() -> None:
            row.extend(_radio(side, s))  # noqa: B023

        if s.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
            work()
            peak = torch.cuda.max_memory_allocated()
        else:
            peak = peak_memory(work)
        rows.append([*row[:4], "?" if peak is None else f"{peak / 1e9:.2f}", row[4]])
    return rows, {str(row[0]): row[1:] for row in rows[1:]}


def _radio(side: int, s: Settings) -> list[Any]:
    """What was solved, seconds of preparation and of an iteration, those of the processor in all, inner iterations."""
    busy = time.process_time()
    g, count = torch.Generator().manual_seed(0), s.of(10**6, 3000)
    radius, angle = torch.rand(count, generator=g) ** 1.5, 2 * torch.pi * torch.rand(count, generator=g)
    points = 0.9 * torch.pi * radius.double() * torch.stack((angle.cos(), angle.sin()))
    op = RadioInterferometry(points, (side, side), unit="rad/pixel").to(s.device)
    x = torch.zeros(1, 1, side, side)
    x[..., side // 3 : side // 2, side // 3 : side // 2] = 1
    clean = op.A(x.to(s.device))
    std = 0.1 * float(clean.abs().mean())
    solver = PnPADMM(op, noise_std=std, stop=Stop(0.0, 2)).to(s.device)
    y, begin = gaussian_noise(clean, std), time.perf_counter()
    state = solver.begin(y)
    _wait(s.device)
    prepared = time.perf_counter()
    result = solver.solve(y, state=state)
    _wait(s.device)
    each = (time.perf_counter() - prepared) / 2
    inner = str(result.report.get("conjugate gradients", "")).partition(" in ")[0]
    return [f"{side}^2, {count} visibilities", f"{prepared - begin:.1f}", f"{each:.1f}",
            f"{time.process_time() - busy:.0f}", inner]  # fmt: skip


PARTS: dict[str, Callable[[Settings], Part]] = {
    "versions": versions, "parity": parity, "waiting": waiting, "iterations": iterations, "denoisers": denoising,
    "training": training, "radio": radio,
}  # fmt: skip
