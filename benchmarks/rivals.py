"""PnP-ADMM and PnP-HQS at their defaults beside deepinv's ADMM, HQS and DPIR, tuned, with the same denoiser.

Problems of :data:`pnp.train.in_solver.PROBLEMS` on the first images of BSD68, centre 128 x 128. deepinv works on our
operators (:func:`operators.to_deepinv`) with our denoiser. Its ADMM and HQS have the best of three levels and three
stepsizes for each image, by the truth, and end at a relative change of 0.001, or after 60 iterations; DPIR has
the best of four noise levels and its own eight iterations. Ours know the noise level, and nothing else. Median PSNR in
dB, denoiser calls and seconds of one run, that of the best setting.

    python -m benchmarks.rivals --data DIR [--images 20] [--prior drunet:natural-gray-fast] [--problems ...]
"""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from denoisers import Denoiser
from operators import to_deepinv
from pnp import PnPADMM, PnPHQS
from pnp.train.in_solver import PROBLEMS, measured

from .common import data_folder, parser, save, shipped, table
from .reconstruction import SIZE, score

_TOLERANCE, _LIMIT = 1e-3, 60


class Counted(nn.Module):
    """A denoiser as deepinv calls it; complex images by real and imaginary part. It counts."""

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser, self.calls = denoiser, 0

    def forward(self, x: Tensor, sigma: Any, **_: Any) -> Tensor:
        self.calls += 1
        level = float(torch.as_tensor(sigma).flatten()[0])
        if not x.is_complex():
            return self.denoiser(x, level)
        return torch.complex(*self.denoiser(torch.cat((x.real, x.imag)), level).chunk(2))


def settings(denoiser: Any, std: float) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every method of deepinv's with every setting."""
    from deepinv.optim import ADMM, DPIR, HQS
    from deepinv.optim.data_fidelity import L2
    from deepinv.optim.prior import PnP

    for name, kind in {"deepinv ADMM": ADMM, "deepinv HQS": HQS}.items():
        for sigma in (0.02, 0.04, 0.08):
            for share in (0.3, 1.0, 3.0):
                options: dict[str, Any] = {
                    "data_fidelity": L2(), "prior": PnP(denoiser=denoiser), "sigma_denoiser": sigma,
                    "stepsize": share * (sigma / std) ** 2, "max_iter": _LIMIT, "early_stop": True,
                    "thres_conv": _TOLERANCE,
                }  # fmt: skip
                yield name, lambda kind=kind, options=options: kind(**options)
    for share in (0.5, 1.0, 2.0, 4.0):
        yield "deepinv DPIR", lambda share=share: DPIR(sigma=share * std, denoiser=denoiser)


def compare(op: Any, y: Tensor, x: Tensor, std: float, denoiser: Denoiser) -> dict[str, tuple[float, int, float]]:
    """PSNR, calls and seconds of every method, of deepinv's with the best setting."""
    out: dict[str, tuple[float, int, float]] = {}
    for name, method in {"PnPADMM": PnPADMM, "PnPHQS": PnPHQS}.items():
        start = time.perf_counter()
        result = method(op, denoiser, noise_std=std).solve(y)
        out[name] = score(result.x, x), len(result.history), time.perf_counter() - start
    physics, counted = to_deepinv(op), Counted(denoiser)
    for name, make in settings(counted, std):
        counted.calls, start = 0, time.perf_counter()
        with torch.no_grad():
            found = make()(y, physics)
        figures = score(found, x), counted.calls, time.perf_counter() - start
        if name not in out or figures[0] > out[name][0]:
            out[name] = figures
    return out


def main() -> None:
    """Print the table."""
    p = parser(__doc__)
    p.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(PROBLEMS))
    p.add_argument("--prior", default="drunet:natural-gray-fast")
    options = p.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder, denoiser, rows, names = data_folder(options.data, "bsd68"), shipped(options.prior), [], []
    for problem in options.problems:
        every: dict[str, list[tuple[float, int, float]]] = {}
        for i in range(min(len(folder), options.images or 20)):
            x = folder[i][None]
            top, left = ((n - SIZE) // 2 for n in x.shape[-2:])
            x = x[..., top : top + SIZE, left : left + SIZE]
            op, y = measured(problem, x, seed=i)
            for name, figures in compare(op, y, x, PROBLEMS[problem].noise_std, denoiser).items():
                every.setdefault(name, []).append(figures)
        medians = {name: [statistics.median(v) for v in zip(*found)] for name, found in every.items()}
        names = list(medians)
        rows.append([problem, *(f"{m[0]:.2f}, {m[1]:.0f} calls, {m[2]:.1f} s" for m in medians.values())])
        print(rows[-1], flush=True)
        save(options.save, {f"rivals, {problem}": medians})
    print(table(rows, ["problem", *names]))


if __name__ == "__main__":
    main()
