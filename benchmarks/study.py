"""What the studies share: one short training and its score."""

import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from denoisers import InSquares, LevelMap, Residual
from pnp.metrics import psnr
from pnp.train import DenoiseCrops, Trainer, warmup_stable_decay

from .common import data_folder, noisy

__all__ = ["parameters", "plot_lines", "train_and_score"]


def parameters(net: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in net.parameters())


def train_and_score(
    build: Callable[[], nn.Module],
    images: list[Tensor],
    data: str,
    *,
    sigma: float,
    steps: int,
    crop: int,
    batch: int,
    seed: int,
    rate: float = 2e-3,
) -> float:
    """Mean PSNR on the first 20 images of BSD68 (centre of 128 x 128) after a training from ``seed``."""
    torch.manual_seed(seed)
    net = build()
    net = InSquares(net) if hasattr(net, "image_shape") else net  # Mixer and ViT, which know places by the image's size
    model = LevelMap(Residual(net), sigma_range=(sigma, sigma))
    task = DenoiseCrops(images, crop=crop, batch=batch, sigmas=(sigma, sigma), seed=seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    schedule = warmup_stable_decay(steps, warmup=50)
    trainer = Trainer(model, task, optimizer=optimizer, schedule=schedule, clip=1.0, average=0.99)
    for _ in trainer.run(steps):
        pass
    model.load_state_dict(trainer.averaged)
    model.eval()
    test = data_folder(data, "bsd68")
    scores = []
    with torch.no_grad():
        for i in range(20):
            x = test[i][None]
            top, left = ((n - 128) // 2 for n in x.shape[-2:])
            x = x[..., top : top + 128, left : left + 128]
            scores.append(float(psnr(model(noisy(x, sigma, seed=i), sigma).clamp(0, 1), x)))
    return statistics.mean(scores)


def plot_lines(
    lines: dict[str, list[tuple[float, list[float]]]], path: Path, *, x: str, title: str, log: bool = False
) -> None:
    """Means over seeds as lines, single seeds as dots; one line for each network."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5.5, 4), constrained_layout=True)
    for name, points in lines.items():
        (line,) = axes.plot([p for p, _ in points], [statistics.mean(v) for _, v in points], "o-", label=name)
        for place, values in points:
            axes.plot([place] * len(values), values, ".", color=line.get_color(), alpha=0.5)
    if log:
        axes.set_xscale("log")
    axes.set(xlabel=x, ylabel="PSNR / dB", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
