"""Tasks: noisy crops, noisy objects at a few coordinates each, simulated measurements, pairs from files."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..drawing import USUAL, Drawing, sample_generator, white_noise
from ..images import as_float, numbered_crop, random_crop, random_place
from .base import Drawn, Task, device_of

__all__ = ["DenoiseCrops", "DenoisePixels", "Measured", "Pairs", "factor_between"]


class DenoiseCrops(Task):
    r"""A noise-conditioned denoiser on random crops, :math:`\sigma` drawn from ``sigmas`` for each crop.

    .. math:: \frac1B \sum_b \|D(x_b + \sigma_b n_b, \sigma_b) - x_b\|^2 / (N \sigma_b)

    The error of a good denoiser grows about as :math:`\sigma` in its square, so this weight counts a relative
    improvement alike at every level. Another ``criterion`` takes the place of the squares, without the weight; how
    crops and noise are drawn, :class:`pnp.train.Drawing` says. ``prepare(x, generator)`` changes a crop first, for
    instance gives it a synthetic phase, which makes it complex; sigma is per real component then.

    Raises:
        ValueError: ``sigmas`` are not 0 <= lowest <= highest, all zero (for ``levels="ratio"`` also the lowest one), or
            too large for the images, as gray levels are (25 of 255 is ``25 / 255``). They warn where too small.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        *,
        crop: int | None,
        batch: int,
        sigmas: tuple[float, float],
        criterion: Callable[[Tensor, Tensor], Tensor] | None = None,
        drawing: Drawing = USUAL,
        prepare: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch, criterion or F.mse_loss, seed=seed)
        _check_levels(sigmas, images, least=drawing.levels == "ratio")
        self.images, self.crop, self.sigmas, self.weighted = images, crop, sigmas, criterion is None
        self.drawing, self.prepare = drawing, prepare

    def onto(self, device: torch.device) -> None:
        if self.prepare is None:  # which draws on the CPU
            self.images = [image.to(device) for image in self.images]

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        low, high = self.sigmas
        clean, noisy, sigma = [], [], []
        for g in self.generators(step, samples):
            number, x = numbered_crop(self.images, self.crop, g, self.drawing)
            g = sample_generator(self.seed, -1, number) if self.drawing.fixed else g
            x = x if self.prepare is None else self.prepare(x, g)
            u = torch.rand((), generator=g, device="cpu")
            s = low + (high - low) * u if self.drawing.levels == "uniform" else low * (high / low) ** u.sqrt()
            y = x + s * white_noise(x, g)
            clean.append(x)
            noisy.append(y.clamp(0, 1) if self.drawing.clipped else y)
            sigma.append(s)
        level = torch.stack(sigma).to(clean[0].device, non_blocking=True)
        given = torch.stack(noisy).contiguous(memory_format=torch.channels_last)
        return Drawn((given, level), torch.stack(clean).contiguous(memory_format=torch.channels_last), 1 / level)

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        if not self.weighted or drawn.weight is None:
            return super().loss(model, drawn)
        return (squares(self.answer(model, drawn) - drawn.target) * drawn.weight).mean()


def _check_levels(sigmas: tuple[float, float], images: Sequence[Tensor], *, least: bool) -> None:
    """Raise where noise levels are none, or not those of the first images; ``least``: the lowest is positive."""
    try:
        low, high = (float(s) for s in sigmas)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sigmas: expected the lowest and the highest noise level, got {sigmas!r}") from error
    if not 0 <= low <= high < math.inf or high == 0 or (least and low == 0):
        raise ValueError(f"sigmas: expected 0 {'<' if least else '<='} lowest <= highest, got {sigmas}")
    for image in images[:1]:
        largest = float(as_float(image).abs().max()) if image.numel() else 0.0
        if high > 2 * max(1.0, largest):
            hint = f"; {high:g} gray levels are {high:g} / 255" if largest <= 1 else ""
            raise ValueError(f"sigmas: {high:g}, in the units of images that reach {largest:.3g}{hint}")
        if high < 1e-3 * largest:
            warnings.warn(
                f"sigmas: at most {high:g}, in the units of images that reach {largest:.3g}",
                RuntimeWarning, stacklevel=3,
            )  # fmt: skip


def squares(error: Tensor) -> Tensor:
    """Mean square of each sample (B, C, H, W), real or complex -> (B,)."""
    return (torch.view_as_real(error.resolve_conj()) if error.is_complex() else error).square().flatten(1).mean(1)


