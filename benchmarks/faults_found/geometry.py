"""Geometry: what detectors see, which way things turn, what samples weigh, where a map lies on the sky."""

import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from denoisers import MassDenoiser
from operators import (
    MRI,
    NUFFT,
    Blur,
    FanBeam,
    Inpainting,
    KaiserSquires,
    LensingConvention,
    RadioInterferometry,
    Radon,
    ReducedShear,
    Weighted,
    shear_signs,
    uv_coverage,
    visibility_weights,
)
from pnp import PnPADMM, Stop
from pnp.lensing import LognormalMaps, read_map, write_map

from .fault import fault

FULL = 2 * math.pi / 300 * torch.arange(300, dtype=torch.float64)


def chords(theta: Tensor, s: Tensor, radius: float = 50.0, centre: tuple[float, float] = (4.0, 2.0)) -> Tensor:
    """Line integrals of a disc of one along the lines (theta, s), (1, 1, angles, bins)."""
    away = s - centre[0] * theta.cos() - centre[1] * theta.sin()
    return 2 * (radius**2 - away**2).clamp_min(0).sqrt()[None, None]


def disc(op: Radon) -> Tensor:
    """The same in the bins of a parallel beam."""
    bins = torch.arange(op.detector_count) - (op.detector_count - 1) / 2
    return chords(op.angles[:, None], bins.double() * op.detector_spacing + op.offset)


def disc_of_fan(op: FanBeam) -> Tensor:
    """The same in those of a flat fan: its lines from the source to the bins."""
    bins = (torch.arange(op.detector_count) - (op.detector_count - 1) / 2).double() * op.detector_spacing
    gamma = torch.atan((bins + op.offset) / (op.source_distance + op.detector_distance))
    s = op.source_distance * gamma.sin() + op.centre_offset * gamma.cos()
    return chords(op.angles[:, None] - gamma, s)


def places(x: Tensor) -> tuple[str, bool]:
    """Means at three places of an image of the disc, and whether they are one."""
    means = [float(x[0, 0, 60:68, j : j + 8].mean()) for j in (30, 60, 90)]
    return " ".join(f"{m:.3f}" for m in means), max(abs(m - 1) for m in means) < 0.003


@fault("A9", "FBP of an offset detector all around, a disc of 1", before="1.79 and 1.28", right="1.000")
def _half_beam() -> tuple[str, bool]:
    op = Radon(128, FULL, 110, offset=40.0)
    return places(op.fbp(disc(op)))


@fault("A9", "FBP of a truncated detector", before="19.2 dB, silent", right="continued, with a warning")
def _truncated() -> tuple[str, bool]:
    op = Radon(128, FULL[:150], 80)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        inside = op.fbp(disc(op))[..., 48:80, 48:80]
    error = float((inside - 1).square().mean().sqrt())
    return f"error {error:.3f}, {len(seen)} warning", error < 0.1 and len(seen) == 1


@fault("B1", "fan beam, full turns in single precision", before="refused for 160, 200, 240 ...", right="taken")
def _single_precision() -> tuple[str, bool]:
    counts = (160, 200, 240, 360, 777, 1000)
    taken = 0
    for n in counts:
        op = FanBeam(16, np.arange(n, dtype=np.float32) * np.float32(2 * np.pi / n), 40.0, 20.0)
        taken += bool(op.fbp(op(torch.ones(1, 1, 16, 16))).isfinite().all())
    return f"{taken} of {len(counts)} taken", taken == len(counts)


@fault("B10", "fan beam, clockwise, detector offset by half a beam", before="no such argument", right="1.000")
def _half_fan() -> tuple[str, bool]:
    op = FanBeam(128, -FULL, 256.0, 200.0, 150, offset=60.0)
    return places(op.fbp(disc_of_fan(op)))


