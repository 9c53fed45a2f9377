"""Good files of visibilities, shear and radio images, for `python -m benchmarks.fuzz`, and their reader."""

import atexit
import functools
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

__all__ = ["SKY", "measurement_set_case", "read_measured"]

ROWS = 24


def _columns() -> dict[str, np.ndarray]:
    g = np.random.default_rng(0)
    place = {"ra": 10 + 0.1 * g.uniform(size=ROWS), "dec": 5 + 0.1 * g.uniform(size=ROWS)}
    shape = {"e1": 0.2 * g.normal(size=ROWS), "e2": 0.2 * g.normal(size=ROWS)}
    return {**place, **shape, "weight": g.uniform(0.5, 1, ROWS), "m": np.full(ROWS, -0.1)}


def _uvfits(path: Path) -> None:
    from astropy.io import fits

    g = np.random.default_rng(0)
    data = g.normal(size=(ROWS, 1, 1, 1, 2, 2, 3)).astype(np.float32)
    names = ["UU---SIN", "VV---SIN", "WW---SIN", "BASELINE", "DATE"]
    values = [*(1e-6 * g.normal(size=(3, ROWS))), np.full(ROWS, 258.0), np.full(ROWS, 2457850.5)]
    groups = fits.GroupData(data, bitpix=-32, parnames=names, pardata=[v.astype(np.float32) for v in values])
    unit = fits.GroupsHDU(groups)
    axes = (("COMPLEX", 1, 1), ("STOKES", -1, -1), ("FREQ", 1e9, 1e8), ("IF", 1, 1), ("RA", 83.6, 1), ("DEC", 22.0, 1))
    for k, (name, value, step) in enumerate(axes, 2):
        unit.header[f"CTYPE{k}"], unit.header[f"CRVAL{k}"] = name, value
        unit.header[f"CDELT{k}"], unit.header[f"CRPIX{k}"] = step, 1
    fits.HDUList([unit]).writeto(path)


def _table(path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(ROWS, 5))
    np.savetxt(path, values, header="u[klambda],v,re,im,weight", delimiter=",", comments="")


def _catalogue(path: Path) -> None:
    from astropy.io import fits

    if path.suffix == ".csv":
        np.savetxt(path, np.stack([*_columns().values()], 1), header=",".join(_columns()), delimiter=",", comments="")
        return
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            for name, values in _columns().items():
                file.create_dataset(name, data=values, compression="gzip")
        return
    columns = [fits.Column(n, "D", array=v) for n, v in _columns().items()]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)


def _image(path: Path) -> None:
    from astropy.io import fits

    header = fits.Header()
    for name, value in {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRVAL1": 10.0, "CRVAL2": 5.0, "CRPIX1": 9.0,
                        "CRPIX2": 9.0, "CDELT1": -0.01, "CDELT2": 0.01, "BMAJ": 0.03, "BMIN": 0.02, "BPA": 30.0,
                        "BUNIT": "JY/BEAM"}.items():  # fmt: skip
        header[name] = value
    pair = np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32)
    units = [fits.PrimaryHDU(pair[0], header), *([fits.ImageHDU(pair[1])] if "e1" in path.name else [])]
    fits.HDUList(units).writeto(path)


def _measurement_set(path: Path) -> None:
    from casacore import tables

    g = np.random.default_rng(0)
    column = tables.makearrcoldesc("DATA", 0j, valuetype="complex", shape=[2, 2])
    with tables.default_ms(str(path), tables.maketabdesc([column])) as ms:
        ms.addrows(ROWS)
        ms.putcol("UVW", 100 * g.normal(size=(ROWS, 3)))
        ms.putcol("DATA", g.normal(size=(ROWS, 2, 2)) + 0j)
        ms.putcol("FLAG", np.zeros((ROWS, 2, 2), bool))
        ms.putcol("WEIGHT", np.ones((ROWS, 2), np.float32))
        ms.putcol("ANTENNA2", 1 + np.arange(ROWS) % 3)
    for name, cells in {
        "SPECTRAL_WINDOW": {"CHAN_FREQ": np.array([1e9, 1.1e9])},
        "POLARIZATION": {"CORR_TYPE": np.array([9, 12], np.int32)},
        "DATA_DESCRIPTION": {},
        "FIELD": {"PHASE_DIR": np.zeros((1, 2))},
    }.items():
        with tables.table(f"{path}/{name}", readonly=False, ack=False) as table:
            table.addrows(1)
            for cell, value in cells.items():
                table.putcell(cell, 0, value)


SKY: dict[str, Callable[[Path], None]] = {
    "uvfits": _uvfits,
    "uv.csv": _table,
    "catalogue.fits": _catalogue,
    "catalogue.csv": _catalogue,
    "catalogue.h5": _catalogue,
    "e1.fits": _image,
    "radio.fits": _image,
    "ms": _measurement_set,
}
"""By the end of the file's name."""


def good(kind: str) -> list[bytes]:
    """Good files; of a measurement set each of its files with its name in front."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        SKY[kind](path)
        if not path.is_dir():
            read_measured(path)  # it is good; and what readers import is not counted as time of the first mutation
            return [path.read_bytes()]
        parts = sorted(p for p in path.rglob("*") if p.is_file() and p.stat().st_size)
        return [str(p.relative_to(path)).encode() + b"\0" + p.read_bytes() for p in parts]


def measurement_set_case(whole: list[bytes], rng: random.Random, mutate: Callable[..., bytes]) -> bytes:
    """A file of a measurement set, mutated, with its name in front."""
    used = [w for w in whole if w.partition(b"/")[0] in _READ or b"/" not in w.partition(b"\0")[0]]
    name, _, body = rng.choice(used).partition(b"\0")
    return name + b"\0" + mutate(body, rng)


_READ = (b"SPECTRAL_WINDOW", b"POLARIZATION", b"DATA_DESCRIPTION", b"FIELD", b"OBSERVATION")


def read_measured(path: Path) -> None:
    """Open a measurement, and make its operator."""
    from pnp.io import open as open_measurement

    if path.suffix != ".ms":
        open_measurement(path, **({"unit": "lambda"} if path.name.endswith("uv.csv") else {})).operator()
        return
    name, _, body = path.read_bytes().partition(b"\0")
    part = _whole_set() / name.decode()
    before = part.read_bytes()
    part.write_bytes(body)
    try:
        open_measurement(_whole_set()).operator()
    finally:
        part.write_bytes(before)


@functools.cache
def _whole_set() -> Path:
    """A good measurement set, one for each process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _measurement_set(folder / "a.ms")
    return folder / "a.ms"
