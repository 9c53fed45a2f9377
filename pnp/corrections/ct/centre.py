"""Centre of rotation: the shift of the detector at which projections fit one image best."""

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from operators import FanBeam, Radon

from ...io.measurement import Measurement
from ...io.opening import package

__all__ = ["centred", "find_offset"]

_COARSE, _FINE = 40, 160  # bins of the detector in which the search begins, and ends
_WEIGHT = 300.0  # of the data over that of a small image, in squared norms of the operator
_TURN = 0.1  # radians
_STEPS = 8  # of the root's search; it gains two digits with each at the end

Shift = Literal["offset", "centre_offset"]


def find_offset(
    op: Any, y: Tensor, *, of: Shift = "offset", within: float | None = None, method: Literal["fit", "vo"] = "fit"
) -> float:
    r"""The offset c of the detector, in the unit of ``pixel_size``, at which data y (B, C, angles, detectors) fit one
    image best; all slices of a batch have the same.

    .. math:: \min_c J(c), \qquad J(c) = \min_x \|A_c x - y\|^2 + \mu \|x\|^2, \qquad
        J'(c) = 2 \big\langle A_c x - y,\ \tfrac{\partial A_c}{\partial c}\, x \big\rangle

    on bins that are joined to 40 for offsets all over the search, then to 160 for the zero of J', which is the
    operator's own derivative. It takes half turns and full ones, fans, short scans and detectors that are off to one
    side; the object has to lie within the operator's image. ``"vo"`` is algotom's search in the double wedge of the
    spectrum, for parallel beams over half a turn or more.

    Args:
        op: :class:`operators.Radon` or :class:`operators.FanBeam` of the scan, with one offset, from which it searches.
        y: line integrals.
        of: ``"offset"``, of the detector; of a fan ``"centre_offset"``, of source and detector together.
        within: how far from the operator's own offset it may be; default half the detector's width, at the
            centre of rotation.
        method: ``"fit"``, or ``"vo"``.

    Raises:
        TypeError, ValueError: an argument does not fit, or J falls towards the end of the range.
        ImportError: algotom is missing.

    Vo, Drakopoulos, Atwood, Reinhard 2014, doi:10.1364/OE.22.019078 (double wedge).

    >>> op = Radon(16, torch.arange(12) * torch.pi / 12, 23)
    >>> x = torch.zeros(1, 1, 16, 16)
    >>> x[..., 4:10, 5:12] = 1
    >>> round(find_offset(op, op.with_offset(1.5)(x), within=4.0), 1)
    1.5
    """
    if not isinstance(op, Radon | FanBeam):
        raise TypeError(f"op: expected Radon or FanBeam, got {type(op).__name__}")
    if of not in ("offset", "centre_offset") or (isinstance(op, Radon) and of != "offset"):
        raise ValueError(f"of: expected 'offset', or of a fan beam 'centre_offset', got {of!r}")
    if method not in ("fit", "vo"):
        raise ValueError(f"method: expected 'fit' or 'vo', got {method!r}")
    if y.ndim != 4 or y.shape[1:] != torch.Size(op.out_shape):
        raise ValueError(f"y: expected (B, {', '.join(map(str, op.out_shape))}), got {tuple(y.shape)}")
    if not bool(torch.isfinite(y).all()):
        raise ValueError("y: values are not finite")
    if not bool(y.any()):
        raise ValueError("y: is zero everywhere")
    angles = op.angles.detach()
    if len(angles) < 3 or float(angles.max() - angles.min()) < _TURN:
        raise ValueError(f"op: {len(angles)} angles from one side show no centre of rotation")
    start = getattr(op, of)
    if isinstance(start, Tensor):
        raise ValueError(f"{of}: expected an operator with one number, got a tensor of {tuple(start.shape)}")
    if method == "vo":
        return _by_algotom(op, y)
    width = op.detector_count * op.detector_spacing
    if isinstance(op, FanBeam) and of == "centre_offset":
        width *= op.source_distance / (op.source_distance + op.detector_distance)
    within = width / 2 if within is None else float(within)
    if not 0 < within < math.inf:
        raise ValueError(f"within: expected a positive number, got {within}")
    coarse = _Joined(op, y, of, _COARSE)
    count = max(3, math.ceil(within / coarse.step))
    places = [start + within * i / count for i in range(-count, count + 1)]
    values = [coarse.fit(c)[0] for c in places]
    best = min(range(len(values)), key=values.__getitem__)
    if best in (0, len(values) - 1):
        raise ValueError(f"within: the data fit best at the end of the range, {places[best]:.4g}; give a wider one")
    return _Joined(op, y, of, _FINE).zero(places[best - 1], places[best], places[best + 1])