@fault("B10", "fan beam, short scan, centre of rotation off", before="a full turn is needed", right="1.000")
def _short_scan() -> tuple[str, bool]:
    op = FanBeam(128, FULL[:200], 256.0, 200.0, centre_offset=5.0)
    return places(op.fbp(disc_of_fan(op)))


@fault("A10", "beam with a third of the samples flagged by weights of -1", before="peak 0.51", right="that of the rest")
def _flagged() -> tuple[str, bool]:
    uv = uv_coverage("vla-d", samples=4)
    bad = torch.arange(uv.shape[1]) % 3 == 0
    op, rest = (RadioInterferometry(points, (64, 64), cell=8.0) for points in (uv, uv[:, ~bad]))
    beam, y = op.psf(1.0 - 2.0 * bad), op(torch.ones(1, 1, 64, 64))
    error = float((beam - rest.psf()).abs().max())
    dirty = op.dirty_image(torch.where(bad, torch.nan, y), 1.0 - 2.0 * bad)
    error = max(error, float((dirty - rest.dirty_image(y[..., ~bad])).abs().max() / dirty.abs().max()))
    return f"peak {float(beam.max()):.3f}, error {error:.0e}", error < 1e-4


@fault("A10", "Briggs' robust", before="CASA's and WSClean's + 0.15", right="theirs")
def _briggs() -> tuple[str, bool]:
    # ten samples in one cell, one in another: mean density (10 * 10 + 1) / 11 by hand
    points = torch.tensor([[0.5] * 10 + [1.5], [0.5] * 10 + [0.1]], dtype=torch.float64)
    w = visibility_weights(points, (16, 16), "briggs", robust=0.0)
    robust = -0.5 * math.log10(float((1 / w[0] - 1) / 10) * (101 / 11) / 25)
    return f"theirs {robust:+.2f}", abs(robust) < 1e-6


@fault("A12", "place of a source in a map of visibilities", before="14.1 arcsec off, TAN", right="where it is")
def _place() -> tuple[str, bool]:
    from astropy.wcs import WCS

    uv, cell = uv_coverage("vla-d", samples=3, frequency=1e8), 20.0
    op = RadioInterferometry(uv, (64, 64), cell=cell)
    l, m = (math.radians(n * cell / 3600) for n in (9, -14))  # nine pixels east, fourteen south
    image = op.dirty_image(torch.exp(-2j * torch.pi * (uv[0] * l + uv[1] * m))[None, None])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.fits"
        write_map(path, image, centre=(150.0, -30.0), pixel_scale=cell / 60, east="left", unit="Jy/beam", frequency=1e8)
        header = read_map(path).header
    d0 = math.radians(-30)  # right ascension and declination of direction cosines
    n = math.sqrt(1 - l * l - m * m)
    dec = math.asin(m * math.cos(d0) + n * math.sin(d0))
    ra = math.radians(150) + math.atan2(l, n * math.cos(d0) - m * math.sin(d0))
    row, column = divmod(int(image.argmax()), 64)
    found = WCS(header).celestial.pixel_to_world_values(column, row)
    away = math.hypot((found[0] - math.degrees(ra)) * math.cos(dec), found[1] - math.degrees(dec)) * 3600
    keys = header["CTYPE1"][-3:], header["BUNIT"], header["CRVAL3"]
    return f"{away:.1e} arcsec off, {keys[0]}", away < 1e-6 and keys == ("SIN", "Jy/beam", 1e8)


@fault("A11", "signs of four catalogues, and of each drawn mirrored", before="to be guessed", right="8 of 8")
def _signs() -> tuple[str, bool]:
    masses = (torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0)) > 0.99).float()
    right = 0
    for sign in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        y = KaiserSquires((96, 96), convention=LensingConvention(sign=sign))(masses)
        right += (shear_signs(y).sign == sign) + (shear_signs(y.flip(-1)).sign == (sign[0], -sign[1]))
    return f"{right} of 8", right == 8


