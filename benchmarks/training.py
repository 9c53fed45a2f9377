"""The training loop beside a bare loop of PyTorch, and beside deepinv's Trainer: seconds a step, same model and data.

One thread. The bare loop draws the same samples and does what a loop has to: gradient, clipping, step, the loss as a
number. Ours averages the weights, checks for finite numbers and keeps a record besides. Steps of both are taken in
turn and compared pair by pair, since a machine's speed drifts; deepinv's Trainer runs as a whole.

    python -m benchmarks.training --data DIR [--steps 60] [--rounds 5]
"""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

from denoisers import DnCNN, LoFiDenoiser, XDnCNNDenoiser
from pnp.train import DenoiseCrops, Trainer

from .common import data_folder, parser, table

CROP, BATCH, SIGMA = 48, 8, 25 / 255


class Plain(nn.Module):
    """DnCNN as a denoiser."""

    def __init__(self) -> None:
        super().__init__()
        self.net = DnCNN(1)

    def forward(self, x, sigma):
        return x - self.net(x)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "DnCNN": Plain,
    "xDnCNN": lambda: XDnCNNDenoiser(None, level=SIGMA),
    "LoFi": lambda: LoFiDenoiser(None),
}


def bare(model: nn.Module, task: DenoiseCrops, steps: int) -> Iterator[None]:
    """A loop of PyTorch's own parts."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99))
    model.train()
    for step in range(steps):
        drawn = task.draw(step, range(BATCH))
        optimizer.zero_grad(set_to_none=True)
        loss = task.loss(model, drawn)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        loss.item()
        yield


def overhead(build: Callable[[], nn.Module], images: list, steps: int) -> tuple[float, float]:
    """Median milliseconds of a bare step, and the median excess of ours over its neighbour, steps taken alternately."""
    loops = []
    for ours in (False, True):
        torch.manual_seed(0)
        model, task = build(), DenoiseCrops(images, crop=CROP, batch=BATCH, sigmas=(SIGMA, SIGMA))
        loops.append(Trainer(model, task, clip=0.1).run(steps) if ours else bare(model, task, steps))
    times: tuple[list[float], list[float]] = ([], [])
    for step in range(steps):
        for which in ((0, 1), (1, 0))[step % 2]:  # neither is always the first
            begin = time.perf_counter()
            next(loops[which])
            times[which].append(time.perf_counter() - begin)
    plain, ours_ = (t[3:] for t in times)  # without the first, which warm up
    return 1e3 * statistics.median(plain), statistics.median(b / a for a, b in zip(plain, ours_)) - 1


def whole(build: Callable[[], nn.Module], images: list, steps: int, rounds: int) -> float:
    """Median over rounds of the time of deepinv's training over ours of as many steps, made alternately."""
    ratios = []
    for _ in range(rounds):
        seconds = []
        for run in (lambda m, t: list(Trainer(m, t, clip=0.1).run(steps)), lambda m, t: deepinvs(m, t, steps)):
            torch.manual_seed(0)
            model, task = build(), DenoiseCrops(images, crop=CROP, batch=BATCH, sigmas=(SIGMA, SIGMA))
            begin = time.perf_counter()
            run(model, task)
            seconds.append(time.perf_counter() - begin)
        ratios.append(seconds[1] / seconds[0])
    return statistics.median(ratios)


class _Crops(torch.utils.data.Dataset):
    def __init__(self, task: DenoiseCrops, count: int) -> None:
        self.task, self.count = task, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.task.draw(index // BATCH, [index % BATCH]).target[0]


def deepinvs(model: nn.Module, task: DenoiseCrops, steps: int) -> None:
    """deepinv's Trainer: noise made online by its physics, no progress bar, no plots; not clipped (fails in 0.5)."""
    import deepinv

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, y, physics, **_):
            return self.model(y, SIGMA)

    trainer = deepinv.Trainer(
        model=Wrapped(),
        physics=deepinv.physics.Denoising(deepinv.physics.GaussianNoise(SIGMA)),
        optimizer=torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99)),
        train_dataloader=torch.utils.data.DataLoader(_Crops(task, BATCH * steps), batch_size=BATCH),
        losses=deepinv.loss.SupLoss(metric=nn.MSELoss()),
        online_measurements=True,
        epochs=1,
        show_progress_bar=False,
        verbose=False,
        save_path=None,
        device="cpu",
    )
    trainer.train()


def main() -> None:
    """Time all, print ratios."""
    p = parser(__doc__)
    p.add_argument("--steps", type=int, default=60)
    p.add_argument("--rounds", type=int, default=5)
    options = p.parse_args()
    torch.set_num_threads(1)
    images = data_folder(options.data, "bsd400_gray").images
    rows = []
    for name, build in MODELS.items():
        plain, excess = overhead(build, images, options.steps)
        rows.append([name, plain, 100 * excess, whole(build, images, options.steps // 5, options.rounds)])
        print(rows[-1], flush=True)
    print(table(rows, ["model", "bare loop, ms a step", "ours over it, %", "deepinv over ours"]))


if __name__ == "__main__":
    main()
