"""Networks that learn from data alone, beside the same networks with a truth and the shipped priors.

Each field has one simulated measurement of each training image, and the same network, steps and start twice: by mean
squares to the images, and by the recipe's loss of data (`pnp train ct-recorrupted`, `mri-unrolled-ssdu`,
`radio-split`, `shear-split`): a U-Net behind the direct reconstruction, for MRI of four coils an unrolled solver. PSNR
on the span of images that neither has seen; direct: filtered back projection, zero-filled, dirty image scaled to fit
the sky best, Kaiser-Squires.

    python -m benchmarks.self_supervised --data DIR [--fields ct mri radio shear] [--steps 600]
    python -m benchmarks.self_supervised --data DIR --measured [tooth brain disc COSMOS]     (self_supervised_measured)
    python -m benchmarks.self_supervised --data DIR --measured M87 [--fold 0]          (self_supervised_radio)
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pnp import PnPADMM, Reconstructor, Stop
from pnp.lensing import LognormalMaps, smoothed_kaiser_squires
from pnp.metrics import psnr
from pnp.train import Drawn, Task, Trainer
from pnp.train.drawing import sample_generator
from pnp.train.images import ImageFolder, as_float, squared
from pnp.train.rates import RATES
from pnp.train.recipes import RECIPES, DataRecipe
from pnp.train.recipes.fields import MRI_TEST, ct_slices, magnitudes, skies
from pnp.train.recipes.mass import PIXEL

from .common import parser, save, table
from .self_supervised_measured import CASES, measured
from .self_supervised_measured import HEAD as MEASURED_HEAD
from .self_supervised_radio import FOLDS, m87
from .self_supervised_radio import HEAD as RADIO_HEAD

SIDE, SEED = 64, 7


class Field(NamedTuple):
    """Images for training and for scores, (1, H, W) each, and the recipe."""

    recipe: DataRecipe
    train: Sequence[Tensor]
    test: Sequence[Tensor]


def _central(x: Tensor, side: int = SIDE) -> Tensor:
    top, left = ((n - side) // 2 for n in x.shape[-2:])
    return x[..., top : top + side, left : left + side]


def ct(data: Path) -> Field:
    """Slices of 47 patients, and of two others."""
    folder = data / "ct_patients" / "tcga"
    sets = [[squared(x, SIDE) / 2 for x in ct_slices(folder, held_out=held)] for held in (False, True)]
    return Field(_recipe("ct-recorrupted"), *sets)


def mri(data: Path) -> Field:
    """Slices of 24 volumes, and of two other patients."""
    folder = data / "mri_images" / "brain_ms"
    found = ImageFolder(folder)
    test = [as_float(x) for name, x in zip(found.names, found.images) if name.startswith(MRI_TEST)]
    test = [x / x.flatten().quantile(0.999) for x in test]
    return Field(
        _recipe("mri-unrolled-ssdu"), [squared(x, SIDE) for x in magnitudes(folder)], [squared(x, SIDE) for x in test]
    )


def radio(data: Path) -> Field:
    """Radio galaxies, 440 and 40 others."""
    found = [_central(x) for x in skies(data / "galaxies_radio")]
    found = [x / x.amax() for x in found if float(x.amax()) > 0]
    return Field(_recipe("radio-split"), found[:-40], found[-40:])


def shear(data: Path) -> Field:
    """Simulated lognormal maps."""
    maps = LognormalMaps(220, (SIDE, SIDE), PIXEL, first=3_000_000)
    return Field(_recipe("shear-split"), [maps[i] for i in range(200)], [maps[i] for i in range(200, 220)])


FIELDS: dict[str, Callable[[Path], Field]] = {"ct": ct, "mri": mri, "radio": radio, "shear": shear}


def _recipe(name: str) -> DataRecipe:
    recipe = RECIPES[name]
    assert isinstance(recipe, DataRecipe)
    return recipe.at(SIDE)


class Supervised(Task):
    """The recipe's measurements with their truths."""

    def __init__(self, recipe: DataRecipe, images: Sequence[Tensor]) -> None:
        super().__init__(recipe.batch, nn.functional.mse_loss, seed=recipe.seed)
        self.pairs = []
        for i, x in enumerate(images):
            y, likelihood = recipe.simulated(x, i)
            self.pairs.append((y, likelihood.measured, recipe.truth(x, sample_generator(recipe.seed, -2, i))))
        self.unit = torch.stack([x.abs().square().mean() for *_, x in self.pairs]).mean()

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        chosen = [self.pairs[int(torch.randint(len(self.pairs), (), generator=g))]
                  for g in self.generators(step, samples)]  # fmt: skip
        y, ops, x = zip(*chosen)
        return Drawn(([*y], [*ops]), torch.stack(x))

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        return (self.answer(model, drawn) - drawn.target).abs().square().mean() / self.unit