@fault("A11", "reduced shear of a peak of 0.88, 40 steps", before="diverges, silent", right="found, or a warning")
def _reduced_shear() -> tuple[str, bool]:
    t = torch.arange(64, dtype=torch.float64) - 32
    kappa = 0.88 * torch.exp(-(t[:, None] ** 2 + t**2) / 128)[None, None]
    op = KaiserSquires((64, 64))
    model, kappa = ReducedShear(op), kappa - kappa.mean()
    g = torch.cat((model(kappa), model(kappa) + 0.05 * torch.randn(1, 1, 64, 64, dtype=torch.complex128)))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = model.solve(g, lambda y: op.inverse(y, exact=True), steps=40)
    error = float((found[0] - kappa[0]).norm() / kappa.norm())
    return f"error {error:.0e}; with noise {len(seen)} warning", error < 1e-3 and len(seen) > 0


@fault("A11", "prior of mass for pixels of 0.29 arcmin, maps of 0.4", before="passes", right="a warning")
def _pixel_scale() -> tuple[str, bool]:
    op = KaiserSquires((32, 32), pixel_scale=0.4)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        PnPADMM(op, MassDenoiser(), noise_std=0.1, stop=Stop(max_iter=2)).solve(
            op(LognormalMaps(1, (32, 32), 0.4)[0][None])
        )
    told = [str(w.message) for w in seen if "arcmin" in str(w.message)]
    return told[0] if told else "silent", len(told) == 1


@fault("B12", "star imports over astropy's fits, and names such as image, noise, plot", before="replaced", right="kept")
def _star() -> tuple[str, bool]:
    mine = ("fits", "image", "noise", "plot", "data", "files", "maps")
    names: dict[str, object] = dict.fromkeys(mine, "mine")
    for package in ("pnp", "operators", "denoisers", "pnp.lensing", "pnp.train"):
        exec(f"from {package} import *", names)
    lost = [n for n in mine if names[n] != "mine"]
    return f"lost: {', '.join(lost) or 'none'}", not lost


@fault("B6", "big-endian arrays: angles, mask, points, coil maps, kernel, weights", before="errors", right="8 of 8")
def _big_endian() -> tuple[str, bool]:
    r = np.random.default_rng(0)
    points, maps, square = r.uniform(-3, 3, (2, 9)), r.normal(size=(2, 8, 8)), r.random((8, 8))
    cases = (
        (lambda a: Radon(8, a), points[0]),
        (lambda a: FanBeam(8, a, 20.0, 10.0), points[0]),
        (Inpainting, square),
        (MRI, square),
        (lambda m: MRI(torch.ones(8, 8), m), maps),
        (lambda p: NUFFT(p, (8, 8)), points),
        (lambda k: Blur(k, (8, 8)), square[:3, :3]),
        (lambda w: Weighted(w[None]), square),
    )
    x, right = torch.rand(1, 1, 8, 8), 0
    for make, array in cases:
        big = array.astype(array.dtype.newbyteorder(">"))
        right += bool(torch.equal(make(big).A(x), make(torch.from_numpy(array.copy())).A(x)))
    return f"{right} of {len(cases)}", right == len(cases)


@fault("B9", "weights of the sinogram's own shape; fbp behind weights and multiples",
       before="refused; no attribute", right="taken; a place")  # fmt: skip
def _weighted() -> tuple[str, bool]:
    op, x = Radon(16, FULL[:20]), torch.rand(1, 1, 16, 16)
    weights = 1 / (1 + op(x).abs())
    error = float(((Weighted(weights) @ op).A(x) - weights * op(x)).abs().max())
    told = []
    for made in (Weighted(weights) @ op, 2 * op):
        try:
            _ = made.fbp
        except AttributeError as missing:
            told.append(str(missing).split("; ")[-1].split(" is ")[0])
    return f"error {error:.0e}; {', '.join(told)}", error == 0 and told == [".inner.fbp", ".operator.fbp"]
