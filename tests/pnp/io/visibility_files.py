"""Files of visibilities of two known sources, as other packages write them."""

import math
from typing import Any

import numpy as np

CELL, SHAPE, NU = 20.0, (48, 40), np.array([1.0e9, 1.1e9])
SOURCES = ((2.0, 5, -7), (0.7, -11, 4))  # flux, pixels to the north, to the east
LIGHT = 299_792_458.0


def baselines(rows: int = 60, seed: int = 0) -> np.ndarray:
    """Metres, (3, rows)."""
    return np.random.default_rng(seed).normal(size=(3, rows)) * np.array([[300.0], [300.0], [200.0]])


def sums(metres: np.ndarray, nu: np.ndarray = NU) -> Any:
    """Visibilities (rows, channels) by their definition."""
    uvw = metres[..., None] * nu / LIGHT
    total = np.zeros(uvw.shape[1:], complex)
    for flux, north, east in SOURCES:
        l, m = (math.radians(n * CELL / 3600) for n in (east, north))
        total += flux * np.exp(-2j * np.pi * (uvw[0] * l + uvw[1] * m + uvw[2] * (math.sqrt(1 - l * l - m * m) - 1)))
    return total


def write_uvfits(path, *, flagged: int = 3, seed: int = 0, height: float = 1.0) -> np.ndarray:
    """RR and LL, weights 4 and 16, the last rows flagged; gives the baselines."""
    from astropy.io import fits

    metres = baselines(seed=seed)
    metres[2] *= height
    v = sums(metres)
    data = np.zeros((metres.shape[1], 1, 1, 1, len(NU), 2, 3), np.float32)
    for k, weight in enumerate((4.0, 16.0)):
        data[:, 0, 0, 0, :, k, 0], data[:, 0, 0, 0, :, k, 1], data[..., k, 2] = v.real, v.imag, weight
    data[len(data) - flagged :, ..., 2] = -1
    names = ["UU---SIN", "VV---SIN", "WW---SIN", "BASELINE", "DATE", "DATE"]
    rows = np.arange(metres.shape[1])
    values = [*(metres / LIGHT), 256.0 * (1 + rows % 3) + 5, np.full(len(rows), 2457850.0), 0.001 * (rows // 3)]
    groups = fits.GroupData(data, bitpix=-32, parnames=names, pardata=[v.astype(np.float32) for v in values])
    unit = fits.GroupsHDU(groups)
    axes = (
        ("COMPLEX", 1, 1),
        ("STOKES", -1, -1),
        ("FREQ", NU[0], NU[1] - NU[0]),
        ("IF", 1, 1),
        ("RA", 83.6, 1),
        ("DEC", 22.0, 1),
    )
    for k, (name, value, step) in enumerate(axes, 2):
        unit.header[f"CTYPE{k}"], unit.header[f"CRVAL{k}"] = name, value
        unit.header[f"CDELT{k}"], unit.header[f"CRPIX{k}"] = step, 1
    unit.header["OBJECT"], unit.header["TELESCOP"], unit.header["BUNIT"] = "PAIR", "EVLA", "JY"
    fits.HDUList([unit]).writeto(path, overwrite=True)
    return metres


def write_measurement_set(path, *, flagged: int = 3) -> np.ndarray:
    """XX and YY by casacore, with an autocorrelation; gives the baselines."""
    from casacore import tables

    metres = baselines(seed=1)
    v, n = sums(metres), metres.shape[1]
    column = tables.makearrcoldesc("DATA", 0j, valuetype="complex", shape=[len(NU), 2])
    with tables.default_ms(str(path), tables.maketabdesc([column])) as ms:
        ms.addrows(n + 1)
        ms.putcol("UVW", np.concatenate((metres.T, np.zeros((1, 3)))))
        ms.putcol("DATA", np.repeat(np.concatenate((v, 99 * np.ones((1, 2))))[..., None], 2, 2))
        flags = np.zeros((n + 1, len(NU), 2), bool)
        flags[:flagged] = True
        ms.putcol("FLAG", flags)
        ms.putcol("WEIGHT", np.tile(np.array([4.0, 16.0], np.float32), (n + 1, 1)))
        ms.putcol("SIGMA", np.ones((n + 1, 2), np.float32))
        ms.putcol("ANTENNA2", np.append(1 + np.arange(n) % 4, 0))
        ms.putcol("TIME", 5e9 + 10.0 * (np.arange(n + 1) // 4))
    with tables.table(f"{path}/SPECTRAL_WINDOW", readonly=False, ack=False) as t:
        t.addrows(1)
        t.putcell("CHAN_FREQ", 0, NU)
        t.putcell("NUM_CHAN", 0, len(NU))
    with tables.table(f"{path}/POLARIZATION", readonly=False, ack=False) as t:
        t.addrows(1)
        t.putcell("CORR_TYPE", 0, np.array([9, 12], np.int32))
    with tables.table(f"{path}/DATA_DESCRIPTION", readonly=False, ack=False) as t:
        t.addrows(1)
    with tables.table(f"{path}/FIELD", readonly=False, ack=False) as t:
        t.addrows(1)
        t.putcell("PHASE_DIR", 0, np.radians([[83.6, 22.0]]))
    with tables.table(f"{path}/OBSERVATION", readonly=False, ack=False) as t:
        t.addrows(1)
        t.putcell("TELESCOPE_NAME", 0, "TEST")
    return metres


def sky() -> np.ndarray:
    """The sources as an image."""
    image = np.zeros(SHAPE)
    for flux, north, east in SOURCES:
        image[SHAPE[0] // 2 + north, SHAPE[1] // 2 - east] = flux
    return image
