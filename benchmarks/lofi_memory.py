"""Memory of training the paper-size LoFi against the size of the image: peak over the imported baseline.

Each row is a fresh process: one Adam step after another on one image and 512 of its pixels.

    python -m benchmarks.lofi_memory [--steps 3] [--sizes 512 1024 2048]
"""

import argparse
import json
import resource
import subprocess
import sys

_MIB = 2**20


def measure(size: int, filtered: bool, steps: int) -> dict[str, float]:
    """Peak resident memory, in MiB, of training at ``size`` over that after the imports; run in a fresh process."""
    import torch

    from denoisers import LoFi

    torch.set_num_threads(1)
    warm = torch.nn.Linear(8, 8)  # the first optimiser step imports and allocates what is not the network's
    optimizer = torch.optim.Adam(warm.parameters())
    warm(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model = LoFi.paper(filtered="real", size=size) if filtered else LoFi.paper()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    image, truth = torch.rand(1, 1, size, size), torch.rand(1, 1, 512)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (model(image, torch.rand(512, 2) - 0.5) - truth).abs().mean()
        loss.backward()
        optimizer.step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"peak": (peak - base) / _MIB, "image": image.numel() * image.element_size() / _MIB}


def main() -> None:
    """Print the table."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    p.add_argument("--steps", type=int, default=3)
    p.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = p.parse_args()
    if options.one:
        print(json.dumps(measure(int(options.one[0]), options.one[1] == "filter", options.steps)))
        return
    print("| image | filter | peak over baseline / MiB | image itself / MiB | rest / MiB |\n|---|---|---|---|---|")
    for kind in ("none", "filter"):
        for size in options.sizes:
            command = [sys.executable, "-m", "benchmarks.lofi_memory", "--steps", str(options.steps)]
            out = subprocess.run([*command, "--one", str(size), kind], capture_output=True, text=True, check=True)
            m = json.loads(out.stdout.splitlines()[-1])
            rest = m["peak"] - m["image"]
            print(f"| {size} x {size} | {kind} | {m['peak']:.1f} | {m['image']:.1f} | {rest:.1f} |", flush=True)


if __name__ == "__main__":
    main()
