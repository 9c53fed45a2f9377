"""What the rows share: a training of a minute, kept on disk, and scores of denoisers."""

import copy
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from denoisers import InSquares
from denoisers.evaluation.precision import has_bfloat16
from pnp.metrics import psnr
from pnp.train import DenoiseCrops, Drawing, Trainer, warmup_stable_decay
from pnp.train.drawing import sample_generator
from pnp.train.tasks import Drawn, Pairs, Task

from ..common import noisy
from .row import Effort

__all__ = ["Half", "Minus", "PairPixels", "centre", "denoiser", "denoising_psnr", "parameters", "plot", "trained"]


class Half(nn.Module):
    """A network in bfloat16 where the processor has instructions for it, and in the faster memory format."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        slow = any(isinstance(m, nn.InstanceNorm2d) for m in net.modules())
        self.format = torch.contiguous_format if slow else torch.channels_last
        self.net, self.wanted = net.to(memory_format=self.format), has_bfloat16(torch.device("cpu"))

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.wanted):
            return self.net(x.contiguous(memory_format=self.format), *given).float()


class Minus(nn.Module):
    """x - net(x), or with ``direct`` net(x): a denoiser that takes a level and does not look at it."""

    def __init__(self, net: nn.Module, *, direct: bool = False) -> None:
        super().__init__()
        self.net, self.direct = Half(InSquares(net) if hasattr(net, "image_shape") else net), direct

    def forward(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        return self.net(x) if self.direct else x - self.net(x)


class PairPixels(Pairs):
    """Pairs of images of one size, for a model of images and coordinates: ``pixels`` of each are asked for."""

    def __init__(self, pairs: Sequence[tuple[Tensor, Tensor]], *, pixels: int, **others) -> None:
        super().__init__(pairs, **others)
        self.pixels = pixels

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        samples = list(samples)
        (given,), wanted, _ = super().draw(step, samples)
        height, width = wanted.shape[-2:]
        index = torch.randint(height * width, (self.pixels,), generator=sample_generator(self.seed, step, self.batch))
        row, column = index // width, index % width
        places = torch.stack((row / (height - 1), column / (width - 1)), -1) - 0.5
        return Drawn((given, places), wanted[:, :, row, column])


def parameters(net: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in net.parameters())


def trained(
    effort: Effort,
    name: str,
    build: Callable[[], nn.Module],
    task: Task,
    steps: int,
    *,
    rate: float = 2e-3,
    average: float = 0.99,
    watch: Callable[[nn.Module], float] | None = None,
    times: int = 4,
) -> tuple[nn.Module, list[float]]:
    """Network after ``steps`` of Adam and what ``watch`` said of it at ``times`` of the way, the last one at the end.

    It is kept on disk by its name, steps and task's seed, and read from there by the next run.
    """
    torch.manual_seed(task.seed)
    model = build()
    place = effort.place(name, steps, task.seed, parameters(model), rate, watch is not None)
    if place.exists():
        found = torch.load(place, weights_only=True)
        model.load_state_dict(found["state"])
        return model.eval(), found["course"]
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = warmup_stable_decay(steps, warmup=min(50, steps // 4 + 1))
    trainer = Trainer(model, task, optimizer=optimizer, schedule=schedule, clip=1.0, average=average)
    stops = {max(1, round(steps * (i + 1) / times)) for i in range(times)}
    course = []
    for record in trainer.run(steps):
        if record.step in stops and (watch is not None or record.step == steps):
            at = copy.deepcopy(model)
            at.load_state_dict(trainer.averaged)
            at.eval()
            if watch is not None:
                with torch.no_grad():
                    course.append(watch(at))
    place.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state": at.state_dict(), "course": course}, place)
    return at, course


def centre(x: Tensor, side: int) -> Tensor:
    """Central square of images (..., H, W)."""
    top, left = ((n - side) // 2 for n in x.shape[-2:])
    return x[..., top : top + side, left : left + side]


@torch.no_grad()
def denoising_psnr(denoise: Callable[[Tensor], Tensor], images: Sequence[Tensor], sigma: float) -> float:
    """Mean PSNR in dB on images (C, H, W), noise neither clipped nor rounded, estimates clipped."""
    scores = []
    for i, x in enumerate(images):
        scores.append(float(psnr(denoise(noisy(x[None], sigma, seed=i)).clamp(0, 1), x[None])))
    return statistics.mean(scores)


def denoiser(
    effort: Effort,
    name: str,
    build: Callable[[], nn.Module],
    *,
    sigma: float,
    steps: int,
    crop: int,
    batch: int,
    seed: int = 0,
    rate: float = 2e-3,
    images: int = 400,
    direct: bool = False,
    times: int = 2,
    tested: int = 20,
) -> tuple[nn.Module, list[float]]:
    """A network trained on BSD400's gray crops for one noise level; PSNR on the centres (128²) of BSD68 images on the
    way and at the end."""
    task = DenoiseCrops(
        effort.images("bsd400_gray").images[:images], crop=crop, batch=batch, sigmas=(sigma, sigma), seed=seed,
        drawing=Drawing(),
    )  # fmt: skip
    test = effort.images("bsd68")
    examples = [centre(test[i], 128) for i in range(effort.some(tested))]
    made = lambda: Minus(build(), direct=direct)  # noqa: E731
    settings = f"{name}-{sigma:.3f}-{crop}-{batch}-{images}-{direct}-{len(examples)}"
    return trained(
        effort, settings, made, task, effort.steps(steps), rate=rate, times=times,
        watch=lambda model: denoising_psnr(model, examples, sigma),
    )  # fmt: skip


def plot(path: Path, lines: dict[str, list[tuple[float, float]]], *, x: str, y: str = "PSNR / dB", log: bool = False):
    """Lines by name."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5.5, 4), constrained_layout=True)
    for name, points in lines.items():
        axes.plot(*zip(*points), "o-", label=name)
    axes.set(xlabel=x, ylabel=y, xscale="log" if log else "linear")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
