"""Image files of every kind come in with the values that were written; broken ones are named."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pnp.train import ImageFolder, Pairs, read_fastmri, read_images, read_measurements
from pnp.train.recipes import RECIPES

Image = pytest.importorskip("PIL.Image")


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


def test_raster_of_8_and_16_bits(tmp_path):
    bytes_ = (255 * picture(6, 7)).astype(np.uint8)
    Image.fromarray(bytes_).save(tmp_path / "a.png")
    (x,) = read_images(tmp_path / "a.png")
    assert x.dtype == torch.uint8 and np.array_equal(x[0].numpy(), bytes_)
    words = (65535 * picture(6, 7)).astype(np.uint16)
    Image.fromarray(words).save(tmp_path / "b.png")
    (x,) = read_images(tmp_path / "b.png")
    assert np.allclose(x[0].numpy(), words / 65535)
    Image.fromarray(picture(6, 7)).save(tmp_path / "c.tif")
    assert np.array_equal(read_images(tmp_path / "c.tif")[0][0].numpy(), picture(6, 7))


def test_colour_and_gray(tmp_path):
    rgb = (255 * picture(5, 6, 3)).astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    assert np.array_equal(read_images(tmp_path / "a.png", 3)[0].numpy(), rgb.transpose(2, 0, 1))
    gray = read_images(tmp_path / "a.png", 1)[0]
    assert np.abs(gray[0].numpy() - rgb @ np.array([0.299, 0.587, 0.114])).max() <= 1
    assert ImageFolder(tmp_path, channels=3)[0].shape == (3, 5, 6)


def test_numpy(tmp_path):
    np.save(tmp_path / "a.npy", picture(5, 6))
    np.savez(tmp_path / "b.npz", one=picture(5, 6), two=picture(1, 4, 4))
    assert np.array_equal(read_images(tmp_path / "a.npy")[0][0].numpy(), picture(5, 6))
    assert [tuple(x.shape) for x in read_images(tmp_path / "b.npz")] == [(1, 5, 6), (1, 4, 4)]
    folder = ImageFolder(tmp_path)
    assert folder.names == ["a.npy", "b.npz[0]", "b.npz[1]"] and len(folder) == 3


def test_fits(tmp_path):
    fits = pytest.importorskip("astropy.io.fits", reason="needs astropy: pip install 'pnp-imaging[io]'")
    fits.writeto(tmp_path / "a.fits", picture(5, 6))
    assert np.array_equal(read_images(tmp_path / "a.fits")[0][0].numpy(), picture(5, 6))
    fits.writeto(tmp_path / "cube.fits", picture(3, 5, 6))  # three planes, not three colours
    planes = read_images(tmp_path / "cube.fits", 3)
    assert len(planes) == 3 and np.array_equal(planes[1][2].numpy(), picture(3, 5, 6)[1])


def test_fastmri(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    kspace = (picture(2, 3, 8, 8) + 1j * picture(2, 3, 8, 8)).astype(np.complex64)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"] = kspace
        file["reconstruction_rss"] = 5 * picture(2, 4, 4)
        file.attrs["max"] = 5.0
    slices = read_fastmri(tmp_path / "a.h5")
    assert len(slices) == 2 and slices[1].kspace.shape == (3, 8, 8) and slices[0].maximum == 5.0
    assert np.array_equal(slices[1].kspace.numpy(), kspace[1])
    assert np.allclose(ImageFolder(tmp_path)[1][0].numpy(), picture(2, 4, 4)[1])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["other"] = kspace
    for read in (read_fastmri, read_images):
        with pytest.raises(ValueError, match=r"^cannot read [^ ]*b\.h5: (?!cannot read)"):
            read(tmp_path / "b.h5")
    kspace[1, 0, 2, 3] = np.nan
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["kspace"], file["reconstruction_rss"] = kspace, picture(2, 4, 4)
    with pytest.raises(ValueError, match=r"c\.h5: values are not finite"):
        read_fastmri(tmp_path / "c.h5")


def write_dicom(path, pixels: np.ndarray, **others) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.Rows, file.Columns, file.BitsAllocated, file.BitsStored, file.HighBit = 5, 6, 16, 12, 11
    file.SamplesPerPixel, file.PhotometricInterpretation, file.PixelRepresentation = 1, "MONOCHROME2", 0
    for name, value in others.items():
        setattr(file, name, value)
    file.PixelData = pixels.astype(np.uint16).tobytes()
    file.save_as(path, enforce_file_format=True)


def test_dicom(tmp_path):
    pytest.importorskip("pydicom", reason="needs pydicom: pip install 'pnp-imaging[io]'")
    pixels = np.arange(90).reshape(3, 5, 6)
    write_dicom(tmp_path / "a.dcm", pixels[0], RescaleSlope="2", RescaleIntercept="-1024")
    assert np.array_equal(read_images(tmp_path / "a.dcm")[0][0].numpy(), 2.0 * pixels[0] - 1024)
    write_dicom(tmp_path / "frames.dcm", pixels, NumberOfFrames=3, RescaleSlope=None)
    frames = read_images(tmp_path / "frames.dcm")
    assert len(frames) == 3 and all(np.array_equal(x[0].numpy(), y) for x, y in zip(frames, pixels))
    write_dicom(tmp_path / "white.dcm", pixels[0], PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read_images(tmp_path / "white.dcm")[0][0].numpy(), 4095.0 - pixels[0])


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.npz", "a.h5", "a.fits", "a.dcm"])
def test_broken_files_are_named_and_left_out_on_request(name, tmp_path):
    (tmp_path / name).write_bytes(b"nothing of the kind" * 30)
    np.save(tmp_path / "good.npy", picture(4, 4))
    pytest.importorskip({"a.h5": "h5py", "a.fits": "astropy", "a.dcm": "pydicom"}.get(name, "numpy"))
    with pytest.raises(ValueError, match=name):
        ImageFolder(tmp_path)
    with pytest.warns(RuntimeWarning, match=name):
        assert ImageFolder(tmp_path, skip_broken=True).names == ["good.npy"]


def test_broken_pairs_are_named_and_left_out_on_request(tmp_path):
    recipe = replace(RECIPES["xdncnn-derain"], crop=8)
    for folder in ("given", "wanted"):
        (tmp_path / folder).mkdir()
        for name in ("a.npy", "b.npy"):
            np.save(tmp_path / folder / name, picture(recipe.channels, 8, 8))
    (tmp_path / "wanted" / "b.npy").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"wanted.b\.npy"):
        recipe.read(tmp_path)
    with pytest.warns(RuntimeWarning, match=r"wanted.b\.npy"):
        ((given, wanted),) = recipe.read(tmp_path, skip_broken=True)
    assert torch.equal(given, wanted)
    (tmp_path / "given" / "c.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"names differ.*c\.npy"):
        recipe.read(tmp_path)


@pytest.mark.parametrize(
    "array", [np.full((4, 4), np.nan), np.ones(7), np.ones((2, 2, 5, 5)), np.ones((4, 4)) * 1j, np.empty((0, 4))]
)
def test_arrays_that_are_no_images(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=r"a\.npy"):
        read_images(tmp_path / "a.npy")


def test_normalise_and_pickles(tmp_path):
    np.save(tmp_path / "a.npy", 5 + 100 * picture(4, 4))
    x = ImageFolder(tmp_path, normalise=True)[0]
    assert x.min() == 0 and x.max() == 1
    np.save(tmp_path / "b.npy", np.array([{"code": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"b\.npy"):
        read_images(tmp_path / "b.npy")


def test_empty_archives_and_measurements_that_are_not_finite(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz: there is no image"):
        read_images(tmp_path / "a.npz")
    (tmp_path / "a.npz").unlink()
    for name, y in (("y", np.array([1.0, 1j * np.nan])), ("x", np.ones(2))):
        np.savez(tmp_path / "b.npz", y=y, x=np.full((1, 2, 2), np.inf if name == "x" else 1.0))
        with pytest.raises(ValueError, match=rf"b\.npz: values of {name} are not finite"):
            read_measurements(tmp_path)


@pytest.mark.parametrize("shape", [(9, 9), (16, 8), (4, 4)])
def test_pairs_whose_sizes_do_not_go_into_each_other(shape, tmp_path):
    for folder, size in (("given", (8, 8)), ("wanted", shape)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", picture(*size))
    with pytest.raises(ValueError, match=r"given.a\.npy: given 8 x 8 and wanted .* no integer factor"):
        replace(RECIPES["xdncnn-derain"], crop=8).read(tmp_path)
    task = Pairs([(torch.ones(1, 8, 8), torch.ones(1, *shape))], batch=1)
    with pytest.raises(ValueError, match="no integer factor"):
        task.draw(0, [0])


def test_normalise_by_the_maximum(tmp_path):
    np.save(tmp_path / "a.npy", 5 + picture(4, 4))
    x = ImageFolder(tmp_path, normalise="maximum")[0][0].numpy()
    assert np.allclose(x, (5 + picture(4, 4)) / (5 + picture(4, 4)).max())
