"""Networks behind what the operator makes of the data, trained for minutes: against that image, and against the same
network behind the data themselves, laid out as a picture (two channels where they are complex).

Four problems, one small U-Net each (held-out images, PSNR on the span of the truth):
- FBP: 40 projections of 64 x 64 CT slices, relative noise of 2 %; slices of one patient, the last ten held out;
- adjoint: 3,000 radio visibilities (MeerKAT, 1 h) of natural images, relative noise of 2 %;
- zero-filled: a new random quarter of the columns of k-space for each sample, natural images with synthetic phase;
- Kaiser-Squires: shear of the kappa TNG map at Stage-IV noise, its lower right quarter held out.

    python -m benchmarks.end_to_end --data DIR [--steps 700] [--problems fbp adjoint zero-filled ks]
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from denoisers import UNet
from operators import KaiserSquires, RadioInterferometry, Radon, gaussian_noise, gaussian_noise_relative
from operators.lensing.catalogue import shape_noise_std
from pnp import Reconstructor
from pnp.train import ImageFolder, Measured, Trainer, read_images, warmup_stable_decay
from pnp.train.evaluation import mean_scores, score
from pnp.train.images import squared
from pnp.train.recipes.simulate import accelerated_mri, smooth_phase

from .common import parser, save, table

SIDE = 64


class Problem(NamedTuple):
    """Images to learn from and to be scored on, the operator, the preprocessing, noise, channels of the network."""

    train: list[Tensor]
    test: list[Tensor]
    op: Any
    preprocess: str
    noise: Callable[[Tensor, int], Tensor]
    channels: tuple[int, int]
    prepare: Any = None
    residual: bool = True


def natural(data: Path) -> tuple[list[Tensor], list[Tensor]]:
    """Gray images of 64 x 64."""
    sets = (ImageFolder(data / "bsd400_gray"), ImageFolder(data / "bsd68"))
    train, test = ([squared(s[i], SIDE) for i in range(len(s))] for s in sets)
    return train, test[:20]


def relative(y: Tensor, seed: int) -> Tensor:
    """2 % of noise."""
    return gaussian_noise_relative(y, 0.02, seed=seed)


def fbp(data: Path) -> Problem:
    folder = ImageFolder(data / "ct")
    slices = [squared(folder[i], SIDE) for i in range(len(folder))]
    op = Radon(SIDE, torch.arange(40) * (torch.pi / 40))
    return Problem(slices[:-10], slices[-10:], op, "fbp", relative, (1, 1))


def adjoint(data: Path) -> Problem:
    import numpy as np

    uv = torch.from_numpy(np.load(data / "radio" / "meerkat_uv_1h.npy")).double()
    op = RadioInterferometry(uv[:, ::10], image_shape=(SIDE, SIDE), unit="rad/pixel")
    return Problem(*natural(data), op, "adjoint", relative, (1, 1))


def zero_filled(data: Path) -> Problem:
    noise = lambda y, seed: gaussian_noise(y, 0.005, seed=seed)  # noqa: E731
    return Problem(*natural(data), accelerated_mri(SIDE), "adjoint", noise, (2, 2), smooth_phase)


def ks(data: Path) -> Problem:
    (kappa,) = read_images(data / "lensing" / "ktng_kappa360v2.fits")
    std = shape_noise_std(0.29)
    tiles = [kappa[:, i : i + SIDE, j : j + SIDE] for i in range(0, 296, 29) for j in range(0, 296, 29)]
    places = [(i, j) for i in range(0, 296, 29) for j in range(0, 296, 29)]
    train = [t for t, (i, j) in zip(tiles, places) if i + SIDE <= 180 or j + SIDE <= 180]
    test = [t for t, (i, j) in zip(tiles, places) if i >= 180 and j >= 180]
    noise = lambda y, seed: gaussian_noise(y, std, seed=seed)  # noqa: E731
    return Problem(train, test, KaiserSquires((SIDE, SIDE)), "ks", noise, (2, 1), residual=False)


def as_picture(op: Any, y: Tensor) -> Tensor:
    """Data as a picture of the image's size, complex where they are, without any use of the operator."""
    flat = torch.cat((y.real, y.imag), 1) if y.is_complex() else y
    if flat.ndim == 3:  # a list of samples, row after row, zeros in what is left of the square
        side = math.isqrt(flat.shape[-1] - 1) + 1
        flat = F.pad(flat, (0, side * side - flat.shape[-1])).reshape(*flat.shape[:2], side, side)
    flat = flat if flat.shape[-2:] == (SIDE, SIDE) else F.interpolate(flat, (SIDE, SIDE), mode="bilinear")
    return torch.complex(*flat.contiguous().chunk(2, 1)) if y.is_complex() else flat


