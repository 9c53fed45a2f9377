"""Formats of measured data, one file each, and which of them a path is."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from .cfl import read_cfl
from .dicom import is_dicom
from .fastmri import measured_fastmri
from .hdf5 import holds_exchange, holds_nxtomo, read_exchange, read_nxtomo
from .htc import holds_htc, read_htc
from .images import ending
from .ismrmrd import holds_ismrmrd, read_ismrmrd
from .measured_images import holds_dicom, measured_images, read_series
from .measurement import Measurement
from .measurement_set import read_measurement_set
from .npz import read_npz
from .opening import located, named, package
from .radio_image import is_radio_image, read_radio_image
from .shear_catalogue import is_catalogue, read_shear_catalogue
from .sky_maps import is_shear_map, read_sky_map
from .tiff_counts import holds_projections, read_projections, read_stack
from .twix import is_twix, read_twix
from .two_detect import holds_2detect, read_2detect
from .uv_table import read_uv_table
from .uvfits import read_uvfits

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


def _in_header(true: Callable[[Any], Any]) -> Callable[[Path], bool]:
    """Whether something is true of the header of a FITS file's first image, or of the first."""

    def holds(path: Path) -> bool:
        with package("astropy.io.fits", "io").open(path, memmap=False) as file:
            return bool(true(next((u for u in file if u.is_image and u.header.get("NAXIS", 0) > 1), file[0]).header))

    return holds


_FITS = (".fits", ".fit", ".fits.gz", ".fit.gz", ".fits.fz")
_TEXT, _HDF5 = (".txt", ".csv", ".dat"), (".h5", ".hdf5")


def _check_options(found: Format, options: dict[str, Any]) -> None:
    """Raise where the format's reader takes no such option."""
    given = [*inspect.signature(found.read).parameters.values()][1:]
    if any(p.kind is p.VAR_KEYWORD for p in given):  # it looks itself
        return
    takes = [p.name for p in given]
    for name in options:
        if name not in takes:
            raise ValueError(f"{found.name} has no option {name!r}; it takes {', '.join(takes) or 'none'}")


FORMATS: tuple[Format, ...] = (
    Format("fastMRI", (".h5", ".hdf5"), _has("kspace"), measured_fastmri),
    Format("ISMRMRD", (".h5", ".hdf5", ".mrd"), holds_ismrmrd, read_ismrmrd),
    Format("BART", (".cfl", ".hdr"), lambda path: True, read_cfl),
    Format("Siemens twix", (".dat",), is_twix, read_twix),
    Format("DICOM", (".dcm", ".ima"), lambda path: True, measured_images),
    Format("NIfTI", (".nii", ".nii.gz"), lambda path: True, measured_images),
    Format("DICOM series", (), holds_dicom, read_series),
    Format("npz of pnp", (".npz",), lambda path: True, read_npz),
    Format("HDF5 data exchange", (".h5", ".hdf5", ".hdf"), holds_exchange, read_exchange),
    Format("NXtomo", (".h5", ".hdf5", ".hdf", ".nxs", ".nx"), holds_nxtomo, read_nxtomo),
    Format("HTC 2022", (".mat",), holds_htc, read_htc),
    Format("2DeteCT", (), holds_2detect, read_2detect),
    Format("TIFF projections", (), holds_projections, read_projections),
    Format("TIFF stack", (".tif", ".tiff"), lambda path: True, read_stack),
    Format("UVFITS", (".uvfits", ".uvf", *_FITS), _in_header(lambda h: h.get("GROUPS")), read_uvfits),
    Format("measurement set", (), lambda path: (path / "table.dat").exists(), read_measurement_set),
    Format("shear catalogue", (*_FITS, *_TEXT, *_HDF5), is_catalogue, read_shear_catalogue),
    Format("map of shear or convergence", _FITS, is_shear_map, read_sky_map),
    Format("radio image", _FITS, _in_header(is_radio_image), read_radio_image),
    Format("table of visibilities", (*_TEXT, ".npy"), lambda path: True, read_uv_table),
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
    path = located(path)
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    name = path.name.lower()
    fitting = [f for f in FORMATS if (name.endswith(f.endings) if path.is_file() else not f.endings)]
    if not fitting and is_dicom(path):
        fitting = [f for f in FORMATS if f.name == "DICOM"]
    with named(path):
        found = next((f for f in fitting if f.matches(path)), None)
        if found is None:
            known = ", ".join(f.name for f in FORMATS)
            image = "an image or array does not say what it was measured by: Measurement(y, operator, arguments), or "
            image = f"; {image}--operator on the command line" if ending(path) else ""
            raise ValueError(f"it is in no known format of measured data: {known}{image}")
        _check_options(found, options)
        measurement = found.read(path, **options)
    said = {"file": path.name, "format": found.name, **measurement.provenance}
    return replace(measurement, provenance=said)
