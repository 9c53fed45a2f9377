"""Intervals with a coverage that holds: split conformal calibration on images whose truth is known."""

import json
import math
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..reconstructor import compare
from .uncertainty import Uncertainty

__all__ = ["IntervalCalibrator", "calibrate_intervals"]

KINDS, COVERAGES = ("additive", "multiplicative"), ("pixels", "simultaneous")
_SAME = ("method", "level", "maps of", "denoiser", "weights")  # of a card: other ones are refused
_LIKE = ("solver", "strength", "draws", "transforms")  # other ones are warned of
_FORMAT = "pnp intervals 1"


@dataclass(frozen=True)
class IntervalCalibrator:
    """Half-widths r of intervals made r + ``size`` (additive, not below zero) or r ``size`` (multiplicative).

    Called with an :class:`Uncertainty`, it gives the same with new intervals. The coverage holds for images that are
    exchangeable with those of the calibration: of the same kind, measured by the same operator at the same noise,
    solved by the same solver.

    Attributes:
        kind: ``"additive"`` (size is in the units of the image) or ``"multiplicative"``.
        coverage: ``"pixels"`` or ``"simultaneous"``, see :func:`calibrate_intervals`.
        level: the coverage.
        size: what is added, or the factor.
        images: number of images of the calibration.
        card: what they were made by: solver, operator, range of the noise, denoiser and its hash, method.
    """

    kind: str
    coverage: str
    level: float
    size: float
    images: int
    card: dict[str, Any]

    def __post_init__(self) -> None:
        wrong = (self.kind not in KINDS or self.coverage not in COVERAGES or not isinstance(self.card, dict)
                 or not all(isinstance(v, int | float) and math.isfinite(v) for v in (self.level, self.size))
                 or not 0 < self.level < 1 or (self.kind == "multiplicative" and self.size < 0)
                 or type(self.images) is not int or not _complete(self.card))  # fmt: skip
        if wrong:
            raise ValueError(f"calibrator: its numbers or names do not fit: {self.kind}, {self.coverage}, {self.size}")

    def __call__(self, uncertainty: Uncertainty) -> Uncertainty:
        """The same with intervals that have the coverage.

        Raises:
            ValueError: it was made by another kind of operator, denoiser or method than the calibration.
        """
        if not isinstance(uncertainty, Uncertainty):
            raise TypeError(f"uncertainty: expected pnp.analysis.Uncertainty, got {type(uncertainty).__name__}")
        for doubt in _differences(self.card, uncertainty.card):
            warnings.warn(f"calibrator: {doubt}; the coverage may not hold", RuntimeWarning, stacklevel=2)
        half = _real(uncertainty.upper) - _real(uncertainty.x)
        half = (half + self.size).clamp_min(0) if self.kind == "additive" else half * self.size
        low, high = _real(uncertainty.x) - half, _real(uncertainty.x) + half
        if uncertainty.card["maps of"] == "the magnitude":
            low = low.clamp_min(0)
        if uncertainty.x.is_complex():
            low, high = torch.view_as_complex(low), torch.view_as_complex(high)
        told = {**uncertainty.told, "intervals": str(self)}
        return uncertainty._replace(lower=low, upper=high, level=self.level, told=told)

    def __str__(self) -> str:
        operator = self.card["operator"]["kind"]
        what = "of the pixels" if self.coverage == "pixels" else "of the images in every pixel"
        low, high = self.card["noise_std"]
        return (
            f"{self.kind} {self.size:.4g}, to hold the truth in {100 * self.level:g} % {what}, from {self.images} "
            f"images of {operator}, noise {low:.4g} to {high:.4g}, by {self.card['solver']} with "
            f"{self.card['denoiser']}"
        )

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write numbers and card as JSON.

        Raises:
            FileExistsError: there is a file of this name; ``overwrite`` replaces it.
        """
        from denoisers.weights.writing import refuse_existing, written

        refuse_existing(path, overwrite=overwrite)
        with written(path) as partial:
            partial.write_text(json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "IntervalCalibrator":
        """What :meth:`save` wrote.

        Raises:
            ValueError: the file is no such thing.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            if values.pop("format") != _FORMAT:
                raise ValueError("another format")
            return cls(**{**values, "level": float(values["level"]), "size": float(values["size"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path}: not the intervals that IntervalCalibrator.save writes, {error}") from error


def _complete(card: dict[str, Any]) -> bool:
    """Whether a card, such as one from a file, has what is compared."""
    operator, noise = card.get("operator"), card.get("noise_std")
    numbers = isinstance(noise, list) and len(noise) == 2 and all(type(v) in (int, float) for v in noise)
    kinds = {"kind": str, "in_shape": list, "out_shape": list, "probes": list}
    if not isinstance(operator, dict) or not all(isinstance(operator.get(k), t) for k, t in kinds.items()):
        return False
    return numbers and all(type(v) in (int, float) for v in operator["probes"]) and {*_SAME, *_LIKE} <= {*card}


def calibrate_intervals(
    pairs: Iterable[tuple[Uncertainty, Tensor]],
    level: float = 0.9,
    kind: str = "additive",
    *,
    coverage: str = "pixels",
) -> IntervalCalibrator:
    r"""What makes intervals hold the truth in a share ``level`` of new cases, from pairs of uncertainty and truth.

    .. math:: \lambda = Q_{q}\big(|\hat x - x| - r\big) \text{ (additive)}, \quad
        Q_{q}\big(|\hat x - x| / r\big) \text{ (multiplicative)}, \qquad q = (1 - \alpha)(1 + 1/n)

    over n images, :math:`\alpha = 1 - \mathrm{level}`, r the half-width of the uncertain intervals. With
    ``coverage="pixels"`` the quantile is over the pixels of all images, each image with the same weight: the expected
    share of pixels without the truth is at most :math:`\alpha` (risk control; Angelopoulos, Bates, Fisch, Lei, Schuster
    2022, arXiv:2208.02814). With ``"simultaneous"`` it is over the images' largest values: all pixels of an image are
    held with probability ``level``, by wide intervals.

    Both suppose that the new image is exchangeable with those of the calibration, which nothing can test for it; the
    share is one over calibrations and new images, not for each image, nor for each pixel.
    Vovk, Gammerman, Shafer 2005; Angelopoulos, Bates 2021, arXiv:2107.07511.

    Args:
        pairs: uncertainties and true images (B, C, H, W), each sample of a batch counts; at least 1 / alpha - 1 of
            them, and more narrow the intervals: q is close to the level from 50 on.
        level: of coverage, between 0 and 1.
        kind: ``"additive"`` or ``"multiplicative"``.
        coverage: ``"pixels"`` or ``"simultaneous"``.

    Raises:
        ValueError: too few images, pairs of different operators, denoisers or methods, or no finite interval would do.

    >>> from operators import Identity
    >>> from pnp import PnPADMM, Stop
    >>> from pnp.analysis import uncertainty
    >>> solver = PnPADMM(Identity((4, 4)), lambda x, s: x, noise_std=0.1, calibration=None, stop=Stop(max_iter=9))
    >>> truth = torch.rand(9, 1, 4, 4)
    >>> calibrate_intervals([(uncertainty(solver, truth, draws=4), truth)], 0.9).images
    9
    """
    if kind not in KINDS or coverage not in COVERAGES:
        name, value, known = ("kind", kind, KINDS) if kind not in KINDS else ("coverage", coverage, COVERAGES)
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    if not isinstance(level, int | float) or not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level!r}")
    scores: list[Tensor] = []
    cards: list[dict[str, Any]] = []
    for i, pair in enumerate(pairs):
        uncertain, truth = _checked(pair, i)
        for doubt in _differences(cards[0], uncertain.card, noise=False) if cards else ():
            warnings.warn(f"pairs[{i}]: {doubt}; one calibration should be of one kind", RuntimeWarning, stacklevel=2)
        cards.append(uncertain.card)
        away = (_real(truth) - _real(uncertain.x)).abs().flatten(1).double()
        half = (_real(uncertain.upper) - _real(uncertain.x)).flatten(1).double()
        ratio = torch.where(away > 0, away / half, torch.zeros_like(away))
        scores += [*(away - half if kind == "additive" else ratio).cpu()]
    count = len(scores)
    quantile = level * (count + 1) / max(count, 1)
    if not count or quantile > 1 + 1e-12:
        least = math.ceil(level / (1 - level) - 1e-9)
        raise ValueError(f"pairs: {count} images; coverage of {level:g} needs at least {least}")
    size = _quantile(scores, min(quantile, 1.0), coverage)
    if not math.isfinite(size):
        if any(not bool(torch.isfinite(s).all()) for s in scores) and kind == "additive":
            raise ValueError("pairs: a truth or an interval holds NaN or infinite values")
        raise ValueError("pairs: errors where the deviation is zero leave no factor; take kind='additive'")
    noise = [v for card in cards for v in card["noise_std"]]
    return IntervalCalibrator(
        kind, coverage, float(level), size, count, {**cards[0], "noise_std": [min(noise), max(noise)]}
    )


def _quantile(scores: list[Tensor], quantile: float, coverage: str) -> float:
    """The least value at or below which the share ``quantile`` of the scores lies."""
    if coverage == "simultaneous":
        scores = [score.amax()[None] for score in scores]
    values = torch.cat(scores)
    shares = torch.cat([torch.full_like(s, 1 / (len(s) * len(scores))) for s in scores])
    ordered = values.sort()
    k = int(torch.searchsorted(shares[ordered.indices].cumsum(0), quantile - 1e-12))
    return float(ordered.values[min(k, len(values) - 1)])


def _real(x: Tensor) -> Tensor:
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def _checked(pair: Any, i: int) -> tuple[Uncertainty, Tensor]:
    """A pair with the truth as the maps have it."""
    if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], Uncertainty):
        raise TypeError(f"pairs[{i}]: expected (uncertainty, truth), got {type(pair).__name__}")
    uncertain, truth = pair
    if not isinstance(truth, Tensor) or truth.shape != uncertain.x.shape:
        got = tuple(truth.shape) if isinstance(truth, Tensor) else type(truth).__name__
        raise ValueError(f"pairs[{i}]: expected a truth of shape {tuple(uncertain.x.shape)}, got {got}")
    if uncertain.x.is_complex() == truth.is_complex():
        return uncertain, truth
    return uncertain, truth.abs() if truth.is_complex() else truth.to(uncertain.x.dtype)


def _differences(old: dict[str, Any], new: dict[str, Any], *, noise: bool = True) -> list[str]:
    """In which ways ``new`` is not what was calibrated; raise where it is another thing altogether."""
    for name in _SAME:
        if old[name] != new[name]:
            raise ValueError(f"uncertainty: {name} is {new[name]!r}, the calibration's {old[name]!r}")
    a, b = old["operator"], new["operator"]
    if a["kind"] != b["kind"]:
        raise ValueError(f"uncertainty: of the operator {b['kind']}, the calibration was of {a['kind']}")
    doubts = [f"operator: {told}" for told in [compare(a, b)] if told]
    doubts += [f"{name} is {new[name]}, the calibration's {old[name]}" for name in _LIKE if old[name] != new[name]]
    (low, high), (least, most) = old["noise_std"], new["noise_std"]
    if noise and (least < 0.9 * low or most > 1.1 * high):
        doubts.append(f"noise {least:.4g} to {most:.4g}, calibrated on {low:.4g} to {high:.4g}")
    return doubts
