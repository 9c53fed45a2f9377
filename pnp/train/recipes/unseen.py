"""Trainings that no image is shown to: each field by data that were held out, noisy images by Stein's estimate."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from denoisers.networks.unet import UNet
from denoisers.trained.drunet import DRUNetDenoiser
from operators import MRI, KaiserSquires, RadioInterferometry, gaussian_noise, uv_coverage
from operators.base import LinearOperator

from ...io import image_files
from ...io import open as open_measurement
from ...io.formats import FORMATS
from ...io.measurement import Measurement
from ...lensing.maps import LognormalMaps
from ...lensing.reconstruct import smoothed_kaiser_squires
from ...likelihood import Gaussian
from ...reconstructor import Reconstructor
from ..drawing import sample_generator
from ..images import as_float, squared
from ..losses import SURE, Augmented, MeasuredLoss, Noise2Noise, Recorrupted, Splitting, angles, blocks, samples
from ..muon import Muon
from ..tasks.base import Drawn, Task
from ..tasks.self_supervised import NoisyCrops, SelfSupervised
from .fields import random_phase, skies
from .mass import NOISE, PIXEL
from .recipe import DenoiserRecipe, Recipe
from .simulate import radon

__all__ = ["UNSEEN", "Consistent", "DataRecipe", "NoisyRecipe", "sampling_density", "smoothed"]

_SHARE = 0.4  # of k-space's samples, which are held out


@dataclass(frozen=True, kw_only=True)
class DataRecipe(Recipe):
    """A :class:`pnp.Reconstructor`, or another model of (y, op), that learns from data alone.

    Folders hold measurements of one field (formats of :func:`pnp.io.open`), which have no scores, or images, which are
    measured once each: what is not in these data the training never sees.

    Attributes:
        measure: ``measure(size)`` gives the operator of images, or a function of random numbers that makes one.
        noise_std: of the simulated data.
        loss: ``loss(size)`` makes it.
        network: makes the network, behind ``given``, the reconstructor's ``preprocess``.
        model: ``model(size)`` makes the whole model, in their place.
        prepare: what is done to an image before it is measured.
        twice: each image is measured twice, for :class:`pnp.train.losses.Noise2Noise`.
        field: reads a folder of the field's images, where they are no pictures in [0, 1].
    """

    measure: Callable[[int], Any]
    noise_std: float
    loss: Callable[[int], MeasuredLoss]
    network: Callable[[], nn.Module] = nn.Identity
    given: str | Callable[[Any, Tensor], Tensor] = "adjoint"
    model: Callable[[int], nn.Module] | None = None
    prepare: Callable[[Tensor, Generator], Tensor] | None = None
    twice: bool = False
    field: Callable[[Path], Sequence[Tensor]] | None = None
    size: int | None = 128
    batch: int = 4
    rate: float = 1e-3
    schedule: str = "late-decay"
    steps: int = 4_000
    clip: float | tuple[float, float] = 1.0

    _TINY: ClassVar[dict[str, Any]] = {"steps": 2, "batch": 2}

    def at(self, size: int) -> Self:
        """The same for images of ``size`` pixels."""
        build: Callable[[], nn.Module] = partial(_reconstructor, self.measure, size, self.network, self.given)
        build = build if self.model is None else partial(self.model, size)
        maps = None if self.simulate is None else partial(_maps, size)
        return replace(self, size=size, build=build, simulate=maps)

    def tiny(self) -> Self:
        return super().tiny().at(32)

    def read(self, folder: str | Path | None, *, skip_broken: bool = False, whole: bool = False) -> Sequence[Any]:
        """Measurements where all files of the folder are such, else images."""
        found = [] if folder is None else _measurements(Path(folder), recursive=self.recursive)
        if found:
            own, theirs = self._operator(Generator().manual_seed(0)).field, found[0].operator().field
            if theirs not in (own, "natural"):  # maps and skies in FITS, which could be denoised, are images here
                raise ValueError(f"data: {self.name} is for measurements of {own}, these are of {theirs}")
            if own == theirs:
                return found
        if folder is not None and self.field is not None:
            return [squared(x, self.size or x.shape[-1]) for x in self.field(Path(folder))]
        images = super().read(folder, skip_broken=skip_broken, whole=whole)
        return images if self.size is None else [squared(as_float(x), self.size) for x in images]

    def task(self, images: Sequence[Any]) -> Task:
        if images and isinstance(images[0], Measurement):
            if self.twice:
                raise ValueError(f"data: {self.name} needs two measurements of each image; SelfSupervised has seconds")
            loss = self.loss(images[0].operator().in_shape[-1])
            return SelfSupervised(images, loss, batch=self.batch, seed=self.seed)
        made = [self.simulated(x, i) for i, x in enumerate(images)]
        seconds = [self.simulated(x, i, again=True) for i, x in enumerate(images)] if self.twice else None
        loss = self.loss(self.size or images[0].shape[-1])
        return SelfSupervised(made, loss, batch=self.batch, seconds=seconds, seed=self.seed)

    def simulated(self, x: Tensor, number: int, *, again: bool = False) -> tuple[Tensor, Gaussian]:
        """The measurement of the image ``number``, (1, ...), and its likelihood; ``again``: a second one of it."""
        g = sample_generator(self.seed, -2, number)
        truth, op = self.truth(x, g), self._operator(g)
        y = op.A(truth[None])
        seed = int(torch.randint(2**31, (), generator=g, device="cpu")) + int(again)
        noisy = gaussian_noise(y, self.noise_std, seed=seed)
        return (noisy if op.measured is None else torch.where(op.measured, noisy, y)), _likelihood(op, self.noise_std)

    def truth(self, x: Tensor, g: Generator) -> Tensor:
        """What is measured of an image."""
        return as_float(x) if self.prepare is None else self.prepare(as_float(x), g)

    def _operator(self, g: Generator) -> LinearOperator:
        op = self.measure(self.size or 128)
        return op if hasattr(op, "A") else op(g)

    def examples(self, images: Sequence[Any]) -> Iterator[Drawn]:
        """Each image measured once, with its truth."""
        for i, x in enumerate(images):
            if isinstance(x, Measurement):
                raise ValueError("valid: measurements have no truth to score; leave it out")
            other = replace(self, seed=self.seed + 1)
            y, likelihood = other.simulated(x, i)
            yield Drawn(([y], [likelihood.measured]), other.truth(x, sample_generator(other.seed, -2, i))[None])


@lru_cache(maxsize=512)
def _likelihood(op: LinearOperator, noise_std: float) -> Gaussian:
    """One likelihood for all data of one operator, so that they make batches."""
    return Gaussian(op, noise_std)


class Consistent(Reconstructor):
    r"""A reconstructor whose answer takes up the data, :math:`\arg\min_x \gamma \|A x - y\|^2 + \|x - f(B y)\|^2`.

    A loss of data that the network does not see says nothing of those that it sees: they are put back here.
    """

    gamma = 10.0

    def forward(self, y: Tensor | Sequence[Tensor], op: Any = None) -> Tensor:
        if not isinstance(y, Tensor):
            return torch.cat([self(one, its) for one, its in zip(y, op)])
        return (self.op if op is None else op).prox_l2(super().forward(y, op), y, self.gamma)


def _reconstructor(measure: Callable[[int], Any], size: int, network: Callable[[], nn.Module], given: Any) -> nn.Module:
    op = measure(size)
    op = op if hasattr(op, "A") else op(Generator().manual_seed(0))
    return (Consistent if op.field == "mri" else Reconstructor)(op, network(), given)


def _measurements(folder: Path, *, recursive: bool) -> list[Measurement]:
    endings = tuple(ending for f in FORMATS for ending in f.endings if ending)
    files = image_files(folder, recursive=recursive)
    if not all(file.name.lower().endswith(endings) for file in files):
        return []
    try:
        return [open_measurement(file) for file in files]
    except ValueError:
        return []  # arrays of images


@dataclass(frozen=True, kw_only=True)
class NoisyRecipe(DenoiserRecipe):
    """A denoiser for solvers from images that are noisy themselves: ``sigmas`` are the standard deviation of their
    noise, which has to be white, and the highest level to learn."""

    loss: Callable[[], MeasuredLoss] = SURE

    def task(self, images: Sequence[Tensor]) -> Task:
        return NoisyCrops(
            images, self.loss(), sigmas=self.sigmas, crop=self.crop, batch=self.batch, drawing=self.drawing,
            seed=self.seed,
        )  # fmt: skip

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """Muon for the kernels between the first and the last layer, Adam for the others, as for the shipped prior."""
        plain = [w for name, w in model.named_parameters() if w.ndim < 4 or "head" in name or "tail" in name]
        kernels = [w for w in model.parameters() if not any(w is p for p in plain)]
        return Muon(kernels, plain, lr=self.rate, others_lr=self.rate / 10)


def sampling_density(size: int, acceleration: float = 3.0) -> Tensor:
    """Probabilities with which samples of k-space are measured, (size, size), dense in the middle; their mean is
    1 / ``acceleration``.

    >>> p = sampling_density(64)
    >>> abs(p.mean().item() - 1 / 3) < 1e-3, p[32, 32].item()
    (True, 1.0)
    """
    frequency = torch.fft.fftshift(torch.fft.fftfreq(size, device="cpu")).abs()
    shape = (1 - torch.hypot(frequency[:, None], frequency) / 0.75).clamp(min=0.05) ** 3
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        mean = float((middle * shape).clamp(max=1).mean())
        low, high = (middle, high) if mean < 1 / acceleration else (low, middle)
    return (low * shape).clamp(max=1)


def _mask(size: int) -> Callable[[Generator], MRI]:
    density = sampling_density(size)

    def make(g: Generator) -> MRI:
        return MRI((torch.rand(size, size, generator=g, device="cpu") < density).float())

    return make


def _array(size: int) -> Callable[[Generator], RadioInterferometry]:
    """An hour of the VLA at a random declination and hour angle; the longest baselines are one turn in two pixels."""

    def make(g: Generator) -> RadioInterferometry:
        u = torch.rand(2, generator=g, device="cpu").tolist()
        start = -4 + 7 * u[0]
        uv = uv_coverage("vla-d", declination=-10 + 70 * u[1], hours=(start, start + 1), samples=5)
        longest = 5_200.0  # wavelengths
        points = torch.stack((uv[1], -uv[0])) * (3.0 / longest)
        return RadioInterferometry(points[:, points.abs().amax(0) < 3.0], (size, size), unit="rad/pixel")

    return make


@lru_cache(maxsize=4)
def _shear(size: int) -> KaiserSquires:
    return KaiserSquires((size, size), pixel_scale=PIXEL)


def smoothed(op: KaiserSquires, y: Tensor) -> Tensor:
    """Kaiser and Squires' estimate, smoothed by a Gaussian of one arcmin."""
    return smoothed_kaiser_squires(op, y, 1 / PIXEL)