def as_shear(op: Any, y: Tensor) -> Tensor:
    """Shear itself, both components."""
    return y


def scaled(picture: Callable[[Any, Tensor], Tensor], problem: Problem) -> Callable[[Any, Tensor], Tensor]:
    """The picture of the data times a constant that gives it, over some examples, the deviation of the images."""
    task = Measured(problem.train, problem.op, problem.noise, batch=8, prepare=problem.prepare)
    drawn = task.draw(0, range(8))
    op = problem.op if hasattr(problem.op, "A") else drawn.given[1][0]
    data = drawn.given[0] if isinstance(drawn.given[0], Tensor) else torch.cat(list(drawn.given[0]))
    factor = drawn.target.std() / picture(op, data).std()
    return lambda op, y: factor * picture(op, y)


def trained(problem: Problem, preprocess: Any, steps: int) -> Reconstructor:
    """A U-Net behind ``preprocess``."""
    torch.manual_seed(0)
    op = problem.op if hasattr(problem.op, "A") else problem.op(torch.Generator().manual_seed(0))
    inputs, outputs = problem.channels
    if preprocess is None:
        inputs = 2 if op.out_dtype.is_complex else inputs  # both parts of complex data
        preprocess = scaled(as_shear if problem.preprocess == "ks" else as_picture, problem)
    model = Reconstructor(op, UNet(inputs, outputs, width=16, poolings=3), preprocess, residual=problem.residual)

    def loss(x: Tensor, target: Tensor) -> Tensor:
        return (x - target).abs().square().mean()

    task = Measured(problem.train, problem.op, problem.noise, batch=8, criterion=loss, prepare=problem.prepare)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.99))
    trainer = Trainer(model, task, optimizer=optimizer, schedule=warmup_stable_decay(steps, warmup=50), average=0.99)
    for _ in trainer.run(steps):
        pass
    model.load_state_dict(trainer.averaged)
    return model.eval()


def main() -> None:
    """Train, score, print."""
    p = parser(__doc__)
    p.add_argument("--steps", type=int, default=700)
    p.add_argument("--problems", nargs="+", default=["fbp", "adjoint", "zero-filled", "ks"])
    options = p.parse_args()
    rows = []
    for name in options.problems:
        problem = {"fbp": fbp, "adjoint": adjoint, "zero-filled": zero_filled, "ks": ks}[name](Path(options.data))
        examples = []
        for i, image in enumerate(problem.test):
            task = Measured([image], problem.op, problem.noise, batch=1, prepare=problem.prepare, seed=1)
            examples.append(task.draw(i, [0]))
        behind = mean_scores(score(trained(problem, problem.preprocess, options.steps), examples)[0])
        without = mean_scores(score(trained(problem, None, options.steps), examples)[0])
        rows.append([name, behind.input_psnr, behind.psnr, without.psnr, behind.psnr - behind.input_psnr])
        save(options.save, {f"{name}, {options.steps} steps": rows[-1][1:]})
        print(rows[-1], flush=True)
    print(table(rows, ["input", "its PSNR", "network behind it", "network behind the data", "gain"]))


if __name__ == "__main__":
    main()
