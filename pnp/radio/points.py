"""Unresolved sources in visibilities: where they are, how bright, and their share of the data."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.compose import Compose, Scaled, Weighted
from operators.radio.interferometry import RadioInterferometry

from ..arguments import check_values

__all__ = ["Points", "find_points", "radio_operator"]

_LONG = 0.5  # share of the visibilities, those of the longest baselines, in which points are looked for
_ALIKE = 0.1  # relative difference of the fluxes on two rings of baselines up to which a source counts as unresolved
_NORMAL_MAD = 0.6744897501960817
_STEPS = 6  # of Gauss and Newton
_AT_ONCE = 2**20  # sources times visibilities that are worked on at once


class Points(NamedTuple):
    """Unresolved sources: flux (n,), in the units of the image, and position (n, 2): row and column, with fractions."""

    flux: Tensor
    position: Tensor


def radio_operator(op: Any) -> RadioInterferometry:
    """The :class:`operators.RadioInterferometry` in ``op``, which may be weighted or scaled.

    Raises:
        TypeError: there is none. ValueError: its sky is complex or has channels.
    """
    inner = op
    while isinstance(inner, Scaled) or (isinstance(inner, Compose) and isinstance(inner.outer, Weighted)):
        inner = inner.operator if isinstance(inner, Scaled) else inner.inner
    if not isinstance(inner, RadioInterferometry):
        raise TypeError(f"op: expected RadioInterferometry, weighted or not, got {type(op).__name__}")
    if inner.in_dtype.is_complex or inner.in_shape[0] != 1:
        raise ValueError("op: unresolved sources are found in real skies of one channel")
    return inner


def find_points(op: Any, y: Tensor, *, known: Points | None = None, threshold: float = 10.0, most: int = 64) -> Points:
    r"""Unresolved sources of one sky in its visibilities ``y`` (1, 1, M), in double precision.

    .. math:: V_m = \sum_k f_k\, e^{-i u_m \cdot (r_k - c)} + \mathrm{diffuse}

    One source after the other is taken from the highest peak of the dirty image of the longer half of the baselines,
    where extended emission has faded; fluxes and positions of all of them are then fitted by least squares. A peak
    counts if it is above ``threshold`` robust deviations of what is left without it, and if the inner and the outer of
    these baselines agree on its flux to 10 %: what is resolved is fainter on longer ones.

    Args:
        op: :class:`operators.RadioInterferometry`, also weighted.
        y: data.
        known: sources to begin with; all baselines are used for their fluxes then.
        threshold: in standard deviations.
        most: number of sources at most.

    Raises:
        TypeError, ValueError: the operator is another one, or the data do not fit.

    Högbom 1974 (CLEAN); Noordam 2004, doi:10.1117/12.544262 (peeling).

    >>> from operators import uv_coverage
    >>> op = RadioInterferometry(uv_coverage("vla-d"), (64, 64), cell=8.0)
    >>> sky = torch.zeros(1, 1, 64, 64)
    >>> sky[..., 20, 45] = 2.5
    >>> found = find_points(op, op(sky))
    >>> [round(v, 2) for v in (*found.flux.tolist(), *found.position[0].tolist())]
    [2.5, 20.0, 45.0]
    """
    radio_operator(op)
    if y.shape != (1, *op.out_shape) or not y.is_complex():
        raise ValueError(f"y: expected complex data {(1, *op.out_shape)} of one sky, got {y.dtype} {tuple(y.shape)}")
    check_values("y", y)
    array = _Array.of(op)
    long = array.length >= array.length.kthvalue(max(1, round((1 - _LONG) * len(array.length)))).values
    used = torch.ones_like(long) if known is not None and len(known.flux) else long
    found = known if known is not None else Points(*(y.real.new_zeros(s, dtype=torch.float64) for s in ((0,), (0, 2))))
    found = _fitted(array, y, found, used)
    for _ in range(most - len(found.flux)):
        rest = y - array.data(found).to(y.dtype)
        new = _brightest(op, array, rest, long, threshold)
        if new is None:
            break
        found = _fitted(array, y, Points(*(torch.cat(pair) for pair in zip(found, new))), used)
    return found


def visibilities(op: Any, points: Points) -> Tensor:
    """Data (1, 1, M) of the sources only, complex double."""
    return _Array.of(op).data(points)


class _Array(NamedTuple):
    """Baselines (2, M) in radians per pixel, their lengths, what multiplies each visibility, the image's middle, and
    where the field is curved w (M,) in radians and the side of a pixel in radians."""

    uv: Tensor
    length: Tensor
    factor: Tensor
    centre: Tensor
    w: Tensor | None = None
    side: float = 0.0

    @classmethod
    def of(cls, op: Any) -> "_Array":
        radio = radio_operator(op)
        uv = radio.points.detach().double()
        ones = torch.ones(1, 1, uv.shape[1], dtype=torch.complex128, device=uv.device)
        centre = torch.tensor([n // 2 for n in radio.image_shape], dtype=torch.float64, device=uv.device)
        factor = _weighted(op, ones)
        if len(factor) > 1:
            raise ValueError(f"op: holds weights of {len(factor)} samples; take out the sources of one at a time")
        array = cls(uv, uv.norm(dim=0), factor[0, 0], centre)
        if radio.w is None or radio.cell is None:
            return array
        return array._replace(w=2 * math.pi * radio.w.to(uv), side=math.radians(radio.cell / 3600))

    def columns(self, position: Tensor, some: Tensor) -> Tensor:
        """Visibilities ``some`` (indices) of sources of flux one, (n, m)."""
        phase = (position - self.centre) @ self.uv[:, some]
        if self.w is not None:
            phase = phase + (self._cosine(position) - 1)[:, None] * self.w[some]
        return self.factor[some] * torch.polar(torch.ones_like(phase), -phase)

    def slopes(self, position: Tensor, axis: int, some: Tensor) -> Tensor:
        """Derivative of the phases by the rows or columns of the positions, (1 | n, m)."""
        flat = self.uv[axis, some]
        if self.w is None:
            return flat[None]
        tilt = -(self.side**2) * (position - self.centre)[:, axis] / self._cosine(position)
        return flat + tilt[:, None] * self.w[some]

    def _cosine(self, position: Tensor) -> Tensor:
        return (1 - ((position - self.centre) * self.side).square().sum(1)).clamp_min(1e-12).sqrt()

    def parts(self, sources: int, used: Tensor | None = None) -> list[Tensor]:
        """Indices of visibilities, as many at a time as sources leave memory for."""
        every = torch.arange(self.uv.shape[1], device=self.uv.device) if used is None else used.nonzero()[:, 0]
        return list(every.split(max(1, _AT_ONCE // max(1, sources))))

    def data(self, points: Points) -> Tensor:
        """Visibilities (1, 1, M) of sources."""
        flux = points.flux.to(self.factor.dtype)
        parts = [flux @ self.columns(points.position, some) for some in self.parts(len(flux))]
        return torch.cat(parts)[None, None]


def _weighted(op: Any, data: Tensor) -> Tensor:
    """Visibilities after what stands before the radio operator."""
    if isinstance(op, Compose):
        return op.outer.A(_weighted(op.inner, data))
    return op.factor * _weighted(op.operator, data) if isinstance(op, Scaled) else data


def _brightest(op: Any, array: _Array, rest: Tensor, long: Tensor, threshold: float) -> Points | None:
    """The highest peak of what the long baselines show, if it is high enough and unresolved."""
    weight = float(array.factor[long].abs().square().sum())

    def dirty(data: Tensor) -> Tensor:
        return op.A_adjoint(torch.where(long, data, 0)).double()[0, 0] / weight

    image = dirty(rest)
    peak = int(image.argmax())
    at = torch.tensor([divmod(peak, image.shape[1])], dtype=torch.float64, device=rest.device)
    new = _fitted(array, rest, Points(image.flatten()[peak][None], at), long)
    # of what is left, since a bright source's own sidelobes are all over
    spread = float(dirty(rest - array.data(new).to(rest.dtype)).abs().median()) / _NORMAL_MAD
    if not float(new.flux) > threshold * spread or float((new.position - at).abs().amax()) > 1:
        return None
    near = array.length < array.length[long].median()
    inner, outer = (float(_fluxes(array, rest, new.position, ring)) for ring in (long & near, long & ~near))
    return new if abs(inner - outer) < _ALIKE * inner else None


def _least_squares(array: _Array, y: Tensor, position: Tensor, used: Tensor, flux: Tensor | None) -> Tensor:
    """Fluxes at given positions, (n,); with ``flux`` changes of fluxes, rows and columns, (3n,), from there."""
    n = len(position) * (1 if flux is None else 3)
    gram = torch.zeros(n, n, dtype=torch.float64, device=y.device)
    right = torch.zeros(n, dtype=torch.float64, device=y.device)
    for some in array.parts(n, used):
        basis, data = array.columns(position, some), y[0, 0, some].to(torch.complex128)
        if flux is not None:
            data = data - flux.to(basis) @ basis
            basis = torch.cat((basis, *(-1j * flux[:, None] * array.slopes(position, k, some) * basis for k in (0, 1))))
        gram += (basis.conj() @ basis.T).real
        right += (basis.conj() @ data).real
    scale = gram.diagonal().clamp_min(1e-300).sqrt()
    return torch.linalg.lstsq(gram / scale / scale[:, None], (right / scale)[:, None]).solution[:, 0] / scale


def _fluxes(array: _Array, y: Tensor, position: Tensor, used: Tensor) -> Tensor:
    return _least_squares(array, y, position, used, None)


def _fitted(array: _Array, y: Tensor, points: Points, used: Tensor) -> Points:
    """Fluxes and positions by least squares, Gauss-Newton."""
    position, n = points.position, len(points.flux)
    if not n:
        return points
    for _ in range(_STEPS):
        change = _least_squares(array, y, position, used, _fluxes(array, y, position, used))
        step = change[n:].reshape(2, n).T.clamp(-0.5, 0.5)
        position = position + step
        if float(step.abs().max()) < 1e-6:
            break
    return Points(_fluxes(array, y, position, used), position)