def _maps(size: int = 128) -> LognormalMaps:
    return LognormalMaps(200, (size, size), PIXEL, first=2_000_000)


def _sparse_radon(size: int):
    return radon(size, 60)


def _recipe(name: str, **settings: Any) -> DataRecipe:
    made = DataRecipe(name=name, family="reconstructor", preset="UNet", build=nn.Identity, **settings)
    return made.at(made.size or 128)


def _denoiser() -> nn.Module:
    return DRUNetDenoiser(None, preset="fast")


def _network(inputs: int, outputs: int | None = None) -> UNet:
    """A small U-Net whose last layer is zero: it begins as the direct reconstruction."""
    net = UNet(inputs, outputs, width=16, poolings=3)
    nn.init.zeros_(net.last.weight)
    nn.init.zeros_(net.last.bias)  # pyright: ignore[reportArgumentType]
    return net


UNSEEN: tuple[Recipe, ...] = (
    _recipe(
        "ct-noise2inverse", measure=_sparse_radon, noise_std=0.5, given="fbp", network=partial(_network, 1),
        loss=lambda size: Splitting(angles(4), domain="filtered"),
    ),
    _recipe(
        "ct-recorrupted", measure=_sparse_radon, noise_std=0.5, given="fbp", network=partial(_network, 1),
        loss=lambda size: Augmented(Recorrupted(0.3, mirrored=True, domain="filtered")),
    ),
    _recipe(
        "mri-ssdu", measure=_mask, noise_std=0.03, given="adjoint", network=partial(_network, 2), prepare=random_phase,
        loss=lambda size: Splitting(samples(_SHARE, centre=0), density=sampling_density(size), share=_SHARE),
    ),
    _recipe(
        "radio-split", measure=_array, noise_std=2.0, given="adjoint", network=partial(_network, 1), field=skies,
        loss=lambda size: Splitting(blocks(0.3), domain="filtered"),
    ),
    _recipe(
        "shear-split", measure=_shear, noise_std=2**0.5 * NOISE, given=smoothed, network=partial(_network, 1),
        loss=lambda size: Noise2Noise(), twice=True, simulate=_maps,
    ),
    NoisyRecipe(
        name="natural-sure", family="drunet", preset="fast", build=_denoiser, sigmas=(15 / 255, 50 / 255), crop=64,
        batch=8, rate=0.01, clip=0.5, steps=8_000,
    ),
)  # fmt: skip
"""A quarter of 60 angles; all of them with more noise, of images that are turned and mirrored; 40 % of a third of
k-space, weighted; 30 % of an hour's visibilities; half of the galaxies. Losses are in the data, in units of their
noise, with the frequencies of the image alike."""
