"""Crops seen through random measurements: a denoiser learns to end a solver's iterations at the image."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from denoisers.base import Denoiser
from operators.base import LinearOperator
from operators.image.blur import Blur
from operators.image.kernels import gaussian_kernel
from operators.image.mask import Inpainting
from operators.image.resample import Downsampling
from operators.linalg import column
from operators.mri.cartesian import MRI

from ...solvers.admm import PnPADMM
from ..drawing import log_uniform, sample_generator, white_noise
from .base import Drawn
from .steady import SteadyCrops, random_frequencies, random_motion
from .supervised import squares

__all__ = ["KINDS", "USUAL", "EquilibriumCrops", "random_operator"]

Generators = Sequence[torch.Generator]


def _blur(kernel: Callable[[int, torch.Generator], Tensor], side: int, channels: int, generators: Generators) -> Blur:
    """A blur for each sample, all kernels as wide as the image and with their origin in its middle."""
    out = torch.zeros(len(generators), 1, side, side, device="cpu")
    for place, g in zip(out, generators):
        taps = kernel(side, g)
        top, left = (side // 2 - n // 2 for n in taps.shape)
        place[0, top : top + taps.shape[0], left : left + taps.shape[1]] = taps
    return Blur(out, (side, side), channels=channels)


def _gaussian(side: int, g: torch.Generator) -> Tensor:
    return gaussian_kernel(log_uniform(0.6, 3.0, g), min(19, side - 1 + side % 2))


def _tomography(side: int, g: torch.Generator) -> Tensor:
    """Kernel of the frequencies of 12 to 90 projections, weighted by their density: 1 over the root of |f|."""
    rows, columns = torch.fft.fftfreq(side, device="cpu")[:, None], torch.fft.rfftfreq(side, device="cpu")
    weight = (rows.square() + columns.square()).sqrt().clamp(min=1 / side).rsqrt() / 2
    return torch.fft.fftshift(torch.fft.irfft2(random_frequencies(side, g, spokes=True) * weight, s=(side, side)))


def _columns(side: int, g: torch.Generator) -> Tensor:
    """Kernel of columns of k-space and their mirrors, which is what a real part has of them."""
    return torch.fft.fftshift(torch.fft.irfft2(random_frequencies(side, g, spokes=False), s=(side, side)))


def _missing(side: int, channels: int, generators: Generators) -> Inpainting:
    masks = [torch.rand(1, side, side, generator=g, device="cpu") < log_uniform(0.15, 0.7, g) for g in generators]
    return Inpainting(torch.stack(masks), channels=channels)


def _smaller(side: int, channels: int, generators: Generators) -> Downsampling:
    factors = [f for f in (2, 3, 4) if side % f == 0] or [1]
    factor = factors[int(torch.randint(len(factors), (), generator=generators[0], device="cpu"))]
    return Downsampling(factor, (side, side), channels=channels)


def _fourier(side: int, channels: int, generators: Generators) -> MRI:
    masks = [random_frequencies(side, g, spokes=False, half=False) for g in generators]
    return MRI(torch.stack(masks)[:, None])


_MAKERS: dict[str, Callable[[int, int, Generators], LinearOperator]] = {
    "blur": lambda n, c, g: _blur(_gaussian, n, c, g),
    "motion": lambda n, c, g: _blur(random_motion, n, c, g),
    "missing": _missing,
    "smaller": _smaller,
    "tomography": lambda n, c, g: _blur(_tomography, n, c, g),
    "columns": lambda n, c, g: _blur(_columns, n, c, g),
    "fourier": _fourier,
}
KINDS = tuple(_MAKERS)
"""Kinds of measurements: the first five for images of any kind, ``"columns"`` what a real part has of k-space,
``"fourier"`` of complex images."""
USUAL = KINDS[:5]


def random_operator(kind: str, side: int, generators: Generators, channels: int = 1) -> LinearOperator:
    """A measurement of one of :data:`KINDS` for squares of ``side`` pixels, its details drawn for each sample.

    >>> random_operator("missing", 8, [torch.Generator()]).out_shape
    (1, 8, 8)
    """
    return _MAKERS[kind](side, channels, generators)


def _each_alone(op: LinearOperator, x: Tensor) -> Tensor:
    """A x; Fourier transforms of several samples round otherwise than those of one, on some processors."""
    if not isinstance(op, Blur):
        return op.A(x)
    blurs = (Blur(kernel[None], op.image_shape, channels=x.shape[1]) for kernel in op.kernel)
    return torch.cat([blur.A(one[None]) for blur, one in zip(blurs, x)])


class _Learner(Denoiser):
    """The model in training as a solver's denoiser, for images like ``like``."""

    intensity_range = None

    def __init__(self, model: Callable[[Tensor, Tensor], Tensor], like: Tensor) -> None:
        super().__init__()
        self.model = (model,)  # not a part of this module, whose mode is checked
        self.channels, self.takes_complex = like.shape[1], like.is_complex()

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        return self.model[0](x, sigma).to(x.dtype)


