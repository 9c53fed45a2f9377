"""Priors on what they were not trained for: clean images, half and 1.5 times the noise, coloured noise, long solves.

PSNR of D(., sigma), sigma 25, on the first images of BSD68: without noise, with half of it, with white noise of that
level, 1.5 times as much, noise without its frequencies below an eighth of a cycle per pixel, and of these alone (of the
same deviation). Then PSNR inside PnP-ADMM on six problems (mean), and of a Gaussian deblurring of 64 x 64 pixels after
60 and after 1000 iterations.

    python -m benchmarks.robustness --data DIR [--images 5] [--priors drunet lofi xdncnn mixer]
"""

import statistics

from pnp.passport.robust import drift, robustness
from pnp.train.in_solver import in_solver

from .common import data_folder, parser, save, shipped, table


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--priors", nargs="+", default=["drunet", "drunet:natural-gray-fast", "lofi", "xdncnn", "mixer"])
    options = p.parse_args()
    folder = data_folder(options.data, "bsd68")
    images = [folder[i][None] for i in range(options.images or 5)]
    rows, head = [], ["prior"]
    for name in options.priors:
        denoiser = shipped(name)
        figures = robustness(denoiser, images, 25 / 255)
        figures["six problems"] = statistics.fmean(in_solver(denoiser, [x[0] for x in images]).values())
        figures |= drift(denoiser, images[0])
        head = ["prior", *figures]
        rows.append([name, *figures.values()])
        print(rows[-1], flush=True)
        save(options.save, {f"robustness, {name}": figures})
    print(table(rows, head))


if __name__ == "__main__":
    main()
