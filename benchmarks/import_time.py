"""What ``import pnp`` costs beside ``import torch``, each in fresh interpreters, in turn: medians and their ratio."""

import argparse
import statistics
import subprocess
import sys

from .common import save, table

MODULES = ("torch", "operators", "denoisers", "pnp")
GOAL = 1.15


def seconds(module: str) -> float:
    """Time of one import in a new interpreter, without the interpreter's own start."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="imports of each module")
    parser.add_argument("--save", default=None, help="JSON file to which the figures are added")
    options = parser.parse_args()
    for module in MODULES:  # fills the disk cache
        seconds(module)
    times: dict[str, list[float]] = {module: [] for module in MODULES}
    for _ in range(options.runs):  # in turn, so that other load on the machine meets all of them
        for module in MODULES:
            times[module].append(seconds(module))
    median = {module: statistics.median(values) for module, values in times.items()}
    ratio = {module: value / median["torch"] for module, value in median.items()}
    print(table([[f"`import {m}`", median[m], ratio[m]] for m in MODULES], ["", "median, s", "beside torch"]))
    print(f"\ngoal for pnp: at most {GOAL} ({'met' if ratio['pnp'] <= GOAL else 'missed'})")
    save(options.save, {"import_time": {"seconds": median, "ratio": ratio}})


if __name__ == "__main__":
    main()
