"""Values that other libraries wrote come in exactly, whatever the type of numbers and the layout."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from pnp.train import ImageFolder, read_fastmri, read_images

from .test_images import picture, write_dicom

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(1)


def words(*shape: int) -> np.ndarray:
    return RNG.integers(0, 65536, shape).astype(np.uint16)


def values(path: Path, channels: int | None = None) -> np.ndarray:
    return np.stack([x.numpy() for x in read_images(path, channels)])


def over(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) / 65535


def png(a: np.ndarray, colour_type: int) -> bytes:
    """A 16-bit PNG by its specification; rows are filtered by difference (Sub), which mixes the bytes of a pixel."""
    rows = a.astype(">u2").reshape(len(a), -1).view(np.uint8)
    pixel = 2 * (a.shape[2] if a.ndim == 3 else 1)
    before = np.concatenate([np.zeros((len(a), pixel), np.uint8), rows[:, :-pixel]], 1)
    data = b"".join(b"\1" + row.tobytes() for row in rows - before)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", a.shape[1], a.shape[0], 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "bands", "kept"), [(0, 1, 1), (2, 3, 3), (4, 2, 1), (6, 4, 3)])
def test_png_of_16_bits(kind, bands, kept, tmp_path):
    a = words(5, 6, bands)
    (tmp_path / "a.png").write_bytes(png(a if bands > 1 else a[..., 0], kind))
    assert np.array_equal(values(tmp_path / "a.png")[0], over(a[..., :kept]).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("a", "right", "options"),
    [
        (np.array([[3e9, 7], [2**32 - 256, 0]], np.uint32), None, {}),
        (np.array([[3e9, 7]], np.uint32), None, {"byteorder": ">"}),
        (RNG.normal(size=(5, 6)), None, {}),
        (RNG.normal(size=(5, 6)).astype(np.float16), None, {"byteorder": ">"}),
        (RNG.integers(-30000, 30000, (5, 6)).astype(np.int16), None, {}),
        (RNG.normal(size=(4, 5, 6)).astype(np.float32), None, {"photometric": "minisblack"}),
        (RNG.normal(size=(5, 6, 3)).astype(np.float32), "colours", {"photometric": "rgb"}),
        (words(4, 5, 6), None, {"photometric": "minisblack", "compression": "zlib", "predictor": True}),
        (words(5, 6), "white", {"photometric": "miniswhite"}),
        (words(5, 6).astype(np.uint32) << 16, "white", {"photometric": "miniswhite"}),
        (words(5, 6, 3), "colours", {"photometric": "rgb", "byteorder": ">"}),
        (words(3, 5, 6), None, {"photometric": "rgb", "planarconfig": "separate"}),
        (words(5, 6, 4), "colours", {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
        (words(5, 6, 2), "gray", {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [2]}),
        (words(64, 48), None, {"tile": (16, 16)}),
    ],
)
def test_tiff(a, right, options, tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install 'pnp-imaging[train]'")
    tifffile.imwrite(tmp_path / "a.tif", a, **options)
    expected = a
    if right == "white":
        expected = np.iinfo(a.dtype).max - a
    elif right:
        expected = a[..., : 3 if right == "colours" else 1].transpose(2, 0, 1)
    expected = over(expected) if a.dtype == np.uint16 else expected.astype(np.float32)
    assert np.array_equal(values(tmp_path / "a.tif").reshape(expected.shape), expected)


def test_tiff_that_pillow_decodes_and_masks_that_are_no_pages(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install 'pnp-imaging[train]'")
    a = words(16, 20)
    Image.fromarray(a).save(tmp_path / "a.tif", compression="tiff_lzw")
    assert np.array_equal(values(tmp_path / "a.tif")[0, 0], over(a))
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(a, photometric="minisblack")
        file.write(a[::4, ::4], photometric="minisblack", subfiletype=1)
    assert len(read_images(tmp_path / "b.tif")) == 1
    tifffile.imwrite(tmp_path / "c.tif", picture(5, 6), photometric="miniswhite")
    with pytest.raises(ValueError, match=r"c\.tif: the smallest value is white"):
        read_images(tmp_path / "c.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_pictures_are_upright(orientation, name, tmp_path):
    from PIL import ImageOps

    stored = Image.fromarray((255 * picture(5, 6)).astype(np.uint8)).convert("RGB")
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(tmp_path / name, exif=exif, **({"lossless": True} if name == "a.webp" else {}))
    with Image.open(tmp_path / name) as again:
        expected = np.asarray(ImageOps.exif_transpose(again))
    assert np.array_equal(values(tmp_path / name)[0], expected.transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_animations_have_all_their_frames(name, tmp_path):
    frames = [Image.fromarray(np.full((5, 6, 3), 40 * i, np.uint8)) for i in range(1, 4)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    assert [int(x[0, 0, 0]) for x in read_images(tmp_path / name, 3)] == [40, 80, 120]


@pytest.mark.parametrize(
    ("shape", "images"),
    [
        ((5, 6, 1), [(1, 5, 6)]),
        ((7, 5, 6), [(1, 5, 6)] * 7),
        ((5, 6, 2), [(1, 5, 6)]),
        ((5, 6, 4), [(3, 5, 6)]),
        ((2, 3, 5, 6), [(3, 5, 6)] * 2),
        ((2, 5, 6, 3), [(3, 5, 6)] * 2),
    ],
)
def test_arrays_and_stacks_of_them(shape, images, tmp_path):
    a = picture(*shape)
    np.save(tmp_path / "a.npy", np.asfortranarray(a))
    found = read_images(tmp_path / "a.npy", None)
    assert [tuple(x.shape) for x in found] == images
    first = a if a.ndim == 3 and shape[-1] < 5 else a[0]
    last = shape[-1] < 5
    expected = first[..., : images[0][0]].transpose(2, 0, 1) if last else first.reshape(images[0])
    assert np.array_equal(found[0].numpy(), expected)


def test_numbers_alone_are_images(tmp_path):
    for array in (np.full((2, 2), "1"), np.zeros((2, 2), "datetime64[s]"), np.ones((2, 2)) * 1e300):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(ValueError, match=r"a\.npy"):
            read_images(tmp_path / "a.npy")


def test_compressed_fits(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="needs astropy: pip install 'pnp-imaging[io]'")
    a = picture(5, 6)
    fits.writeto(tmp_path / "a.fits.gz", a)
    units = [fits.PrimaryHDU(), fits.CompImageHDU((1000 * a).astype(np.int32))]
    fits.HDUList(units).writeto(tmp_path / "b.FITS.fz")
    folder = ImageFolder(tmp_path)
    assert folder.names == ["a.fits.gz", "b.FITS.fz"] and np.array_equal(folder[0][0].numpy(), a)
    assert np.array_equal(folder[1][0].numpy(), (1000 * a).astype(np.int32))


def test_nifti(tmp_path, monkeypatch):
    nibabel = pytest.importorskip("nibabel", reason="needs nibabel: pip install 'pnp-imaging[io]'")
    a = RNG.integers(-2000, 2000, (5, 6, 3)).astype(np.int16)
    image = nibabel.Nifti1Image(a, np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    for name in ("a.nii", "b.nii.gz"):
        image.to_filename(tmp_path / name)
        stored = np.asarray(nibabel.load(tmp_path / name).dataobj)
        assert np.array_equal(values(tmp_path / name)[:, 0], stored.transpose(2, 0, 1).astype(np.float32))
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(ImportError, match=r"needs nibabel: pip install 'pnp-imaging\[io\]'"):
        read_images(tmp_path / "a.nii")


def rescaled(slope: float, offset: float):
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    units, group = Dataset(), Dataset()
    units.RescaleSlope, units.RescaleIntercept, units.RescaleType = str(slope), str(offset), "US"
    group.PixelValueTransformationSequence = Sequence([units])
    return group


def test_units_of_frames(tmp_path):
    pytest.importorskip("pydicom", reason="needs pydicom: pip install 'pnp-imaging[io]'")
    pixels = np.full((2, 5, 6), 1000)
    own, shared = [rescaled(2, -100), rescaled(5, -100)], [rescaled(3, 1)]
    cases = {
        "own": {"PerFrameFunctionalGroupsSequence": own, "SharedFunctionalGroupsSequence": shared},
        "shared": {"SharedFunctionalGroupsSequence": shared, "RescaleSlope": "7"},
        "file": {"RescaleSlope": "7", "RescaleIntercept": "-7"},
    }
    found = {}
    for name, others in cases.items():
        write_dicom(tmp_path / f"{name}.dcm", pixels, NumberOfFrames=2, **others)
        found[name] = values(tmp_path / f"{name}.dcm")[:, 0, 0, 0].tolist()
    assert found == {"own": [1900, 4900], "shared": [3001, 3001], "file": [6993, 6993]}


def test_colour_frames(tmp_path):
    pytest.importorskip("pydicom", reason="needs pydicom: pip install 'pnp-imaging[io]'")
    pixels = RNG.integers(0, 4096, (2, 5, 6, 3))
    write_dicom(tmp_path / "a.dcm", pixels, NumberOfFrames=2, SamplesPerPixel=3, PhotometricInterpretation="RGB",
                PlanarConfiguration=0)  # fmt: skip
    assert np.array_equal(values(tmp_path / "a.dcm"), pixels.transpose(0, 3, 1, 2))


def test_fastmri_of_tests_and_of_one_coil(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    kspace = (picture(2, 8, 6) + 1j).astype(np.complex64)
    with h5py.File(tmp_path / "test.h5", "w") as file:
        file["kspace"], file["mask"] = kspace, np.array([0, 1, 1, 1, 0, 1], np.uint8)
    first = read_fastmri(tmp_path / "test.h5")[0]
    assert first.target is None and first.maximum is None and np.array_equal(first.kspace[0].numpy(), kspace[0])
    assert first.mask is not None and first.mask.tolist() == [False, True, True, True, False, True]
    with pytest.raises(ValueError, match=r"test\.h5: holds no reconstruction_rss .* a test file"):
        read_images(tmp_path / "test.h5")
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["kspace"], file["reconstruction_rss"], file["reconstruction_esc"] = (
            kspace,
            2 * picture(2, 4, 4),
            picture(2, 4, 4),
        )
        file.attrs["max"] = 1.0
    target = read_fastmri(tmp_path / "one.h5")[1].target
    assert target is not None and np.array_equal(target[0].numpy(), picture(2, 4, 4)[1])
    assert np.array_equal(values(tmp_path / "one.h5")[:, 0], picture(2, 4, 4))


def test_hidden_files_and_folders_below(tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(below / "x.png")
    (below / "._x.png").write_bytes(b"macOS")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no images in .*; those below it need recursive"):
        ImageFolder(tmp_path)
    assert ImageFolder(tmp_path, recursive=True).names == ["a/b/x.png"]
    assert ImageFolder(below).names == ["x.png"]


@pytest.mark.parametrize("shape", ["(100000, 1000000)", "(-1, 5)"])
def test_declared_sizes_are_not_believed(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 10)))
    data = (tmp_path / "a.npy").read_bytes()
    old = b"(10, 10), }" + b" " * 20
    (tmp_path / "a.npy").write_bytes(data.replace(old, (shape + ", }").encode().ljust(len(old))))
    with pytest.raises(ValueError, match=r"a\.npy: declares .* can hold"):
        read_images(tmp_path / "a.npy")


def test_bytes_stay_bytes(tmp_path):
    a = (255 * picture(5, 6)).astype(np.uint8)
    np.save(tmp_path / "a.npy", a)
    assert read_images(tmp_path / "a.npy")[0].dtype == torch.uint8


def test_a_chunk_that_the_file_cannot_hold_is_not_allocated(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in ("kspace", "reconstruction_rss"):
            file.create_dataset(name, (2, 4, 4), "f4", chunks=(2**24, 4, 4), maxshape=(None, 4, 4))
    with pytest.raises(ValueError, match=r"a\.h5: declares 1,073,741,824 bytes"):
        read_images(tmp_path / "a.h5")
