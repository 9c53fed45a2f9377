"""Trainings killed at random moments: the same final bits as without, and never an unreadable checkpoint.

Runs `pnp train` on the given folder once undisturbed; then again with SIGKILL after random times, resumed each time,
until it has been killed as often as asked; then to the end. Compares the final weights bit by bit and reads the
checkpoint after every kill. CPU, one thread.

    python -m benchmarks.faults --data DIR [--kills 10] [--recipe lofi-natural-gray-fast] [--steps 150]
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from denoisers.weights import tensors_hash
from pnp.train.checkpoint import load_checkpoint

from .common import parser


def command(recipe: str, data: Path, valid: Path, out: Path, steps: int) -> list[str]:
    """A training that saves every third step, with validation, so that a kill may hit any kind of writing."""
    options = [
        "--valid",
        str(valid),
        "--steps",
        str(steps),
        "--save-every",
        "3",
        "--threads",
        "1",
        "--accelerator",
        "cpu",
        "--resume",
    ]
    return [sys.executable, "-m", "pnp", "train", recipe, "--data", str(data), "--out", str(out), *options]


def killed(arguments: list[str], after: float) -> bool:
    """Whether the process was still at work when it was killed, ``after`` seconds from its start."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def main() -> None:
    """Train, kill, resume, compare."""
    p = parser(__doc__)
    p.add_argument("--kills", type=int, default=10)
    p.add_argument("--recipe", default="lofi-natural-gray-fast")
    p.add_argument("--steps", type=int, default=150)
    p.add_argument("--seed", type=int, default=0)
    options = p.parse_args()
    data, rng = Path(options.data) / "bsd400_gray", random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        calm, rough, valid = (Path(folder) / name for name in ("calm", "rough", "valid"))
        valid.mkdir()
        for file in sorted(data.iterdir())[:3]:
            shutil.copy(file, valid)
        begin = time.perf_counter()
        subprocess.run(command(options.recipe, data, valid, calm, options.steps), check=True, capture_output=True)
        length = time.perf_counter() - begin
        print(f"undisturbed: {options.steps} steps, {length:.1f} s")
        kills, unreadable, checkpoint = 0, 0, rough / f"{options.recipe}.pt"
        arguments = command(options.recipe, data, valid, rough, options.steps)
        while kills < options.kills:
            if not killed(arguments, rng.uniform(0.3, 1.0) * length):
                for file in rough.iterdir():  # came to its end: once more from the beginning
                    file.unlink()
                continue
            step = 0
            if checkpoint.exists():
                try:
                    step = load_checkpoint(checkpoint)["step"]
                except Exception as error:
                    unreadable += 1
                    print(f"unreadable: {error}")
            kills += 1
            print(f"kill {kills}, last checkpoint at step {step}", flush=True)
        subprocess.run(arguments, check=True, capture_output=True)
        names = sorted(f.name for kind in ("*.safetensors", "*.png") for f in calm.glob(kind))
        hashes = [tensors_hash(load_checkpoint(f / checkpoint.name)["averaged"]) for f in (calm, rough)]
        models = [load_checkpoint(f / checkpoint.name) for f in (calm, rough)]
        moments = [m["optimizer"]["state"][0]["exp_avg_sq"] for m in models]
        same = hashes[0] == hashes[1] and torch.equal(*moments)
        files = all((calm / n).read_bytes() == (rough / n).read_bytes() for n in names)
        tables = [(f / f"{options.recipe}.csv").read_text() for f in (calm, rough)]
        print(
            f"{kills} kills, {unreadable} unreadable checkpoints; final weights and optimiser "
            f"{'the same bits' if same else 'DIFFER'}, weight files and pictures "
            f"{'the same bytes' if files else 'DIFFER'}, log {'the same' if tables[0] == tables[1] else 'DIFFERS'}"
        )


if __name__ == "__main__":
    main()