def centred(measurement: Measurement, **options: Any) -> Measurement:
    """The measurement with the offset that :func:`find_offset` finds; ``options`` are its.

    The centre of rotation projects to column (D - 1) / 2 - offset / ``detector_spacing`` of a parallel beam's D, which
    ``provenance`` names, too.
    """
    of = options.get("of", "offset")
    op = measurement.operator()
    offset = find_offset(op, measurement.y, **options)
    said = f"centre of rotation: {of} {offset:.4g}"
    if isinstance(op, Radon):
        said = f"{said}, column {(op.detector_count - 1) / 2 - offset / op.detector_spacing:.1f}"
    return measurement.changed(said, arguments={**measurement.arguments, of: offset})


class _Joined:
    """A scan of few bins and views: neighbours joined, the image on a grid as coarse."""

    def __init__(self, op: Radon | FanBeam, y: Tensor, of: Shift, bins: int) -> None:
        few = math.ceil(op.detector_count / bins)
        count, views = op.detector_count // few, max(1, len(op.angles) // (2 * bins))
        y = avg_pool2d(y.detach()[:, :, ::views, : count * few].flatten(0, 1).double(), (1, few))[:, None]
        self.y, self.of = y / y.abs().max(), of
        spacing = few * op.detector_spacing
        self.beyond = (op.detector_count - count * few) / 2 * op.detector_spacing  # of bins that are left out
        parallel = op if isinstance(op, Radon) else op.parallel
        far = 1.0 if isinstance(op, Radon) else op.source_distance / (op.source_distance + op.detector_distance)
        extent = [n * parallel.pixel_size for n in parallel.image_shape]
        pixel = max(spacing * far, max(extent) / (2 * bins))
        shape = tuple(max(1, round(v / pixel)) for v in extent)
        options: Any = {"detector_spacing": spacing, "pixel_size": pixel, "eps": 1e-6}
        self.shift = {} if isinstance(op, Radon) else {"offset": op.offset, "centre_offset": op.centre_offset}
        angles = op.angles[::views].cpu()
        if isinstance(op, Radon):
            self.op: Any = Radon(shape, angles, count, circle=op.mask is not None, **options)
        else:
            distances = op.source_distance, op.detector_distance
            self.op = FanBeam(shape, angles, *distances, count, curved=op.curved, **options)
        self.op = self.op.to(y.device)
        self.step = spacing * (far if of == "centre_offset" else 1.0)
        even = torch.ones(1, 1, *shape, dtype=y.dtype, device=y.device)  # what line integrals make the most of
        norm = float(self.op(even).square().sum() / even.sum())
        self.gamma = torch.full((len(y),), _WEIGHT / norm, dtype=y.dtype, device=y.device)

    def at(self, c: float | Tensor) -> Any:
        shift: dict[str, Any] = {**self.shift, self.of: c}
        shift["offset"] = shift["offset"] - self.beyond
        return self.op.with_offset(**shift)

    @torch.no_grad()
    def fit(self, c: float, rtol: float = 1e-3) -> tuple[float, Tensor]:
        """J, and the image."""
        op, gamma = self.at(c), self.gamma.reshape(-1, 1, 1, 1)
        x = op.solve_normal(gamma * op.A_adjoint(self.y), self.gamma, rtol=rtol)
        return float((op(x) - self.y).square().sum() + (x.square() / gamma).sum()), x

    def slope(self, c: float) -> float:
        """J'."""
        _, x = self.fit(c, 1e-4)
        with torch.enable_grad():
            place = torch.tensor(c, dtype=torch.float64, device=x.device, requires_grad=True)
            misfit = (self.at(place)(x) - self.y).square().sum()
            return float(torch.autograd.grad(misfit, place)[0])

    def zero(self, low: float, best: float, high: float) -> float:
        """Where J' is zero between ``low`` and ``high``, by straight lines."""
        ends = {low: self.slope(low), high: self.slope(high)}
        c = best
        for _ in range(_STEPS):
            ends[c] = slope = self.slope(c)
            low, high = (c, high) if slope < 0 else (low, c)
            a, b = ends[low], ends[high]
            new = low - a * (high - low) / (b - a) if a < 0 < b else (low + high) / 2
            nudge = 0.02 * (high - low)  # past the zero, so that the other end comes nearer as well
            new = new + nudge if new - low < nudge else new - nudge if high - new < nudge else new
            if abs(new - c) < 1e-3 * self.step:
                return new
            c = new
        return c


def _by_algotom(op: Radon | FanBeam, y: Tensor) -> float:
    if not isinstance(op, Radon):
        raise ValueError("method: algotom's search is for parallel beams")
    angles = (op.angles - op.angles[0]).abs()
    half = angles < math.pi * (1 + 1e-6)
    if float(angles.max()) < math.pi * 0.95:
        raise ValueError("method: algotom's search needs half a turn")
    find = package("algotom.prep.calculation", "ct").find_center_vo
    sinogram = y.detach()[:, :, half.to(y.device)].mean((0, 1)).cpu().numpy()
    return ((op.detector_count - 1) / 2 - float(find(sinogram, ncore=1))) * op.detector_spacing
