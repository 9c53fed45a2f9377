"""Gains of stations, fitted to a model of the sky, and taken out of the data."""

from typing import NamedTuple

import torch
from torch import Tensor

from ...io.visibilities import Visibilities
from .stations import noise_of, pairs, scan_numbers

__all__ = ["fit_gains", "remove_gains"]

_STEPS, _TINY = 30, 1e-9


class _Samples(NamedTuple):
    """Where visibilities belong: both stations and the scan, (M,), and how many scans and stations there are."""

    first: Tensor
    second: Tensor
    scan: Tensor
    shape: tuple[int, int]

    def vector(self, values: Tensor, sign: int) -> Tensor:
        """Sums of values at first stations, plus or minus those at second ones, (scans, stations)."""
        out, n = torch.zeros(self.shape, dtype=values.dtype, device="cpu"), self.shape[1]
        flat = out.view(-1).index_add_(0, self.scan * n + self.first, values)
        flat.index_add_(0, self.scan * n + self.second, sign * values)
        return out

    def matrix(self, values: Tensor) -> Tensor:
        """Sums of values at pairs of stations, Hermitian, (scans, stations, stations)."""
        n = self.shape[1]
        out, at = torch.zeros(*self.shape, n, dtype=values.dtype, device="cpu"), self.scan * n
        flat = out.view(-1).index_add_(0, (at + self.first) * n + self.second, values)
        flat.index_add_(0, (at + self.second) * n + self.first, values.conj())
        return out


def fit_gains(measured: Visibilities, model: Tensor, *, amplitude: float = 0.1) -> Tensor:
    r"""Gains g of stations in each scan, (scans, stations), complex; those that a scan lacks are 1.

    .. math:: \min_g \sum_{ij} \frac{|V_{ij} - g_i \bar g_j M_{ij}|^2}{2 \sigma_{ij}^2}
              + \sum_i \frac{(\ln |g_i|)^2}{2 s^2}

    by damped Gauss-Newton steps on logarithms and phases, from the phases of the leading eigenvector of
    :math:`V \bar M / \sigma^2` in each scan. The phase that all stations of a scan have in common is not determined.
    Rows are in the order of the scans' numbers (:func:`average_scans`), columns in that of the stations'. A sample of
    a station with itself, such as a total flux, has no gain.

    Args:
        model: visibilities of the sky without gains, (1, 1, M).
        amplitude: s, of the logarithm; 0: phases alone.

    Raises:
        ValueError: the model has another shape or is not finite, ``amplitude`` is below 0; the noise, the scans or the
            baselines are not known.

    Cornwell, Wilkinson 1981, doi:10.1093/mnras/196.4.1067.
    """
    if model.shape != measured.y.shape:
        raise ValueError(f"model: expected visibilities {tuple(measured.y.shape)}, got {tuple(model.shape)}")
    if not 0 <= amplitude < float("inf"):
        raise ValueError(f"amplitude: expected a finite number >= 0, got {amplitude!r}")
    at = _samples(measured)
    w = noise_of(measured) ** -2 * (at.first != at.second)
    v, m = (torch.where(w > 0, x[0, 0], 0).to(torch.complex128) for x in (measured.y, model))
    if not bool(torch.isfinite(m).all()):
        raise ValueError("model: holds NaN or infinite values")
    log = torch.zeros(at.shape, dtype=torch.complex128, device="cpu")
    log.imag[:] = torch.linalg.eigh(at.matrix(w * v * m.conj()))[1][..., -1].angle()
    prior = amplitude**-2 if amplitude > 0 else 0.0

    def cost(log: Tensor) -> Tensor:
        squares = w * (v - _products(log.exp(), at) * m).abs().square()
        return torch.zeros(at.shape[0], dtype=w.dtype, device="cpu").index_add_(
            0, at.scan, squares
        ) + prior * log.real.square().sum(1)

    best, damping = cost(log), torch.full(at.shape[:1], 1e-3, dtype=w.dtype, device="cpu")
    for _ in range(_STEPS):
        now = _products(log.exp(), at) * m
        moves = [
            _solved(at, w * now.abs().square(), part, sign, p, log_part, damping)
            for part, sign, p, log_part in (
                ((w * now.conj() * (v - now)).real, 1, prior, log.real),
                ((w * now.conj() * (v - now)).imag, -1, 0.0, log.imag),
            )
        ]
        new = log + torch.complex(moves[0] if amplitude > 0 else torch.zeros_like(moves[0]), moves[1])
        tried = cost(new)
        better, done = tried <= best, (best - tried).abs() <= 1e-10 * best
        log, best = torch.where(better[:, None], new, log), torch.where(better, tried, best)
        if bool((better & done).all()):
            break
        damping = torch.where(better, damping / 4, damping * 8)
    here = at.vector(w, 1) > 0
    return torch.where(here, log.exp(), 1)


def _solved(
    at: _Samples, weights: Tensor, slope: Tensor, sign: int, prior: float, value: Tensor, damping: Tensor
) -> Tensor:
    """A damped Gauss-Newton step of all stations' logarithms (sign 1) or phases (-1), (scans, stations)."""
    diagonal = at.vector(weights, 1) + prior
    floor = _TINY * diagonal.amax(1, keepdim=True) + torch.finfo(diagonal.dtype).tiny  # stations without data
    normal = sign * at.matrix(weights) + torch.diag_embed(diagonal * (1 + damping[:, None]) + floor)
    return torch.linalg.solve(normal, at.vector(slope, sign) - prior * value)


def _products(gains: Tensor, at: _Samples) -> Tensor:
    """The product of gains that each visibility has, (M,)."""
    both = gains[at.scan, at.first] * gains[at.scan, at.second].conj()
    return torch.where(at.first == at.second, 1, both)


def _samples(measured: Visibilities) -> _Samples:
    first, second, stations = pairs(measured)
    scan, scans = scan_numbers(measured)
    return _Samples(first, second, scan, (scans, stations))


def remove_gains(measured: Visibilities, gains: Tensor) -> Visibilities:
    r"""The measurement without gains: :math:`V_{ij} / (g_i \bar g_j)`, and the noise in proportion.

    Args:
        gains: (scans, stations), of :func:`fit_gains`.

    Raises:
        ValueError: gains have another shape, or are 0; the noise, the scans or the baselines are not known.
    """
    at = _samples(measured)
    if gains.shape != at.shape or not bool(((gains.abs() > 0) & torch.isfinite(gains.abs())).all()):
        raise ValueError(f"gains: expected {at.shape} finite numbers that are not 0, got {tuple(gains.shape)}")
    factor = _products(gains.to(torch.complex128), at)
    y = (measured.y / factor).to(measured.y.dtype)
    std = (noise_of(measured) / factor.abs()).to(measured.y.real.dtype)[None, None]
    return measured.changed(f"gains of {at.shape[1]} stations in {at.shape[0]} scans", y=y, noise_std=std)
