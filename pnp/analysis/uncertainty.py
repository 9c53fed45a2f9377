"""How sure each pixel of a reconstruction is: deviations and intervals, of images and of what is read off them."""

from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.shapes import check_seed

from ..arguments import no_solver
from ..solver import Solver
from ..solvers.diffpir import DiffPIR
from .bootstrap import bootstrap_draws
from .identity import identity
from .jacobian import jacobian_draws, posterior_deviation
from .spread import PARTS, Spread, seen, shown
from .transforms import checked_kinds

__all__ = ["Functional", "Uncertainty", "uncertainty"]

Draws = tuple[Tensor, Iterator[tuple[Tensor, Tensor]], dict[str, Any]]

WORDS = {
    "bootstrap": "equivariant bootstrap: the estimator's error, from noise and from what the data do not hold",
    "sampling": "draws from the posterior of the denoiser as a prior, smoothed by the noise in the image",
    "jacobian": "linearised: what the data's noise does to the answer, and nothing of what the data do not hold",
    "laplace": "curvature at the answer: the Gaussian posterior around it, exact for a Gaussian prior",
}


class Functional(NamedTuple):
    """What a function reads off the images, (B, k): value, mean and deviation of the draws, interval."""

    value: Tensor
    mean: Tensor
    std: Tensor
    lower: Tensor
    upper: Tensor


class Uncertainty(NamedTuple):
    """A reconstruction, and how sure it is; maps have the shape of x.

    Of complex images the maps are those of the magnitude, and ``x`` is the magnitude, too; with ``part="parts"`` the
    real parts of all maps are those of real parts, the imaginary ones those of imaginary parts.

    Attributes:
        x: the answer, middle of the intervals: what the solver gives, or the posterior's mean.
        mean: of the draws; without noise in the draws, what is off it is the estimator's bias.
        std: standard deviation of the draws around their mean.
        lower, upper: interval of each pixel.
        level: share of the intervals that should hold the truth.
        functional: of what ``functional=`` reads off, or ``None``.
        told: what was done, in words and numbers.
        card: what an :class:`IntervalCalibrator` compares: operator, noise, denoiser, method, in plain values.
    """

    x: Tensor
    mean: Tensor
    std: Tensor
    lower: Tensor
    upper: Tensor
    level: float
    functional: Functional | None
    told: dict[str, Any]
    card: dict[str, Any]

    @property
    def width(self) -> Tensor:
        """Of the intervals, upper less lower."""
        return self.upper - self.lower

    def covers(self, truth: Tensor) -> Tensor:
        """Where intervals hold a true image (B, C, H, W), booleans; of complex maps each part for itself, (..., 2).

        Raises:
            ValueError: the shape is another one.
        """
        if truth.shape != self.x.shape:
            raise ValueError(f"truth: {tuple(truth.shape)}, but the maps have {tuple(self.x.shape)}")
        truth = truth.abs() if truth.is_complex() and not self.x.is_complex() else truth.to(self.x.dtype)
        low, value, high = (
            torch.view_as_real(v.resolve_conj()) if v.is_complex() else v for v in (self.lower, truth, self.upper)
        )
        return (low <= value) & (value <= high)

    def plot(self, reference: Tensor | None = None, support: Any = None, path: Any = None) -> Any:
        """Picture of the first sample: image, deviation, width of the intervals, and what the data hold, if a
        :class:`DataSupport` is given; needs matplotlib (extra ``examples``)."""
        from .pictures import plot_uncertainty

        return plot_uncertainty(self, reference=reference, support=support, path=path)

    def __str__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.told.items())


def _sampled(solver: Any, y: Tensor, count: int, seed: int) -> Draws:
    """Draws of a solver that is a sampler, around their mean."""
    import copy

    if not hasattr(solver, "draws"):
        raise TypeError(
            f"solver: {type(solver).__name__} draws nothing; method='sampling' needs PnPULA or DiffPIR, "
            "PnPULA(op, denoiser, noise_std=...)"
        )
    other = copy.copy(solver)
    other.seed = solver.seed + seed
    images = other.draws(y, count)
    good = torch.isfinite(images).flatten(2).all(2)
    kept = good.reshape(*good.shape, *[1] * (images.ndim - 2))
    centre = torch.where(kept, images, 0).sum(0) / kept.sum(0).clamp_min(1)
    told = {"sampler": type(solver).__name__, "facts": other.begin(y).facts}
    if isinstance(solver, DiffPIR) and solver.stop.max_iter > solver.settled:
        told["note"] = (
            f"DiffPIR ends at a fixed point, where draws differ little; Stop(max_iter={solver.settled}, tolerance=0) "
            "ends with its noise"
        )
    return centre, zip(images, good), told


