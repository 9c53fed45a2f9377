"""What makes a denoiser a prior: the same network trained on from the same weights, with four kinds of samples.

From the shipped fast DRUNet, as many steps each, rate 0.004 falling by half a cosine: white noise only; weaker and
coloured noise with the truth as the target; the network's own answer under white noise as the target for these
(:class:`pnp.train.tasks.steady.SteadyCrops`); and the end of a solver's iterations besides
(:class:`pnp.train.tasks.equilibrium.EquilibriumCrops`). Mean PSNR of denoising at sigma 25 and of PnP-ADMM on six
problems, for images of the folder ``bsds400_color`` that are left out of these trainings (but not of the shipped
weights'). Then, from random weights, Muon beside Adam. bfloat16 where the processor has it; needs lightning.

    python -m benchmarks.prior_study --data DIR [--steps 600] [--images 8]
"""

import itertools
import statistics
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from denoisers import DRUNetDenoiser
from pnp.metrics import psnr
from pnp.train import DenoiseCrops, Drawn, Task, Trainer, cosine
from pnp.train.in_solver import in_solver
from pnp.train.loop import settled_precision
from pnp.train.recipes import RECIPES
from pnp.train.tasks.equilibrium import EquilibriumCrops
from pnp.train.tasks.steady import SteadyCrops
from pnp.train.tasks.supervised import squares

from .common import data_folder, noisy, parser, save, table


class TruthUnderOtherNoise(SteadyCrops):
    """The truth as the target for the noise of solvers, too."""

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        noisy, level, other = drawn.given
        first, weight = slice(len(other)), drawn.weight
        assert weight is not None
        answer = model(torch.cat((noisy, other)), torch.cat((level, level[first])))
        wrong = squares(answer - torch.cat((drawn.target, drawn.target[first])))
        return (wrong * torch.cat((weight, weight[first]))).sum() / len(noisy)


TASKS: dict[str, Callable[..., Task]] = {
    "white noise": DenoiseCrops,
    "truth under other noise": TruthUnderOtherNoise,
    "own answer under other noise": SteadyCrops,
    "and the end of a solver": EquilibriumCrops,
}


def trained(model: DRUNetDenoiser, task: Task, steps: int, optimizer: torch.optim.Optimizer) -> DRUNetDenoiser:
    """The model after ``steps`` steps, with the average of its weights."""
    from lightning import Fabric

    model.train().requires_grad_()
    fabric = Fabric(accelerator="cpu", precision=cast(Any, settled_precision("auto", torch.device("cpu"))))
    trainer = Trainer(model, task, optimizer=optimizer, schedule=cosine(steps), clip=0.5, fabric=fabric)
    for _ in trainer.run(steps):
        pass
    model.load_state_dict(trainer.averaged)
    return model.eval().requires_grad_(False)


@torch.no_grad()
def scores(model: DRUNetDenoiser, images: list[Tensor]) -> list[float]:
    """Denoising at sigma 25, the mean of six problems, and each of them."""
    sigma = 25 / 255
    alone = [
        float(psnr(model(noisy(x[None], sigma, seed=i), sigma).clamp(0, 1), x[None])) for i, x in enumerate(images)
    ]
    inside = list(in_solver(model, images).values())
    return [statistics.fmean(alone), statistics.fmean(inside), *inside]


def main() -> None:
    """Train, score, print."""
    p = parser(__doc__)
    p.add_argument("--steps", type=int, default=600)
    options = p.parse_args()
    torch.set_num_threads(1)
    folder = data_folder(options.data, "bsds400_color")
    count, step = options.images or 8, len(folder) // (options.images or 8)
    held = set(range(0, step * count, step))
    images = [folder[i] for i in sorted(held)]
    others = [x for i, x in enumerate(folder.images) if i not in held]
    recipe = RECIPES["drunet-natural-gray-fast"]
    settings = {"crop": 96, "batch": 16, "sigmas": (1 / 255, 80 / 255), "drawing": recipe.drawing}
    rows: list[list] = [["shipped", *scores(DRUNetDenoiser("natural-gray-fast"), images)]]
    print(rows[-1], flush=True)
    for name, task in TASKS.items():
        model = DRUNetDenoiser("natural-gray-fast").requires_grad_()
        optimizer = recipe.optimizer(model)
        for group, rate in zip(optimizer.param_groups, (0.004, 0.0004)):
            group["lr"] = rate
        rows.append([name, *scores(trained(model, task(others, **settings), options.steps, optimizer), images)])
        print(rows[-1], flush=True)
    problems = [name.partition(",")[0] for name in in_solver(DRUNetDenoiser(None, preset="fast"), images[:1])]
    print(table(rows, ["samples", "denoising", "six problems", *problems]) + "\n")
    beside = []
    for name in ("Muon", "Adam"):
        torch.manual_seed(0)
        model = DRUNetDenoiser(None, preset="fast")
        muon = recipe.optimizer(model)
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99))
        optimizer = muon if name == "Muon" else adam
        model = trained(model, DenoiseCrops(others, **settings), options.steps, optimizer)
        beside.append([name, scores(model, images)[0]])
        print(beside[-1], flush=True)
    print(table(beside, [f"{options.steps} steps from random weights", "denoising, sigma 25"]))
    save(options.save, {f"prior study, {row[0]}": row[1:] for row in itertools.chain(rows, beside)})


if __name__ == "__main__":
    main()
