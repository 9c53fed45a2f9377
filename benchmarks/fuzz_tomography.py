"""Files of tomography for :mod:`benchmarks.fuzz`: how each is written by others, and read by us."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["TOMOGRAPHY"]

ANGLES = np.arange(24) * 0.1


def _counts(array: np.ndarray) -> np.ndarray:
    """Projections (24, 1, bins), the last one a flat field, of the array's type."""
    counts = 50 + array.reshape(24, 1, -1) % 50
    counts[-1] = 120
    return counts


def _exchange(path: Path, array: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("exchange")
        counts = _counts(array)
        for name, values in (("data", counts), ("data_white", counts[-1:]), ("data_dark", 0 * counts[:2])):
            group.create_dataset(name, data=values, compression="gzip" if array.ndim == 3 else None)
        group["theta"] = np.rad2deg(ANGLES)


def _nxtomo(path: Path, array: np.ndarray) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        place = "entry/instrument/detector"
        file.create_dataset(f"{place}/data", data=_counts(array), chunks=True, compression="gzip")
        file[f"{place}/image_key"] = np.array([*[0] * 23, 1], "i1")
        file["entry/sample/rotation_angle"] = np.rad2deg(ANGLES)


def _htc(path: Path, array: np.ndarray) -> None:
    from scipy.io import savemat

    lengths = {"distanceSourceOrigin": 400.0, "distanceSourceDetector": 500.0, "pixelSizePost": 0.2}
    scan = {"type": "2d", "sinogram": array.reshape(24, -1).astype(float), "parameters": {**lengths, "angles": ANGLES}}
    savemat(path, {"CtDataLimited": scan}, do_compression=array.ndim == 3)


def _stack(path: Path, array: np.ndarray) -> None:
    import tifffile

    pages = _counts(array)
    tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib" if array.ndim == 3 else None)


def _settings(path: Path, array: np.ndarray) -> None:
    path.write_text(
        "[GEOMETRY]\nDistanceSourceOrigin=400\nDistanceSourceDetector = 500 mm\nPixelSize: 0.1\n"
        "AngleFirst;float;0;degree\nAngleInterval;float;15;degree\n" + "# remark\n" * array.ndim
    )


def _folder(path: Path) -> None:
    """Settings of a scan, beside its projections."""
    import tifffile

    from pnp import io

    if not (path.parent / "p0.tif").exists():
        for number in range(24):
            tifffile.imwrite(path.parent / f"p{number}.tif", np.full((2, 9), 7 + number % 3, "u2"))
        tifffile.imwrite(path.parent / "flat.tif", np.full((2, 9), 20, "u2"))
    io.open(path.parent).operator(image_shape=8)


def _opened(**options: Any) -> Callable[[Path], None]:
    """As a measurement; the operator is made, where it is of a size that is told."""

    def read(path: Path) -> None:
        from pnp import io

        io.open(path, **options)

    return read


TOMOGRAPHY: dict[str, tuple[Callable[[Path, np.ndarray], None], Callable[[Path], None]]] = {
    "hdf5": (_exchange, _opened()),
    "nxs": (_nxtomo, _opened(rows=0)),
    "mat": (_htc, _opened()),
    "tiff": (_stack, _opened(angles=ANGLES, logged=True)),
    "ini": (_settings, _folder),
}