@torch.no_grad()
def uncertainty(
    solver: Solver,
    y: Tensor,
    *,
    method: str = "bootstrap",
    level: float = 0.9,
    draws: int = 25,
    seed: int = 0,
    functional: Callable[[Tensor], Tensor] | None = None,
    transforms: str | Sequence[str] = "auto",
    part: str = "magnitude",
    batch: int = 8,
) -> Uncertainty:
    r"""How sure each pixel of ``solver(y)`` is.

    Intervals are :math:`\hat x \pm z \sqrt{s^2 + b^2}`, s the draws' deviation, b their mean less :math:`\hat x`, z the
    Gaussian quantile; :func:`calibrate_intervals` gives them a coverage that holds. Four methods, which measure
    different things:

    - ``"bootstrap"``: :math:`x_i = T_g^{-1} \hat x(\mathrm{noise}(A T_g \hat x(y)))` for turns and flips g of the
      image. Errors of the estimator, noise and bias; where the data hold nothing, as far as turned images are seen
      there and the denoiser does not repeat itself. Tachella, Pereyra 2023, arXiv:2310.11838.
    - ``"sampling"``: draws of a :class:`pnp.PnPULA`, which must be the solver, 20 iterations apart; ``x`` is their
      mean. The posterior: what images data and prior allow. :class:`pnp.DiffPIR` is taken, too, roughly the
      posterior where ``stop`` ends it with its noise, after 24 iterations; from there on it goes to a fixed point.
    - ``"jacobian"``: :math:`x_i = \hat x + J n_i`, J the derivative of the fixed point by the data, n_i noise. What
      noise does to the answer, without bias. Needs a solver that converges and a denoiser that torch differentiates.
    - ``"laplace"``: the diagonal of :math:`(A^* A / \sigma_n^2 + \lambda \nabla^2 R)^{-1}`, from probes. The posterior
      if the prior is Gaussian (:class:`denoisers.WienerDenoiser`); else a Gaussian around the answer. Gaussian data,
      linear operators.

    Draw i has streams (seed, i) of its own: it depends neither on the number of draws nor on what else is in the batch.

    Args:
        solver: any; the calibration of intensities and an estimated noise level are constants in J.
        y: data (B, *op.out_shape).
        level: of the intervals, between 0 and 1.
        draws: number of them, at least 2; 25 to 100 for maps. Probes of ``"laplace"``: the largest prime below.
        functional: images (B, C, H, W), as the solver gives them, to (B, k) or (B,) real numbers.
        transforms: of the bootstrap, some of ``"flips"``, ``"rotations"`` (square images), ``"shifts"`` (circular,
            where images are periodic), ``()`` for none; ``"auto"``: flips, and rotations of square images.
        part: of complex images, ``"magnitude"`` or ``"parts"`` (real and imaginary).
        batch: draws of a single measurement that go together; a batch of measurements goes draw by draw.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it. RuntimeError: the answer has no
            derivative, or all draws failed.

    >>> from operators import Identity
    >>> from pnp import PnPADMM
    >>> solver = PnPADMM(Identity((4, 4)), lambda x, sigma: x / 2, noise_std=0.1, calibration=None)
    >>> sure = uncertainty(solver, torch.ones(1, 1, 4, 4), functional=lambda x: x.mean((1, 2, 3)))
    >>> sure.std.shape, sure.functional.value.shape
    (torch.Size([1, 1, 4, 4]), torch.Size([1, 1]))
    """
    _check(solver, method, level, draws, part, batch, functional)
    seed = check_seed(seed)
    y = y.detach() if isinstance(y, Tensor) else y
    z = NormalDist().inv_cdf((1 + level) / 2)
    kinds = checked_kinds(transforms, solver.op.in_shape) if method == "bootstrap" else ()
    if method == "laplace":
        x, std, functional_std, facts = posterior_deviation(solver, y, draws, seed, batch, functional, part)
        maps: Any = _maps(x, seen(x, part), seen(x, part), std, z, part)
        read = None
        if functional is not None and functional_std is not None:
            value = _read(functional, x)
            half = z * functional_std
            read = Functional(value, value, functional_std, value - half, value + half)
        told = {"probes": int(draws**0.5) ** 2}
    else:
        source: Any = {
            "bootstrap": lambda: bootstrap_draws(solver, y, draws, seed, kinds, batch),
            "jacobian": lambda: jacobian_draws(solver, y, draws, seed, batch),
            "sampling": lambda: _sampled(solver, y, draws, seed),
        }
        x, images, told = source[method]()
        facts = told.pop("facts")
        spread, few = _gather(x, images, part, functional, sampled=method == "sampling")
        maps = _maps(x, seen(x, part), spread.mean, spread.std, z, part)
        read = None
        if few is not None:
            half = z * torch.hypot(few.std, few.offset)
            read = Functional(few.centre, few.mean, few.std, few.centre - half, few.centre + half)
        told = {"draws": [int(n) for n in spread.count.tolist()], **told}
    words = {"method": method, "measures": WORDS[method], "level": level, "maps of": _maps_of(x, part), **told}
    if kinds:
        words["transforms"] = ", ".join(kinds)
    own = {"method": method, "draws": draws, "level": level, "transforms": [*kinds], "maps of": words["maps of"]}
    centre, mean, std, low, high = maps
    return Uncertainty(centre, mean, std, low, high, level, read, words, {**identity(solver, facts), **own})


