"""Two processes beside one with the same batch: same weights after 20 steps in double precision, and the speed.

    python -m benchmarks.processes --data DIR [--recipe lofi-natural-gray] [--batch 8] [--steps 20]

The samples of a step are numbered and each has its own random stream, so two processes of 4 samples learn from the
very samples of one process of 8. With BatchNorm (xDnCNN) each process normalises over its own samples, so weights
differ. Speed: steps a second of one process with one thread, of one with two threads, of two with one thread each.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from denoisers.weights import load_weights

from .common import parser, table


def run(recipe: str, data: Path, out: Path, *options: str) -> float:
    """Seconds of a training of ``recipe``."""
    arguments = [sys.executable, "-m", "pnp", "train", recipe, "--data", str(data), "--out", str(out)]
    begin = time.perf_counter()
    subprocess.run([*arguments, "--accelerator", "cpu", *options], check=True, capture_output=True)
    return time.perf_counter() - begin


def difference(folder: Path, recipe: str) -> float:
    """Largest difference of a weight between the runs in ``folder``."""
    names = ("one", "two")
    states = [load_weights(str(folder / n / f"{recipe}-v1.safetensors"), family=recipe.split("-")[0])[0] for n in names]
    return max(float((states[0][k].double() - states[1][k].double()).abs().max()) for k in states[0])


def main() -> None:
    """Train both ways, compare, time."""
    p = parser(__doc__)
    p.add_argument("--recipe", default="lofi-natural-gray")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--steps", type=int, default=20)
    options = p.parse_args()
    data = Path(options.data) / "bsd400_gray"
    size = ("--batch", str(options.batch))
    for precision in ("64-true", "32-true"):
        with tempfile.TemporaryDirectory() as folder:
            for name, devices in (("one", "1"), ("two", "2")):
                common = ("--steps", str(options.steps), "--precision", precision, "--threads", "1")
                run(options.recipe, data, Path(folder) / name, *size, *common, "--devices", devices)
            print(f"{precision}: largest difference of a weight {difference(Path(folder), options.recipe):.1e}")
    rows = []
    for name, devices, threads in (
        ("1 process, 1 thread", 1, 1),
        ("1 process, 2 threads", 1, 2),
        ("2 processes", 2, 1),
    ):
        seconds = []
        for steps in (options.steps, 3 * options.steps):  # start and end of the process drop out of the difference
            with tempfile.TemporaryDirectory() as folder:
                common = ("--steps", str(steps), "--threads", str(threads), "--devices", str(devices))
                seconds.append(run(options.recipe, data, Path(folder), *size, *common))
        rows.append([name, 2 * options.steps / (seconds[1] - seconds[0])])
    for row in rows:
        row.append(row[1] / rows[0][1])
    print(table(rows, ["training", "steps/s", "speed-up"]))


if __name__ == "__main__":
    main()
