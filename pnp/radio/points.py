"""Unresolved sources in visibilities: where they are, how bright, and their share of the data."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from operators.compose import Compose, Scaled
from operators.radio.interferometry import RadioInterferometry

from ..arguments import check_values

__all__ = ["Points", "find_points", "radio_operator"]

_LONG = 0.5  # share of the visibilities, those of the longest baselines, in which points are looked for
_ALIKE = 0.1  # relative difference of the fluxes on two rings of baselines up to which a source counts as unresolved
_NORMAL_MAD = 0.6744897501960817
_STEPS = 6  # of Gauss and Newton


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
    while isinstance(inner, (Compose, Scaled)):
        inner = inner.inner if isinstance(inner, Compose) else inner.operator
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
    radio = radio_operator(op)
    if y.shape != (1, *op.out_shape) or not y.is_complex():
        raise ValueError(f"y: expected complex data {(1, *op.out_shape)} of one sky, got {y.dtype} {tuple(y.shape)}")
    check_values("y", y)
    long = _long_baselines(radio)
    used = torch.ones_like(long) if known is not None and len(known.flux) else long
    found = known if known is not None else Points(*(y.real.new_zeros(s, dtype=torch.float64) for s in ((0,), (0, 2))))
    found = _fitted(op, radio, y, found, used)
    for _ in range(most - len(found.flux)):
        rest = y - visibilities(op, found).to(y.dtype)
        new = _brightest(op, radio, rest, long, threshold)
        if new is None:
            break
        found = _fitted(op, radio, y, Points(*(torch.cat(pair) for pair in zip(found, new))), used)
    return found


def visibilities(op: Any, points: Points) -> Tensor:
    """Data (1, 1, M) of sources alone, complex double."""
    return (_columns(op, radio_operator(op), points.position) * points.flux[:, None]).sum(0)[None, None]


def _columns(op: Any, radio: RadioInterferometry, position: Tensor) -> Tensor:
    """Data of sources of flux one, (n, M)."""
    centre = torch.tensor([n // 2 for n in radio.image_shape], dtype=torch.float64, device=position.device)
    phase = (position - centre) @ radio.points.detach().double()
    return _weighted(op, torch.polar(torch.ones_like(phase), -phase))


def _weighted(op: Any, data: Tensor) -> Tensor:
    """Visibilities (n, M) after what stands before the radio operator."""
    if isinstance(op, Compose):
        return op.outer.A(_weighted(op.inner, data)[:, None])[:, 0]
    return op.factor * _weighted(op.operator, data) if isinstance(op, Scaled) else data


def _long_baselines(radio: RadioInterferometry) -> Tensor:
    length = radio.points.detach().double().norm(dim=0)
    return length >= length.quantile(1 - _LONG) if len(length) <= 10_000_000 else length >= length.median()


def _brightest(op: Any, radio: RadioInterferometry, rest: Tensor, long: Tensor, threshold: float) -> Points | None:
    """The highest peak of what the long baselines show, if it is high enough and unresolved."""

    def dirty(data: Tensor) -> Tensor:
        return op.A_adjoint(torch.where(long, data, 0)).double()[0, 0] / weight

    centre = torch.tensor([[n // 2 for n in radio.image_shape]], dtype=torch.float64, device=rest.device)
    weight = float(_columns(op, radio, centre)[0, long].abs().square().sum())
    image = dirty(rest)
    peak = int(image.argmax())
    at = torch.tensor([divmod(peak, image.shape[1])], dtype=torch.float64, device=rest.device)
    new = _fitted(op, radio, rest, Points(image.flatten()[peak][None], at), long)
    # of what is left, since a bright source's own sidelobes are all over
    spread = float(dirty(rest - visibilities(op, new).to(rest.dtype)).abs().median()) / _NORMAL_MAD
    if not float(new.flux) > threshold * spread or float((new.position - at).abs().amax()) > 1:
        return None
    length = radio.points.detach().double().norm(dim=0)
    near = length < length[long].median()
    inner, outer = (float(_fluxes(op, radio, rest, new.position, ring)) for ring in (long & near, long & ~near))
    return new if abs(inner - outer) < _ALIKE * inner else None


def _fluxes(op: Any, radio: RadioInterferometry, y: Tensor, position: Tensor, used: Tensor) -> Tensor:
    columns = _columns(op, radio, position)[:, used]
    gram, right = (columns.conj() @ columns.T).real, (columns.conj() @ y[0, 0, used].to(columns)).real
    return torch.linalg.lstsq(gram, right[:, None]).solution[:, 0]


def _fitted(op: Any, radio: RadioInterferometry, y: Tensor, points: Points, used: Tensor) -> Points:
    """Fluxes and positions by least squares, Gauss-Newton."""
    if not len(points.flux):
        return points
    data, uv, n = y[0, 0, used].to(torch.complex128), radio.points.detach().double()[:, used], len(points.flux)
    position = points.position
    for _ in range(_STEPS):
        flux = _fluxes(op, radio, y, position, used)
        columns = _columns(op, radio, position)[:, used]
        rest = data - flux.to(columns) @ columns
        moved = [-1j * flux[:, None] * uv[k] * columns for k in (0, 1)]
        basis = torch.cat((columns, *moved))
        gram, right = (basis.conj() @ basis.T).real, (basis.conj() @ rest).real
        scale = gram.diagonal().clamp_min(1e-300).sqrt()
        change = torch.linalg.lstsq(gram / scale / scale[:, None], (right / scale)[:, None]).solution[:, 0] / scale
        step = change[n:].reshape(2, n).T.clamp(-0.5, 0.5)
        position = position + step
        if float(step.abs().max()) < 1e-6:
            break
    return Points(_fluxes(op, radio, y, position, used), position)