def trained(recipe: DataRecipe, task: Task, steps: int, start: dict[str, Tensor]) -> nn.Module:
    """The recipe's network after so many steps of a task, averaged weights."""
    model = recipe.build()
    model.load_state_dict(start)
    trainer = Trainer(model, task, optimizer=recipe.optimizer(model), schedule=RATES[recipe.schedule](steps),
                      clip=recipe.clip, average=0.99)  # fmt: skip
    for _ in trainer.run(steps):
        pass
    model.load_state_dict(trainer.averaged)
    return model.eval()


def decibels(image: Tensor, x: Tensor) -> float:
    """PSNR on the image's span, of magnitudes where images are complex."""
    image, x = (v.abs() if v.is_complex() else v for v in (image, x))
    return float(psnr(image, x, data_range=x.amax() - x.amin()))


def direct(name: str, recipe: DataRecipe, y: Tensor, op: Any, x: Tensor) -> Tensor:
    """The field's own image: scaled to fit best where it has a beam."""
    if name == "shear":
        return op.inverse(y)
    image = Reconstructor(op, nn.Identity(), recipe.given).image(y)
    return image * ((image * x).sum() / (image * image).sum()) if name == "radio" else image


@torch.no_grad()
def scored(field: str, these: Field, models: dict[str, nn.Module], count: int | None) -> dict[str, float]:
    """Mean PSNR / dB on the test images."""
    recipe, found = replace(these.recipe, seed=these.recipe.seed + SEED), {}
    for i, x in enumerate(these.test[: count or None]):
        y, likelihood = recipe.simulated(x, i)
        truth, op = recipe.truth(x, sample_generator(recipe.seed, -2, i))[None], likelihood.measured
        answers = {"direct": direct(field, recipe, y, op, truth)}
        if field == "shear":
            answers["smoothed"] = smoothed_kaiser_squires(op, y, 1.0 / PIXEL)
        answers |= {name: model(y, op) for name, model in models.items()}
        answers["shipped prior"] = PnPADMM(likelihood, stop=Stop(max_iter=60))(y)
        for name, image in answers.items():
            found.setdefault(name, []).append(decibels(image, truth))
    return {name: statistics.fmean(values) for name, values in found.items()}


def compared(name: str, these: Field, steps: int, count: int | None) -> dict[str, float]:
    """PSNR of both trainings and what they are compared with, and the seconds they took."""
    recipe = replace(these.recipe, steps=steps)
    torch.manual_seed(SEED)
    start = recipe.build().state_dict()
    models, seconds = {}, {}
    for kind, task in (("supervised", Supervised(recipe, these.train)), ("self-supervised", recipe.task(these.train))):
        begin = time.process_time()
        models[kind] = trained(recipe, task, steps, start)
        seconds[f"CPU seconds, {kind}"] = time.process_time() - begin
    return scored(name, these, models, count) | seconds


def main() -> None:
    """Print the tables."""
    p = parser(__doc__)
    p.add_argument("--fields", nargs="+", default=[*FIELDS], choices=[*FIELDS])
    p.add_argument("--steps", type=int, default=600)
    p.add_argument(
        "--measured", nargs="*", choices=[*CASES, "M87"], help="measured data instead, judged on data kept out"
    )
    p.add_argument(
        "--fold", type=int, default=0, choices=range(FOLDS), help="of M87: which quarter of the scans judges"
    )
    p.add_argument("--figures", help="folder for pictures, of M87")
    given = p.parse_args()
    if given.data is None:
        raise SystemExit("no data folder; pass --data or set PNP_DATA")
    if given.measured is not None:
        _measured(given.measured or [*CASES, "M87"], given)
        return
    rows = []
    for name in given.fields:
        found = compared(name, FIELDS[name](Path(given.data)), given.steps, given.images)
        rows.append([name, *(found.get(key, "") for key in HEAD)])
        save(given.save, {f"self-supervised, {name}": found})
        print(table([rows[-1]], ["field", *HEAD]), flush=True)
    print(table(rows, ["field", *HEAD]))


def _measured(names: list[str], given: Any) -> None:
    """Print the tables of measured data."""
    data = Path(given.data)
    rows = [row for name in names if name in CASES for row in measured(name, data)]
    if rows:
        print(table(rows, MEASURED_HEAD))
        save(given.save, {"self-supervised, measured": rows})
    if "M87" in names:
        rows = m87(data, given.fold, given.figures)
        print(table(rows, RADIO_HEAD))
        save(given.save, {f"self-supervised, M87, fold {given.fold}": rows})


HEAD = ("direct", "smoothed", "shipped prior", "supervised", "self-supervised", "CPU seconds, supervised",
        "CPU seconds, self-supervised")  # fmt: skip

if __name__ == "__main__":
    main()
