"""Visibilities in UVFITS files: random groups, as AIPS, CASA, eht-imaging and others write them."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from .opening import named, package, within
from .visibilities import Visibilities, measured_visibilities

__all__ = ["read_uvfits", "total_intensity"]

_HANDS = {
    1: "I",
    2: "Q",
    3: "U",
    4: "V",
    -1: "RR",
    -2: "LL",
    -3: "RL",
    -4: "LR",
    -5: "XX",
    -6: "YY",
    -7: "XY",
    -8: "YX",
}
_DAY = 86400.0


def read_uvfits(
    path: str | Path, *, stokes: str = "I", sign: int = -1, source: int | None = None, **options: Any
) -> Visibilities:
    """The visibilities of a UVFITS file, all its channels and spectral windows in one image.

    Baselines are in seconds there, and V = Σ I exp(-2 pi i (u l + v m + ...)) with u, v of antenna 1 minus antenna 2.

    Args:
        stokes: ``"I"``, of the two parallel hands where the file has no I, of one where the other is flagged; or the
            name of a hand of the file, such as ``"RR"``.
        sign: of the exponent; 1 where the file has V = Σ I exp(2 pi i (u l + v m + ...)), as those of the EHT have:
            the conjugate visibilities are read. The other sign turns the sky by half a turn.
        source: number of the source; needed where there are several, which do not lie in one image.
        options: of :func:`pnp.io.visibilities.measured_visibilities`: ``sigma``, ``image_shape``, ``cell``.

    Autocorrelations are left out.

    Raises:
        ValueError: the file is broken, or holds no such hand or source; it is named. ImportError: astropy is missing.

    AIPS Memo 117 (Greisen 2012). astropy reads random groups as they are, and nothing else is needed; pyuvdata, with
    which the tests compare, is a package of telescopes, whose antennas and times an image does not need.
    """
    if sign not in (1, -1):
        raise ValueError(f"sign: expected 1 or -1, got {sign!r}")
    fits = package("astropy.io.fits", "radio")
    with named(path), fits.open(path, memmap=False, lazy_load_hdus=True) as file:
        header, axes = file[0].header, _axes(path, file[0].header)
        groups = file[0].data
        values = _values(np.asarray(groups.data), axes)  # (N, hands, windows, channels, 2 or 3)
        count = len(values)
        windows, channels = _windows(file, values.shape[2]), _along(header, axes.index("FREQ") + 2)
        frequencies = (windows[:, None] + channels).ravel()
        if not (np.isfinite(frequencies).all() and (frequencies > 0).all()):
            raise ValueError("frequencies are not positive")
        values = values.reshape(*values.shape[:2], -1, values.shape[-1]).astype(np.float64)
        hands = [_HANDS.get(round(h), "?") for h in _along(header, axes.index("STOKES") + 2).tolist()]
        data = dict(zip(hands, (values[..., 0] - sign * 1j * values[..., 1]).swapaxes(0, 1)))
        weights = values[..., 2] if values.shape[-1] == 3 else np.ones(values.shape[:-1])
        y, w = total_intensity(data, dict(zip(hands, weights.swapaxes(0, 1))), stokes)
        seconds = np.stack([_parameter(groups, c + c, count) for c in "UVW"])
        said = {"instrument": str(header.get("TELESCOP", "")).strip(), "object": str(header.get("OBJECT", "")).strip(),
                "stokes": stokes, "centre": _centre(header, axes), "frequency": float(frequencies.mean()),
                "unit": str(header.get("BUNIT", "")).strip(), "sign of the exponent": sign}  # fmt: skip
        columns = {"time": _DAY * _parameter(groups, "DATE", count), "baseline": _baseline(groups, count)}
        used = _used(groups, columns["baseline"], source)
    n = len(frequencies)
    return measured_visibilities(
        (seconds[:, used, None] * frequencies).reshape(3, -1), y[used].ravel(), w[used].ravel(), provenance=said,
        frequency=np.tile(frequencies, int(used.sum())), **{k: np.repeat(v[used], n) for k, v in columns.items()},
        **options,
    )  # fmt: skip


def _used(groups: Any, baseline: np.ndarray, source: int | None) -> np.ndarray:
    """Which rows are of the source, and of two antennas."""
    used = (baseline >> 16 != baseline & 0xFFFF) | (baseline == 0)  # 0: the file does not say
    if any(name.strip().upper() == "SOURCE" for name in groups.parnames):
        numbers = np.round(_parameter(groups, "SOURCE", len(used))).astype(np.int64)
        there = np.unique(numbers[used])
        if source is None and len(there) > 1:
            raise ValueError(f"source: holds sources {', '.join(map(str, there))}; say which")
        used &= numbers == source if source is not None else True
    elif source is not None:
        raise ValueError("source: the file does not tell several apart")
    if not used.any():
        raise ValueError(f"holds no baselines of two antennas{'' if source is None else f' of source {source}'}")
    return used


def _axes(path: str | Path, header: Any) -> list[str]:
    """Names of the axes from the second on, after a look whether the file can hold what it declares."""
    if not header.get("GROUPS") or header.get("NAXIS1") != 0:
        raise ValueError("holds no random groups, as UVFITS files do")
    numbers = range(2, header["NAXIS"] + 1)
    sizes = [int(header[f"NAXIS{k}"]) for k in numbers]
    count, parameters = int(header["GCOUNT"]), int(header["PCOUNT"])
    if not sizes or min(sizes) < 1 or count < 1 or parameters < 0:
        raise ValueError("declares no visibilities")
    within(path, (count, math.prod(sizes) + parameters), abs(int(header["BITPIX"])) // 8)
    return [str(header.get(f"CTYPE{k}", "")).strip().upper() for k in numbers]


def _values(values: np.ndarray, axes: list[str]) -> np.ndarray:
    """Visibilities as (N, hands, windows, channels, 2 or 3)."""
    place = {name: values.ndim - 1 - k for k, name in enumerate(axes)}  # FITS' axes run backwards
    if not {"COMPLEX", "STOKES", "FREQ"} <= place.keys() or values.shape[place["COMPLEX"]] not in (2, 3):
        raise ValueError(f"expected axes COMPLEX, STOKES and FREQ, got {', '.join(a for a in axes if a)}")
    order = [0, place["STOKES"], place["FREQ"], place["COMPLEX"]]
    rest = [k for k in range(values.ndim) if k not in order]
    if any(values.shape[k] != 1 for k in rest if k != place.get("IF")):
        raise ValueError(f"expected no axes but COMPLEX, STOKES, FREQ and IF, got shape {values.shape}")
    rest.sort(key=lambda k: k != place.get("IF"))
    return values.transpose(0, order[1], *rest, order[2], order[3]).reshape(
        len(values), values.shape[order[1]], -1, values.shape[order[2]], values.shape[order[3]]
    )


def total_intensity(data: dict[str, np.ndarray], weights: dict[str, np.ndarray], stokes: str) -> tuple[Any, Any]:
    """Data and weights of Stokes I from those of the hands, or of a hand: I is half the sum of the parallel hands, with
    the weight of that sum; where one of them is flagged, the other. Infinite weights are those of flagged samples."""
    if stokes in data:
        return data[stokes], weights[stokes]
    pair = next((p for p in (("RR", "LL"), ("XX", "YY")) if p[0] in data or p[1] in data), None)
    if stokes != "I" or pair is None:
        raise ValueError(f"stokes: {stokes!r} is not in the file, which holds {', '.join(data)}")
    if not all(h in data for h in pair):
        (only,) = [h for h in pair if h in data]
        return data[only], weights[only]
    v, w = (np.stack([d[h] for h in pair]) for d in (data, weights))
    good = np.isfinite(w) & (w > 0) & np.isfinite(v)
    v, w = np.where(good, v, 0), np.where(good, w, 0)
    both = good.all(0)
    variance = np.divide(1, w, out=np.zeros(w.shape), where=good).sum(0)
    total = np.divide(4, variance, out=w.sum(0), where=both)
    return np.where(both, v.sum(0) / 2, v.sum(0)), total


def _along(header: Any, number: int) -> np.ndarray:
    """Values along a FITS axis."""
    n = int(header[f"NAXIS{number}"])
    start, step, pixel = (float(header.get(f"{k}{number}", d)) for k, d in (("CRVAL", 0), ("CDELT", 1), ("CRPIX", 1)))
    return start + step * (np.arange(n) + 1 - pixel)


def _windows(file: Any, count: int) -> np.ndarray:
    """Offsets of the spectral windows, Hz."""
    table = next((u for u in file[1:] if u.name == "AIPS FQ"), None)
    if table is None:
        if count > 1:
            raise ValueError(f"has {count} spectral windows, but no table AIPS FQ of their frequencies")
        return np.zeros(count)
    if len(table.data) > 1:
        raise ValueError(f"the table AIPS FQ has {len(table.data)} sets of frequencies; split the file by FREQSEL")
    found = np.atleast_1d(np.asarray(table.data["IF FREQ"][0], dtype=np.float64)).ravel()
    if len(found) != count:
        raise ValueError(f"the table AIPS FQ has {len(found)} spectral windows, the data {count}")
    return found


def _parameter(groups: Any, name: str, count: int) -> np.ndarray:
    """A random parameter, (N,): the sum of all of that name, such as both parts of a date."""
    found = [k for k, n in enumerate(groups.parnames) if n.strip("-").split("-")[0].strip().upper().startswith(name)]
    if not found and name == "WW":
        return np.zeros(count)
    if not found:
        raise ValueError(f"holds no parameter {name}, only {', '.join(groups.parnames)}")
    return np.sum([np.asarray(groups.field(k), dtype=np.float64) for k in found], 0)


def _baseline(groups: Any, count: int) -> np.ndarray:
    """2^16 times the first antenna, and the second."""
    names = [n.upper() for n in groups.parnames]
    if "BASELINE" in names:
        number = np.round(groups.field(names.index("BASELINE"))).astype(np.int64)
        base = np.where(number > 2**16, 2048, 256)  # more than 255 antennas: AIPS Memo 117, section 3.1.2
        first, second = np.divmod(number - np.where(number > 2**16, 2**16, 0), base)
        return 2**16 * first + second
    if "ANTENNA1" in names and "ANTENNA2" in names:
        one, two = (np.round(groups.field(names.index(n))).astype(np.int64) for n in ("ANTENNA1", "ANTENNA2"))
        return 2**16 * one + two
    return np.zeros(count, np.int64)


def _centre(header: Any, axes: list[str]) -> tuple[float, float] | None:
    """Right ascension and declination of the phase centre, degrees."""
    if "RA" not in axes or "DEC" not in axes:
        return None
    return tuple(float(header.get(f"CRVAL{axes.index(name) + 2}", 0)) for name in ("RA", "DEC"))  # type: ignore[return-value]
