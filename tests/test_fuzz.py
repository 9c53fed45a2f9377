"""Mutated files of every format: an answer or one clear error (`python -m benchmarks.fuzz` tries more of them)."""

import resource
import struct

import pytest

from benchmarks.fuzz import FORMATS, attempt, cases
from pnp.train import read_images

pytestmark = pytest.mark.filterwarnings("ignore")
NEEDS = {
    "tif": "tifffile",
    "fits": "astropy",
    "dcm": "pydicom",
    "h5": "h5py",
    "mrd": "ismrmrd",
    "dat": "mapvbvd",
    "seq": "pypulseq",
    "nii": "nibabel",
    "hdf5": "h5py",
    "nxs": "h5py",
    "tiff": "tifffile",
    "ini": "tifffile",
    "png": "PIL",
    "jpg": "PIL",
    "webp": "PIL",
    **dict.fromkeys(("uvfits", "catalogue.fits", "e1.fits", "radio.fits"), "astropy"),
    "catalogue.h5": "h5py",
    "ms": "casacore",
}


@pytest.mark.parametrize("kind", FORMATS)
def test_mutated_files(kind, tmp_path, capsys):
    pytest.importorskip(NEEDS.get(kind, "numpy"))
    case, path = cases(kind, seed=7), tmp_path / f"a.{kind}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = []
    for number in range(40 if kind != "ms" else 4):  # each of these by a process of its own
        path.write_bytes(case(number))
        found.append(attempt(FORMATS[kind], path))
    assert set(found) <= {"read", "refused"} and "refused" in found
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024  # kB


def test_a_mutation_is_the_same_again():
    assert cases("png", 1)(3) == cases("png", 1)(3) != cases("png", 2)(3)


def test_harm_is_seen(tmp_path):
    def lines(path):
        raise ValueError("one\ntwo")

    def crash(path):
        raise KeyError("x")

    assert attempt(lines, tmp_path).startswith("LINES") and attempt(crash, tmp_path).startswith("KEYERROR")


def test_pages_in_a_circle(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install 'pnp-imaging[train]'")
    import numpy as np

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((120, 4, 4), np.uint16), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        places = [page.offset for page in file.pages]
    data = bytearray((tmp_path / "a.tif").read_bytes())
    (tags,) = struct.unpack_from("<H", data, places[-1])
    struct.pack_into("<I", data, places[-1] + 2 + 12 * tags, places[3])  # the last page names the fourth as the next
    (tmp_path / "a.tif").write_bytes(bytes(data))
    with pytest.raises(ValueError, match=r"a\.tif: .*(page 120 is one of those before|circular)"):
        read_images(tmp_path / "a.tif")


def test_numbers_of_unusual_types_are_not_converted(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    odd = h5py.h5t.IEEE_F32LE.copy()
    odd.set_fields(19, 12, 7, 0, 12)
    odd.set_precision(20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((1, 4, 4))
        h5py.h5d.create(file.id, b"reconstruction_rss", odd, space)
    with pytest.raises(ValueError, match="not of a usual type"):
        read_images(tmp_path / "a.h5")
