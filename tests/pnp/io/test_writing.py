"""Images to files and back: values, spacing, provenance, in every format that is written."""

import json
import math

import numpy as np
import pytest
import torch

from pnp.io import read_images
from pnp.io.picture import round_length
from pnp.io.writing import write_images

TOLD = {"software": {"pnp": "0.1.0"}, "data": {"hash": "00ff"}}
X = [(torch.arange(30.0).reshape(1, 5, 6) - 7) * 3.5 + k for k in range(3)]


@pytest.mark.parametrize("ending", [".npy", ".npz", ".fits", ".tif", ".nii", ".nii.gz"])
def test_stacks_come_back(ending, tmp_path):
    for package in {".fits": ["astropy"], ".tif": ["tifffile"], ".nii": ["nibabel"]}.get(ending, []):
        pytest.importorskip(package)
    (place,) = write_images(tmp_path / f"a{ending}", X, provenance=TOLD, pixel=(0.5, "mm"))
    assert torch.equal(torch.stack(read_images(place)), torch.stack(X))
    if ending.startswith(".nii"):
        import nibabel

        image = nibabel.load(place)  # pyright: ignore
        assert image.header.get_zooms()[:2] == (0.5, 0.5)  # pyright: ignore
        assert b"00ff" in image.header.extensions[0].get_content()  # pyright: ignore
    elif ending == ".npz":
        with np.load(place) as file:
            assert json.loads(file["provenance"].item()) == TOLD
    elif ending in (".fits", ".tif"):
        assert b"00ff" in place.read_bytes()


def test_a_dicom_series_has_the_units_of_the_image(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    places = write_images(tmp_path / "a.dcm", X, provenance=TOLD, pixel=(0.05, "cm"))
    assert [p.name for p in places] == ["a-0001.dcm", "a-0002.dcm", "a-0003.dcm"]
    files = [pydicom.dcmread(p) for p in places]
    assert len({f.SOPInstanceUID for f in files}) == 3 and len({f.SeriesInstanceUID for f in files}) == 1
    assert [f.InstanceNumber for f in files] == [1, 2, 3] and list(files[0].PixelSpacing) == [0.5, 0.5]
    assert json.loads(files[0].DerivationDescription) == TOLD
    step = float(files[0].RescaleSlope)
    for place, x in zip(places, X, strict=True):
        assert float((read_images(place)[0] - x).abs().max()) <= 0.5 * step * 1.001
    write_images(tmp_path / "b.dcm", X, provenance=TOLD)
    write_images(tmp_path / "c.dcm", X, provenance=TOLD)
    assert (tmp_path / "b-0002.dcm").read_bytes() == (tmp_path / "c-0002.dcm").read_bytes()
    (constant,) = write_images(tmp_path / "d.dcm", [torch.full((1, 4, 4), 2.5)])
    assert torch.equal(read_images(constant)[0], torch.full((1, 4, 4), 2.5))
    with pytest.raises(ValueError, match="not finite"):
        write_images(tmp_path / "e.dcm", [torch.full((1, 4, 4), float("nan"))])
    with pytest.raises(FileExistsError):
        write_images(tmp_path / "b.dcm", X)


def test_pictures_have_range_bar_and_provenance(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    x = torch.linspace(-2, 6, 120).expand(1, 40, 120)
    (plain,) = write_images(tmp_path / "a.png", [x / 8 + 0.25])
    (barred,) = write_images(tmp_path / "b.png", [x], provenance=TOLD, pixel=(1.5, "arcsec"), limits=(-2.0, 6.0))
    with pillow.open(plain) as a, pillow.open(barred) as b:
        assert a.size == (120, 40) and b.size == (120, 58) and not a.text
        assert json.loads(b.text["provenance"]) == TOLD and b.text["limits"] == "-2.0 6.0"
        values = np.asarray(b)
        assert np.array_equal(values[:40], np.asarray(a))
    white = np.flatnonzero(values[48] == 255)
    assert white[0] == 4 and np.all(np.diff(white[: round(50 / 1.5)]) == 1)  # 50 of 180 arcsec
    assert values[50, 4 + round(50 / 1.5)] == 0
    assert round_length(180) == 50.0 and round_length(3.1) == 1.0


@pytest.mark.parametrize(
    ("value", "options", "word"),
    [
        (math.nan, {}, "values are not finite"),
        (1.0, {"pixel": (0.0, "mm")}, "pixel: expected a positive length"),
        (1.0, {"pixel": (-1.0, "mm")}, "pixel: expected a positive length"),
        (1.0, {"limits": (1.0, 0.0)}, "limits: expected the lowest"),
        (1.0, {"limits": (0.0, math.nan)}, "limits: expected the lowest"),
    ],
)
def test_pictures_that_show_nothing_are_refused(value, options, word, tmp_path):
    pytest.importorskip("PIL")
    with pytest.raises(ValueError, match=word):
        write_images(tmp_path / "a.png", [torch.full((1, 8, 8), value)], **options)
    with pytest.raises(ValueError, match="hold no pixels"):
        write_images(tmp_path / "a.fits", [torch.zeros(1, 0, 8)])
    assert not [*tmp_path.iterdir()]


def test_what_a_format_does_not_take_is_said(tmp_path):
    complex_, colour = torch.ones(1, 4, 4, dtype=torch.complex64), torch.ones(3, 4, 4)
    for name, images, words in (
        ("a.png", [complex_], "written as .npz"), ("a.dcm", [colour], "gray"), ("a.nii", [colour], "gray"),
        ("a.png", X, "one image"), ("a.doc", X, "expected one of"), ("a.npy", [X[0], colour], "one size"),
    ):  # fmt: skip
        pytest.importorskip("nibabel")
        pytest.importorskip("pydicom")
        with pytest.raises(ValueError, match=words):
            write_images(tmp_path / name, images)
    assert list(tmp_path.iterdir()) == []
