"""What a CUDA device does with this library, in ten minutes: versions, agreement with the CPU, how often it is waited
for, seconds of an iteration, denoisers by precision, training.

Each part runs in a process and a time of its own; figures are written after each. It needs torch and this repository,
data sets are not asked for; deepinv and torchkbnufft are timed where they import.

    python -m benchmarks.gpu [--parts versions parity ...] [--save gpu.json] [--tiny]
    python -m benchmarks.gpu --parts radio --sizes 2048 --device cpu
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from .common import save, table
from .gpu_parts import PARTS, Settings, run_part

LIMITS = {  # seconds
    "versions": 40, "parity": 90, "waiting": 60, "iterations": 120, "denoisers": 110, "training": 120, "radio": 60
}  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Run the parts, print their tables."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--parts", nargs="+", default=[*PARTS], choices=[*PARTS])
    p.add_argument("--device", default="cuda")
    p.add_argument("--sizes", nargs="+", type=int, default=[1024], help="sides of the images of the part radio")
    p.add_argument("--tiny", action="store_true", help="smallest sizes, to see that everything runs")
    p.add_argument("--limit", type=float, help="seconds of each part, instead of its own limit")
    p.add_argument("--save", help="JSON file to which the figures are added")
    p.add_argument("--here", action="store_true", help="in this process, without limits")
    options = p.parse_args(arguments)
    settings = Settings(options.device, options.tiny, tuple(options.sizes))
    for name in options.parts:
        if options.here:
            rows, figures = run_part(name, settings)
        else:
            rows, figures = _apart(name, settings, options.limit or LIMITS[name])
        print(f"\n## {name}\n" + table(rows[1:], rows[0]), flush=True)
        save(options.save, {f"{name}, {key}": value for key, value in figures.items()})


def _apart(name: str, settings: Settings, limit: float) -> tuple[list[list], dict]:
    """A part in a process that is ended when its time is over."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--here", "--parts", name, "--save", str(out)]
        command += ["--device", settings.device, "--sizes", *map(str, settings.sizes)]
        try:
            done = subprocess.run(
                command + ["--tiny"] * settings.tiny, timeout=limit, capture_output=True, text=True, check=False
            )
            why = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        except subprocess.TimeoutExpired:
            why = [f"not done in {limit:g} s"]
        figures = json.loads(out.read_text()) if out.exists() else {}
    figures = {key.removeprefix(f"{name}, "): value for key, value in figures.items()}
    figures |= {"ended by": why[0]} if why else {}
    return [["", "figure"], *([key, value] for key, value in figures.items())], figures


if __name__ == "__main__":
    main()