def _maps_of(x: Tensor, part: str) -> str:
    if not x.is_complex():
        return "the image"
    return "the magnitude" if part == "magnitude" else "real parts and imaginary parts, each for itself"


def _maps(x: Tensor, centre: Tensor, mean: Tensor, std: Tensor, z: float, part: str) -> Any:
    """x, mean, std, lower and upper as maps of the image."""
    half = z * torch.hypot(std, mean - centre)
    low = centre - half
    if x.is_complex() and part == "magnitude":
        low = low.clamp_min(0)
    return tuple(shown(v, x, part) for v in (centre, mean, std, low, centre + half))


def _gather(
    x: Tensor, images: Iterator[tuple[Tensor, Tensor]], part: str, functional: Any, *, sampled: bool
) -> tuple[Spread, Spread | None]:
    """The spread of the draws, and that of what is read off them; a posterior's value is the mean of the draws'."""
    spread = Spread(seen(x, part))
    few = None if functional is None else Spread(_read(functional, x))
    for image, good in images:
        image = torch.where(good.reshape(-1, *[1] * (image.ndim - 1)), image, x)  # others do not count
        spread.add(seen(image, part), good)
        if few is not None and functional is not None:
            few.add(_read(functional, image), good)
    if bool((spread.count < 2).any()):
        raise RuntimeError("solver: fewer than two draws of a sample are finite; see what solver.solve(y) says")
    if few is not None and sampled:
        few.centre, few.offset = few.mean, torch.zeros_like(few.offset)
    return spread, few


def _read(functional: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    value = functional(x)
    if not isinstance(value, Tensor) or value.is_complex() or value.ndim not in (1, 2) or len(value) != len(x):
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"functional: expected real numbers (B, k) or (B,) for a batch of {len(x)}, got {got}")
    return value.reshape(len(x), -1).to(x.real.dtype)


def _check(solver: Any, method: str, level: float, draws: int, part: str, batch: int, functional: Any) -> None:
    if not isinstance(solver, Solver):
        raise no_solver(solver)
    if method not in WORDS:
        raise ValueError(f"method: expected one of {', '.join(WORDS)}, got {method!r}")
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
    for name, value, least in (("draws", draws, 2), ("batch", batch, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name}: expected a whole number >= {least}, got {value!r}")
    if part not in PARTS:
        raise ValueError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    if functional is not None and not callable(functional):
        raise TypeError(f"functional: expected a function of images, got {type(functional).__name__}")
