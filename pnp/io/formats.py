"""Formats of measured data, one file each, and which of them a path is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from .fastmri import measured_fastmri
from .measurement import Measurement
from .npz import read_npz
from .opening import named, package

__all__ = ["FORMATS", "Format", "open"]


class Format(NamedTuple):
    """A format: its name, what tells it (the name of the path, then a look into the file), its reader."""

    name: str
    endings: tuple[str, ...]  # lower case; empty: a folder
    matches: Callable[[Path], bool]  # of files with such an ending, which several formats may share
    read: Callable[..., Measurement]


def _has(*names: str) -> Callable[[Path], bool]:
    """Whether an HDF5 file holds one of these."""

    def holds(path: Path) -> bool:
        with package("h5py", "io").File(path) as file:
            return any(name in file for name in names)

    return holds


FORMATS: tuple[Format, ...] = (
    Format("fastMRI", (".h5", ".hdf5"), _has("kspace"), measured_fastmri),
    Format("npz of pnp", (".npz",), lambda path: True, read_npz),
)


def open(path: str | Path, **options: Any) -> Measurement:
    """The measurement in a file or folder of any known format; ``options`` are those of the format's reader.

    >>> import tempfile
    >>> import numpy as np
    >>> file = Path(tempfile.mkdtemp()) / "scan.npz"
    >>> np.savez(file, y=np.ones((8, 12), "f4"), angles=np.linspace(0, 3, 8), size=8)
    >>> m = open(file)
    >>> m.y.shape, m.operator().in_shape, m.provenance["format"]
    (torch.Size([1, 1, 8, 12]), (1, 8, 8), 'npz of pnp')

    Raises:
        FileNotFoundError: there is no such file. ValueError: no format fits, or the file is broken; it is named.
        ImportError: a package for the format is missing; the extra to install is named.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    name = path.name.lower()
    fitting = [f for f in FORMATS if (name.endswith(f.endings) if path.is_file() else not f.endings)]
    with named(path):
        found = next((f for f in fitting if f.matches(path)), None)
        if found is None:
            raise ValueError(f"of no known format of measured data: {', '.join(f.name for f in FORMATS)}")
        measurement = found.read(path, **options)
    said = {"file": path.name, "format": found.name, **measurement.provenance}
    return replace(measurement, provenance=said)
