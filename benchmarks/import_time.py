"""What ``import pnp`` costs compared with ``import torch``: fresh processes, alternately.

python -m benchmarks.import_time [--runs 7]
"""

import argparse
import statistics
import subprocess
import sys
import time


def seconds(module: str) -> float:
    """Wall time of a fresh interpreter that imports ``module``."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the ratio, pair by pair."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=7)
    runs = p.parse_args().runs
    seconds("pnp")
    pairs = [(seconds("pnp"), seconds("torch")) for _ in range(runs)]
    ratios = sorted(a / b for a, b in pairs)
    medians = [statistics.median(column) for column in zip(*pairs)]
    print(f"import pnp {medians[0]:.2f} s, import torch {medians[1]:.2f} s (medians)")
    print(f"ratio min {ratios[0]:.3f} median {statistics.median(ratios):.3f} max {ratios[-1]:.3f}")


if __name__ == "__main__":
    main()