class DenoisePixels(Task):
    """A :class:`denoisers.LoFi` on ``batch`` corrupted images at ``pixels`` coordinates each.

    Coordinates are drawn with replacement from the pixel grid. Images of one size are stacked; others go one after the
    other. Memory does not depend on the size of the images beyond the images themselves. arXiv:2411.04995, VII.

    Args:
        images: (C, H, W) each.
        corrupt: ``corrupt(x, generator)``, what the network sees of an image: noise, or a rough reconstruction of
            simulated data.
        crop: side of random crops instead of whole images.
        criterion: the paper's is L1.
        drawing: see :class:`pnp.train.Drawing`; the paper's code has one orientation, shared coordinates, three steps
            for the same images, and, for most data, fixed noise.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        *,
        batch: int,
        pixels: int,
        corrupt: Callable[[Tensor, torch.Generator], Tensor],
        crop: int | None = None,
        criterion: Callable[[Tensor, Tensor], Tensor] = F.l1_loss,
        drawing: Drawing = USUAL,
        seed: int = 0,
    ) -> None:
        super().__init__(batch, criterion, seed=seed)
        self.images, self.pixels, self.corrupt, self.crop, self.drawing = images, pixels, corrupt, crop, drawing

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        seen, places, values = [], [], []
        shared, again = self.drawing.shared, self.drawing.repeat > 1
        for sample in samples:
            (g,) = self.generators(step // self.drawing.repeat, [sample])
            number, x = numbered_crop(self.images, self.crop, g, self.drawing)
            height, width = x.shape[-2:]
            own = sample_generator(self.seed, step, self.batch + (0 if shared else 1 + sample))
            index = torch.randint(height * width, (self.pixels,), generator=own if shared or again else g, device="cpu")
            row, column = index // width, index % width
            seen.append(self.corrupt(x, sample_generator(self.seed, -1, number) if self.drawing.fixed else g))
            places.append(torch.stack((row / max(height - 1, 1), column / max(width - 1, 1)), -1) - 0.5)
            values.append(x[:, row, column])
        if len({x.shape for x in seen}) > 1:
            return Drawn((seen, places), values)
        return Drawn((torch.stack(seen), torch.stack(places)), torch.stack(values))  # (B, C, P)

    def draw_whole(self, step: int) -> Drawn:
        """One image with every pixel, for a model that is called without coordinates."""
        (g,) = self.generators(step, [0])
        x = random_crop(self.images, self.crop, g)
        return Drawn((self.corrupt(x, g)[None],), x[None])

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        if isinstance(drawn.target, Tensor):
            return super().loss(model, drawn)
        each = (Drawn((y[None], p[None]), v[None]) for y, p, v in zip(*drawn.given, drawn.target))
        return torch.stack([super(DenoisePixels, self).loss(model, one) for one in each]).mean()


class Measured(Task):
    """Images measured on the fly, for a model ``model(y, op)`` such as :class:`pnp.Reconstructor`.

    Args:
        images: (C, H, W) each.
        size: of the random crops that are measured; ``None``: whole images, all of one size.
        op: the operator; or a function that makes one from a sample's random numbers (random masks, angles), given
            a ``torch.Generator``.
        noise: ``noise(y, seed)`` adds noise, for instance ``lambda y, seed: gaussian_noise(y, 0.01, seed=seed)``;
            ``None``: there is none.
        prepare: what is done to an image before it is measured, for instance a synthetic phase: ``prepare(x, g)``.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        op: Any,
        noise: Callable[[Tensor, int], Tensor] | None = None,
        *,
        batch: int,
        criterion: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
        size: int | None = None,
        prepare: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch, criterion, seed=seed)
        self.images, self.op, self.noise, self.size, self.prepare = images, op, noise, size, prepare

    @torch.no_grad()
    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        data, ops, clean = [], [], []
        for g in self.generators(step, samples):
            x = random_crop(self.images, self.size, g)
            x = x if self.prepare is None else self.prepare(x, g)
            op = self.op if hasattr(self.op, "A") else self.op(g)
            x = x.to(device_of(op, x.device))  # it may share the operator of a model that was moved
            seed, y = int(torch.randint(2**31, (1,), generator=g, device="cpu")), op.A(x[None])
            data.append(y if self.noise is None else self.noise(y, seed))
            ops.append(op)
            clean.append(x)
        if hasattr(self.op, "A"):
            return Drawn((torch.cat(data),), torch.stack(clean))
        return Drawn((data, ops), torch.stack(clean))


class Pairs(Task):
    """Crops of pairs (given, wanted) of images, (C, H, W) each, such as rainy and dry ones; the wanted one may have an
    integer factor more pixels along each axis. ``crop`` is the side in the given image. With ``turn=False`` they are
    taken whole and as they are, which measurements need, (B, ...) of any shape and kind.

    Raises:
        ValueError: ``crop`` of measurements; on drawing: sizes of a pair do not go into each other.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Tensor, Tensor]],
        *,
        batch: int,
        criterion: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
        crop: int | None = None,
        turn: bool = True,
        drawing: Drawing = USUAL,
        seed: int = 0,
    ) -> None:
        super().__init__(batch, criterion, seed=seed)
        if crop is not None and not turn:
            raise ValueError("crop: measurements (turn=False) are taken whole")
        self.pairs, self.crop, self.turn, self.drawing = pairs, crop, turn, drawing

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        given, wanted = [], []
        for g in self.generators(step, samples):
            pair = self.pairs[int(torch.randint(len(self.pairs), (1,), generator=g, device="cpu"))]
            if not self.turn:
                given.append(as_float(pair[0]))
                wanted.append(as_float(pair[1]))
                continue
            place = random_place(pair[0].shape[-2:], self.crop, g, self.drawing)
            given.append(place(pair[0]))
            wanted.append(place(pair[1], factor_between(*pair)))
        return Drawn((torch.stack(given),), torch.stack(wanted))


def factor_between(given: Tensor, wanted: Tensor) -> int:
    """How many pixels of the wanted image stand for one of the given one, along each axis.

    Raises:
        ValueError: no integer, or another one along the other axis.
    """
    small, large = given.shape[-2:], wanted.shape[-2:]
    factor = large[0] // small[0]
    if factor < 1 or tuple(large) != (factor * small[0], factor * small[1]):
        raise ValueError(
            f"given {small[0]} x {small[1]} and wanted {large[0]} x {large[1]} pixels: no integer factor between them"
        )
    return factor
