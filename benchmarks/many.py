"""Many files: every one once, the same bits as singly, whoever is killed; and what a file costs.

    python -m benchmarks.many [--files 200] [--paced 60] [--size 64] [--engine ray|processes] [--save FILE]
    python -m benchmarks.many --plan

Small measurements are written, each is solved by itself, then all by two workers, Ray's or processes, on this machine:
one worker is killed (kill -9), later the driver, and the same call continues. Then one and two workers do some of them
undisturbed.
``--plan`` measures instead what a slice and a visibility cost, of which docs/many_files.md makes its plans.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from operators import MRI, Inpainting, RadioInterferometry, random_columns, random_mask
from pnp import Job, PnPADMM, data, reconstruct_many

from .common import noisy, parser, save, table

NOISE = 0.05


def write_files(folder: Path, count: int, size: int) -> list[Path]:
    """Measurements of ``size`` squared pixels, 60 % of them, each with noise of its own."""
    folder.mkdir()
    x = data.sample("camera")[..., 100 : 100 + size, 180 : 180 + size]
    mask = random_mask((size, size), 0.6, seed=0)
    for number in range(count):
        y = Inpainting(mask)(noisy(x, NOISE, number))
        np.savez(folder / f"{number:04d}.npz", y=y[0].numpy(), mask=mask.squeeze().numpy(), noise_std=NOISE)
    return sorted(folder.iterdir())


def image(place: Path) -> np.ndarray:
    with np.load(place) as file:
        return file["x"]


@contextmanager
def started(engine: str) -> Iterator[str]:
    """A cluster of Ray on this machine, whose address drivers join; empty for processes."""
    if engine != "ray":
        yield ""
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=40)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def drive(files: Path, out: Path, workers: int, engine: str) -> subprocess.Popen[bytes]:
    """A driver of its own process."""
    cluster = ["--cluster", engine] if engine else []
    command = [sys.executable, "-m", "pnp", "reconstruct", str(files), "--out", str(out), "--workers", str(workers)]
    return subprocess.Popen([*command, *cluster, "--quiet"], stdout=subprocess.DEVNULL)


def cards(out: Path) -> list[Path]:
    return sorted(out.glob("*.npz.json")) if out.exists() else []


def until(condition: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
    while not condition():
        if driver.poll() is not None:
            raise SystemExit(f"the driver ended with {driver.returncode}")
        time.sleep(0.05)


def interrupted(folder: Path, files: list[Path], engine: str) -> tuple[Path, list[str]]:
    """Answers by two workers, one of which is killed, and their driver; what was seen."""
    out, count = folder / "killed", len(files)
    driver = drive(folder / "in", out, 2, engine)
    until(lambda: len(cards(out)) >= count // 5, driver)
    newest = max(cards(out), key=lambda card: card.stat().st_mtime_ns)
    worker = json.loads(newest.read_text())["by"]["process"]
    os.kill(worker, signal.SIGKILL)
    at = len(cards(out))
    until(lambda: len(cards(out)) >= count // 2, driver)
    driver.kill()
    driver.wait()
    time.sleep(10)  # what its workers had in hand
    before = {card: card.stat().st_mtime_ns for card in cards(out)}
    said = [f"worker killed after {at} files, driver after {len(before)}"]
    rest = drive(folder / "in", out, 2, engine)
    if rest.wait():
        raise SystemExit(f"the second driver ended with {rest.returncode}")
    same = sum(card.stat().st_mtime_ns == then for card, then in before.items())
    processes = {json.loads(card.read_text())["by"]["process"] for card in cards(out)}
    said.append(f"{same} of {len(before)} answers from before are untouched; {len(processes)} processes wrote")
    beside = [p.name for p in out.iterdir() if not p.name.endswith((".npz", ".npz.json"))]
    said.append(f"{len(cards(out))} of {count} files have an answer; left beside them: {beside or 'nothing'}")
    return out, said


def paced(folder: Path, workers: int, engine: str) -> tuple[float, float]:
    """Files a second between the first and the last answer, and seconds in all."""
    out, begin = folder / f"out-{bool(engine)}-{workers}", time.perf_counter()
    if drive(folder / "some", out, workers, engine).wait():
        raise SystemExit("the driver failed")
    seconds = time.perf_counter() - begin
    times = sorted(card.stat().st_mtime for card in cards(out))
    return (len(times) - 1) / (times[-1] - times[0]), seconds


def kill_and_count(options) -> None:
    """The proof, then the pace."""
    with tempfile.TemporaryDirectory() as name, started(options.engine) as address:
        folder = Path(name)
        write_files(folder / "some", options.paced, options.size)
        files = write_files(folder / "in", options.files, options.size)
        begin = time.perf_counter()
        mask = random_mask((options.size, options.size), 0.6, seed=0)
        single = []
        for path in files:
            with np.load(path) as file:
                y = torch.from_numpy(file["y"])[None]
            single.append(PnPADMM(Inpainting(mask), noise_std=NOISE).solve(y).x.numpy())
        alone = time.perf_counter() - begin
        print(f"singly: {len(files)} solves, {len(files) / alone:.2f} a second", flush=True)
        out, said = interrupted(folder, files, address)
        equal = sum(np.array_equal(image(out / f.name), x) for f, x in zip(files, single, strict=True))
        print(*said, f"{equal} of {len(files)} answers have the bits of single solves", sep="\n", flush=True)
        begin = time.perf_counter()
        again = reconstruct_many(files, out, Job(), quiet=True)
        look = (time.perf_counter() - begin) / len(files)
        size = sum(p.stat().st_size for p in out.iterdir()) / len(files)
        print(f"{len(again.before)} found done: {1e3 * look:.2f} ms and {size / 1e3:.0f} kB a file", flush=True)
        rows = []
        for engine, workers in [(address, 2), (address, 1), *([("", 1)] if address else [])]:
            rate, seconds = paced(folder, workers, engine)
            rows.append(["Ray" if engine else "none" if workers == 1 else "processes", workers, rate, seconds])
            print(rows[-1], flush=True)
        print(table(rows, ["engine", "workers", "files/s", "seconds in all"]))
        save(options.save, {"many": {"equal": equal, "files": len(files), "rows": rows, "ms a done file": 1e3 * look}})


def plan(options) -> None:
    """Seconds of a slice, and of a visibility."""
    rows = []
    x = data.sample("camera")[..., :256, :256]
    op = MRI(random_columns((256, 256), 4.0, 0.08, seed=0))
    y = op(noisy(x, 0.02, 0).to(torch.complex64))
    solver = PnPADMM(op, noise_std=0.02)
    begin = time.process_time()
    result = solver.solve(y)
    rows.append(["MRI, one slice of 256²: solve", f"{time.process_time() - begin:.2f} s", len(result.history)])
    g = torch.Generator().manual_seed(0)
    for count in (10**5, 10**6):
        uv = 1e4 * torch.randn(2, count, generator=g, dtype=torch.float64)
        begin = time.process_time()
        sky = RadioInterferometry(uv, image_shape=(512, 512), cell=1.5)
        v = torch.randn(1, 1, count, generator=g).to(torch.complex64)
        dirty = sky.A_adjoint(v)
        once = time.process_time() - begin
        begin = time.process_time()
        sky.A_adjoint_A(dirty)
        kernel = time.process_time() - begin
        begin = time.process_time()
        sky.A_adjoint_A(dirty)
        normal = time.process_time() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        rows.append([f"radio, 512², {count:.0e} visibilities: A* y once", f"{once:.2f} s", f"{1e6 * once / count:.2f}"])
        rows.append(["  kernel of A* A, once", f"{kernel:.2f} s", f"{1e6 * kernel / count:.2f}"])
        rows.append([f"  A* A in each iteration (memory so far {peak:.1f} GB)", f"{normal:.3f} s", ""])
    print(table(rows, ["what", "processor time", "iterations, or µs a visibility"]))


def main() -> None:
    """Command line."""
    p = parser(__doc__)
    p.add_argument("--files", type=int, default=200)
    p.add_argument("--paced", type=int, default=60, help="files of the runs that are timed")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--engine", choices=("ray", "processes"), default="ray")
    p.add_argument("--plan", action="store_true")
    options = p.parse_args()
    plan(options) if options.plan else kill_and_count(options)


if __name__ == "__main__":
    main()
