"""Visibilities averaged over time or scans, or in cells of the uv plane."""

from dataclasses import replace

import torch
from torch import Tensor

from ...io.visibilities import Visibilities
from .stations import noise_of, without_flagged

__all__ = ["average_cells", "average_scans", "average_time"]


def average_time(measured: Visibilities, seconds: float) -> Visibilities:
    r"""Means over intervals of time of each baseline and channel, with weights :math:`w = 1/\sigma^2`.

    .. math:: \bar V = \sum w V / \sum w, \qquad \bar\sigma = (\sum w)^{-1/2}

    u, v, w are averaged alike. Intervals that smear sources far from the centre are the user's to avoid: a source at
    the distance r turns by about :math:`2\pi\, |u|\, r\, \omega\, t`, with the Earth's :math:`\omega` of 7.3e-5 / s.

    Raises:
        ValueError: the file has no times or baselines, the noise is not known, or ``seconds`` is not positive.

    Thompson, Moran, Swenson 2017, doi:10.1007/978-3-319-44431-4, section 6.4.
    """
    if not 0 < seconds < float("inf"):
        raise ValueError(f"seconds: expected a finite number > 0, got {seconds!r}")
    measured = without_flagged(measured)
    time = _times(measured)
    return _by_baseline(measured, torch.floor((time - time.min()) / seconds).long(), f"averaged over {seconds:g} s")


def average_scans(measured: Visibilities, *, gap: float = 120.0) -> Visibilities:
    """Means over scans of each baseline and channel, as those of :func:`average_time`. A scan ends where no baseline
    has a sample for ``gap`` seconds; ``columns["scan"]`` counts them from 0.

    Raises:
        ValueError: the file has no times or baselines, the noise is not known, or ``gap`` is not positive.
    """
    if not 0 < gap < float("inf"):
        raise ValueError(f"gap: expected a finite number of seconds > 0, got {gap!r}")
    measured = without_flagged(measured)
    times, at = _times(measured).unique(return_inverse=True)
    scan = torch.nn.functional.pad((times.diff() > gap).cumsum(0), (1, 0))[at]
    with_scans = replace(measured, columns={**measured.columns, "scan": scan})
    return _by_baseline(with_scans, scan, f"averaged over {int(scan.max()) + 1} scans")


def _times(measured: Visibilities) -> Tensor:
    missing = [name for name in ("time", "baseline") if name not in measured.columns]
    if missing:
        raise ValueError(f"measured: the file says no {' and no '.join(missing)}; average_cells needs none")
    time = measured.columns["time"].double()
    if not bool(torch.isfinite(time).all()):
        raise ValueError("measured: its times hold NaN or infinite values")
    return time


def _by_baseline(measured: Visibilities, interval: Tensor, said: str) -> Visibilities:
    """Means of each baseline and channel over intervals, numbers (M,)."""
    keys = [interval, measured.columns["baseline"].long()]
    if "frequency" in measured.columns:
        keys.append(measured.columns["frequency"].unique(return_inverse=True)[1])
    return _averaged(measured, torch.stack(keys), None, said)


def average_cells(measured: Visibilities, *, field: float, share: float = 0.1) -> Visibilities:
    r"""Means over square cells of the uv plane of the side ``share`` / field, over which a sky of that size changes
    visibilities little: a cell's samples differ by up to :math:`\pi` ``share`` at the edge of the field.

    Weights as of :func:`average_time`. Samples of v < 0 are conjugated first, as those of a real sky may be.

    Args:
        field: arcsec, the side of what is bright.
        share: 0 ... 1.

    Raises:
        ValueError: an argument is out of range, or the noise is not known.
    """
    if not 0 < field < float("inf") or not 0 < share <= 1:
        raise ValueError(f"field, share: expected arcsec > 0 and 0 ... 1, got {field!r}, {share!r}")
    measured = without_flagged(measured)
    side = share / (field * torch.pi / 180 / 3600)
    uv = measured.arguments["uv"].double()
    turned = (uv[1] < 0) | ((uv[1] == 0) & (uv[0] < 0))
    keys = torch.round(torch.where(turned, -uv, uv) / side).long()
    return _averaged(measured, keys, turned, f"averaged in uv cells of {side:.3g} wavelengths")


def _averaged(measured: Visibilities, keys: Tensor, turned: Tensor | None, said: str) -> Visibilities:
    w = noise_of(measured) ** -2
    group = keys.unique(dim=1, return_inverse=True)[1]
    count = int(group.max()) + 1
    total = torch.zeros(count, dtype=torch.float64, device="cpu").index_add_(0, group, w)
    sign = torch.ones_like(w) if turned is None else torch.where(turned, -1.0, 1.0).double()

    def mean(values: Tensor) -> Tensor:
        sums = torch.zeros(*values.shape[:-1], count, dtype=torch.float64, device="cpu")
        return sums.index_add_(-1, group, values.double() * w) / total

    y = measured.y
    averaged = torch.complex(mean(y.real), mean(y.imag * sign)).to(y.dtype)
    arguments = dict(measured.arguments)
    arguments |= {k: mean(sign * arguments[k]) for k in ("uv", "w") if arguments.get(k) is not None}
    if arguments.get("gain") is not None:
        arguments["gain"] = mean(arguments["gain"])
    columns = {k: mean(v) for k, v in measured.columns.items() if k in ("time", "frequency")}
    for name in ("baseline", "scan"):
        if name in measured.columns and turned is None:
            none = torch.zeros(count, dtype=torch.long, device="cpu")
            columns[name] = none.scatter_(0, group, measured.columns[name].long())
    std = total.rsqrt().float()[None, None]
    said = f"{said}: {y.shape[-1]:,} to {count:,}"
    return measured.changed(said, y=averaged, arguments=arguments, noise_std=std, columns=columns)