class EquilibriumCrops(SteadyCrops):
    r""":class:`SteadyCrops`, and ``solved`` more samples a step from the end of a solver's iterations.

    They are measured by a random operator, :class:`pnp.PnPADMM` makes ``iterations`` with the model at its defaults,
    and what it hands the model then, :math:`z = x + u` at the level :math:`\sigma`, must become the image:

    .. math:: \frac1B \sum_b \frac{\|D(z_b, \sigma_b) - x_b\|^2}{N \max(\sigma_b, \|z_b - x_b\| / \sqrt N)}

    The gradient passes the last evaluation only (Jacobian-free), which has the right sign where the iteration
    contracts; memory and time of a step hardly grow. Samples from iterations that have not settled, at other levels
    than the solver's, make a prior worse: it learns to deblur what it is handed instead of cleaning it.

    Arguments are those of :class:`SteadyCrops`, and:

    Args:
        solved: samples a step.
        kinds: of measurements, of :data:`KINDS`, one for each step.
        noise: lowest and highest noise standard deviation of the data, in units of the images.
        iterations: of the solver, two thirds of them while sigma falls.

    Fung, Heaton, Li, McKenzie, Osher, Yin 2022, arXiv:2103.12803; Gilton, Ongie, Willett 2021, arXiv:2102.07944.
    """

    def __init__(
        self,
        images: Sequence[Tensor],
        *,
        solved: int = 2,
        kinds: Sequence[str] = USUAL,
        noise: tuple[float, float] = (0.004, 0.1),
        iterations: int = 12,
        **others: Any,
    ) -> None:
        super().__init__(images, **others)
        if not 0 <= solved <= self.batch:
            raise ValueError(f"solved: expected 0 to {self.batch} samples, got {solved}")
        if unknown := set(kinds) - set(KINDS):
            raise ValueError(f"kinds: expected some of {', '.join(KINDS)}, got {', '.join(sorted(unknown))}")
        if iterations < 1:
            raise ValueError(f"iterations: expected at least one, got {iterations}")
        self.solved, self.kinds, self.noise, self.iterations = solved, kinds, noise, iterations

    def draw(self, step: int, samples: Iterable[int]) -> Drawn:
        samples = list(samples)
        drawn = super().draw(step, samples)
        x = drawn.target[: sum(sample < self.solved for sample in samples)].cpu()
        if not len(x):
            return drawn._replace(given=(*drawn.given, ()))
        own = [sample_generator(self.seed, step, 2 * self.batch + sample) for sample in samples[: len(x)]]
        common = sample_generator(self.seed, step, 3 * self.batch)
        kind = self.kinds[int(torch.randint(len(self.kinds), (), generator=common, device="cpu"))]
        op = random_operator(kind, x.shape[-1], own, x.shape[1])
        std = torch.tensor([log_uniform(*self.noise, g) for g in own], device="cpu")
        clean = _each_alone(op, x)
        white = torch.stack([white_noise(y, g) for y, g in zip(clean, own)])
        y = clean + column(std, clean) * white
        y = torch.where(op.mask.expand_as(y) == 0, clean, y) if isinstance(op, Inpainting | MRI) else y
        strength = torch.tensor(log_uniform(0.8, 1.4, common), device="cpu")
        return drawn._replace(given=(*drawn.given, (op, y, std, strength)))

    def loss(self, model: nn.Module, drawn: Drawn) -> Tensor:
        *given, problem = drawn.given
        crops = super().loss(model, drawn._replace(given=tuple(given)))
        if not problem:
            return crops
        op, y, std, strength = problem
        x = drawn.target[: len(y)]
        z, sigma = handed(model, op, y, std, strength=float(strength), iterations=self.iterations, like=x)
        size = torch.maximum(sigma, squares(z - x).sqrt())  # what can hardly be mended counts by what is to be mended
        wrong = squares(model(z.contiguous(memory_format=torch.channels_last), sigma) - x)
        return crops + (wrong / size).sum() / len(drawn.target)


@torch.no_grad()
def handed(
    model: Callable[[Tensor, Tensor], Tensor],
    op: LinearOperator,
    y: Tensor,
    std: Tensor,
    *,
    strength: float,
    iterations: int,
    like: Tensor,
) -> tuple[Tensor, Tensor]:
    """Image (B, C, H, W) and level (B,) that :class:`pnp.PnPADMM` hands ``model`` in the last of so many iterations,
    for images in [0, 1] like ``like``."""
    solver = PnPADMM(op, _Learner(model, like), noise_std=std, strength=strength, calibration=None)
    solver.annealing = max(1, 2 * iterations // 3)
    state = solver.begin(y)
    problem = solver.problem(y, state.facts)
    for k in range(iterations):
        at = problem.levels(k)
        values = solver.step(problem, state.values, at)
        state = state._replace(step=k + 1, values=values)
    # what the last step handed the denoiser is v + tau w after it: w has taken up x - v
    return values.x + column(at.tau, values.w) * values.w, at.sigma
