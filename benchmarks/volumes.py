"""Volumes: MRI of 64³ voxels by a radial stack with eight coils, and a CT volume of 96 slices with 60 angles.

Both are stacks of real slices of one person, interpolated between them (folders ``mri_images/brain_fnndsc``, sagittal
MPRAGE, and ``ct_patients/lidc0314``): their planes are real, what lies between is smooth. Default prior of the field,
slice by slice, and across all three axes. Peak of memory beyond data and operator, in volumes of the image; pictures of
three planes in figures/volume-*.png.

    python -m benchmarks.volumes --data DIR [--side 128] [--iterations N]
"""

import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from denoisers import Denoiser, Slicewise, default_denoiser
from operators import Radon, Slices, StackedMRI, gaussian_noise, radial_trajectory
from pnp import PnPADMM, Stop
from pnp.metrics import psnr
from pnp.passport.memory import peak_memory
from pnp.train.images import as_float
from pnp.train.recipes.fields import attenuation

from .common import data_folder, parser, save, table


def stacked(slices: list[Tensor], shape: tuple[int, int, int]) -> Tensor:
    """A volume (1, 1, D, H, W) from slices (1, h, w), the middle square of each, interpolated."""
    squares = []
    for x in slices:
        side = min(x.shape[-2:])
        top, left = ((n - side) // 2 for n in x.shape[-2:])
        square = x[None, :, top : top + side, left : left + side]
        squares.append(F.interpolate(square, shape[1:], mode="area")[0])
    return F.interpolate(torch.stack(squares, 1)[None], shape, mode="trilinear", align_corners=True)


def mri(data: str | None) -> tuple[Tensor, Any, Tensor]:
    """Volume, operator, data of the radial stack."""
    folder = data_folder(data, "mri_images/brain_fnndsc")
    slices = [as_float(x) for name, x in zip(folder.names, folder.images) if name.startswith("sag")]
    x = stacked(slices, (64, 64, 64))
    x = x / x.amax()
    grid = torch.meshgrid(*[torch.linspace(-1, 1, 64)] * 3, indexing="ij")
    coils = []
    for k in range(8):
        angle = torch.tensor(k * torch.pi / 4)
        apart = (grid[1] - 1.3 * angle.cos()) ** 2 + (grid[2] - 1.3 * angle.sin()) ** 2 + 0.3 * grid[0] ** 2
        coils.append(torch.exp(-apart / 2) * torch.exp(1j * (angle + grid[1])))
    maps = torch.stack(coils)
    op = StackedMRI(radial_trajectory(16, 128), (64, 64, 64), maps / maps.abs().square().sum(0).sqrt())
    return x, op, gaussian_noise(op(x + 0j), 0.02)


def ct(data: str | None, side: int) -> tuple[Tensor, Any, Tensor]:
    """Volume, operator, data of the stack of sinograms."""
    folder = data_folder(data, "ct_patients/lidc0314")
    x = stacked([attenuation(as_float(x)) for x in folder.images], (96, side, side))
    op = Slices(Radon(side, torch.arange(60) * (torch.pi / 60)), 96)
    clean = op(x)
    return x, op, gaussian_noise(clean, float(0.01 * clean.abs().mean()))


def draw(path: Path, truth: Tensor, answers: dict[str, Tensor]) -> None:
    """The three middle planes of each."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    volumes = {"truth": truth, **answers}
    figure, axes = plt.subplots(3, len(volumes), figsize=(2.4 * len(volumes), 7.2), constrained_layout=True)
    top = float(truth.flatten().quantile(0.999) if truth.numel() < 1e7 else truth.amax())
    for column, (name, volume) in zip(axes.T, volumes.items()):
        v = volume[0, 0].abs()
        for axis, place in enumerate(column):
            place.imshow(v.select(axis, v.shape[axis] // 2).numpy(), cmap="gray", vmin=0, vmax=top, aspect="auto")
            place.set_axis_off()
        column[0].set_title(name, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Solve, print, draw."""
    p = parser(__doc__)
    p.add_argument("--side", type=int, default=128, help="pixels of a CT slice along a side")
    p.add_argument("--iterations", type=int, default=200)
    p.add_argument("--figures", default="figures", help="folder for pictures")
    options = p.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, (x, op, y) in {"mri": mri(options.data), "ct": ct(options.data, options.side)}.items():
        denoiser: Denoiser = default_denoiser(op.field)
        size, peak = float(x.amax()), x.numel() * (8 if op.in_dtype.is_complex else 4)
        answers = {"adjoint": op.A_adjoint(y)}
        for planes, axes in {"slices": (0,), "three axes": (0, 1, 2)}.items():
            found: list[Any] = []
            solver = PnPADMM(op, Slicewise(denoiser, axes=axes), stop=Stop(5e-3, options.iterations))
            solver.solve(y, callback=lambda *_: True)  # kernels and plans are made

            def run(solver: PnPADMM = solver, y: Tensor = y, found: list[Any] = found) -> None:
                start = time.perf_counter()
                found.extend((solver.solve(y), time.perf_counter() - start))

            used = peak_memory(run)
            result, seconds = found
            answer = result.x.abs() if result.x.is_complex() else result.x
            answers[f"PnP-ADMM, {planes}"] = answer
            score = float(psnr(answer / size, x / size))
            told = "" if used is None else f"{used / peak:.1f}"
            rows.append([name, planes, f"{score:.2f}", len(result.history), result.reason, f"{seconds:.1f}", told])
            print(rows[-1], flush=True)
            save(options.save, {f"volumes, {name}, {planes}": score})
        draw(Path(options.figures) / f"volume-{name}.png", x, {k: v for k, v in answers.items() if k != "adjoint"})
    print(table(rows, ["volume", "denoiser", "PSNR / dB", "calls", "ended", "seconds", "peak memory / volumes"]))


if __name__ == "__main__":
    main()
