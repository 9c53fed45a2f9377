"""Every prior in one picture: denoising and reconstruction in dB over the milliseconds of an evaluation.

Left: mean PSNR on BSD68 at sigma 25 (noise neither clipped nor rounded), right: mean PSNR of PnP-ADMM on the six
problems of :func:`pnp.train.in_solver.in_solver`, centre 128 x 128 of the first images; both over the time of 256 x 256
pixels on one thread, the best of five. Hollow marks: deepinv's DnCNN and DRUNet, timed here untrained, with the PSNR
that is in print (29.23 and 29.48 dB). ``--colour``: CBSD68, denoising only, DRUNet's 31.69 dB in print.

    python -m benchmarks.priors --data DIR [--images 68] [--solver-images 8] [--colour] [--picture FILE]
"""

import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from denoisers import BM3DDenoiser, TVDenoiser
from pnp.metrics import psnr
from pnp.train.in_solver import in_solver

from .common import data_folder, noisy, parser, save, shipped, table

GRAY = {
    "DRUNet fast": "drunet:natural-gray-fast", "DRUNet accurate": "drunet:natural-gray-accurate", "LoFi": "lofi",
    "LoFi fast": "lofi:natural-gray-fast", "xDnCNN": "xdncnn", "Mixer small": "mixer",
}  # fmt: skip
COLOUR = {"DRUNet": "drunet", "LoFi": "lofi", "xDnCNN": "xdncnn"}
PRINT = {False: {"DnCNN": 29.23, "DRUNet": 29.48}, True: {"DnCNN": 31.24, "DRUNet": 31.69}}


def milliseconds(denoiser: Any, channels: int) -> float:
    """Time of 256 x 256 pixels, the best of five."""
    x, best = torch.rand(1, channels, 256, 256), math.inf
    with torch.no_grad():
        denoiser(x, 0.1)
        for _ in range(5):
            start = time.perf_counter()
            denoiser(x, 0.1)
            best = min(best, time.perf_counter() - start)
    return 1e3 * best


def draw(path: Path, rows: list[list[Any]]) -> None:
    """Two panels over milliseconds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    columns = {1: "BSD68, sigma 25: PSNR / dB", 2: "mean of six reconstructions: PSNR / dB"}
    shown = [c for c in columns if any(isinstance(row[c], float) for row in rows)]
    figure, axes = plt.subplots(1, len(shown), figsize=(5.5 * len(shown), 4.2), layout="constrained", squeeze=False)
    for axis, c in zip(axes[0], shown):
        for i, row in enumerate(r for r in rows if isinstance(r[c], float)):
            foreign = row[0].startswith("deepinv")
            axis.plot(row[3], row[c], "o", color=f"C{i}", fillstyle="none" if foreign else "full", markersize=8)
            close = [
                o for o in rows if isinstance(o[c], float) and abs(o[c] - row[c]) < 0.04 and row[3] < o[3] < 6 * row[3]
            ]
            place = (-7, 9) if close else (7, -3)  # above, where a name to the right would run into a neighbour
            axis.annotate(row[0], (row[3], row[c]), textcoords="offset points", xytext=place, fontsize=9)
        axis.set(xscale="log", xlabel="milliseconds for 256 x 256 pixels, one thread", title=columns[c])
        axis.set_xlim(10, 20 * max(row[3] for row in rows))  # room for the names
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.margins(y=0.12)
        axis.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


@torch.no_grad()
def main() -> None:
    """Measure, print, draw."""
    p = parser(__doc__)
    p.add_argument("--solver-images", type=int, default=8, help="images of the right panel")
    p.add_argument("--colour", action="store_true", help="CBSD68 and the colour weights")
    p.add_argument("--picture", default="figures/priors.png", help="where the picture goes")
    options = p.parse_args()
    torch.set_num_threads(1)
    channels = 3 if options.colour else 1
    folder = data_folder(options.data, "cbsd68" if options.colour else "bsd68", channels=channels)
    count = min(len(folder), options.images or len(folder))
    names = COLOUR if options.colour else GRAY
    priors: dict[str, Any] = {name: shipped(which, colour=options.colour) for name, which in names.items()}
    if not options.colour:
        priors |= {"BM3D": BM3DDenoiser(), "TV": TVDenoiser()}
    rows: list[list[Any]] = []
    for name, denoiser in priors.items():
        sigma = 25 / 255
        scores = [
            float(psnr(denoiser(noisy(folder[i][None], sigma, seed=i), sigma).clamp(0, 1), folder[i][None]))
            for i in range(count)
        ]
        inside = math.nan
        if not options.colour and name not in ("BM3D", "TV"):  # which would take an hour
            inside = statistics.fmean(in_solver(denoiser, [folder[i] for i in range(options.solver_images)]).values())
        rows.append([name, statistics.fmean(scores), "" if math.isnan(inside) else inside])
        rows[-1].append(milliseconds(denoiser, channels))
        print(rows[-1], flush=True)
    try:
        from deepinv import models
    except ImportError:
        print("deepinv is not installed: without its networks")
    else:
        for name, figure in PRINT[options.colour].items():
            net = getattr(models, name)(in_channels=channels, out_channels=channels, pretrained=None).eval()
            rows.append([f"deepinv's {name}, in print", figure, "", milliseconds(net, channels)])
    print(table(rows, ["prior", "denoising, sigma 25", "six reconstructions", "ms"]))
    save(options.save, {"priors": {row[0]: row[1:] for row in rows}})
    draw(Path(options.picture), rows)


if __name__ == "__main__":
    main()
