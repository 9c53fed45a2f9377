"""Files of tomography, written by the formats' own packages: values, geometry, rows, fields, what is missing."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from operators import FanBeam, Radon
from pnp import io
from pnp.io.projections import slabs

VIEWS, ROWS, BINS = 12, 3, 20


def scan() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Line integrals (views, rows, bins), and integer counts of them with two flat fields and two dark ones."""
    rng = np.random.default_rng(0)
    y = 1 + 0.5 * np.sin(np.arange(VIEWS)[:, None, None] + np.arange(ROWS)[:, None] + np.arange(BINS) / 3)
    white = np.full((2, ROWS, BINS), 40000.0) * (1 + 0.1 * rng.random((ROWS, BINS)))
    counts = 200 + white.mean(0) * np.exp(-y) + rng.normal(0, 20, y.shape)
    return y, counts, white + 200, np.full((2, ROWS, BINS), 200.0)


def exchange(path: Path, kind: str = "u2", /, **changes: Any) -> Path:
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    _, counts, white, dark = scan()
    arrays = {"data": counts, "data_white": white, "data_dark": dark, **changes}
    with h5py.File(path, "w") as file:
        group = file.create_group("exchange")
        for name, value in arrays.items():
            if value is not None:
                group.create_dataset(name, data=np.asarray(value).astype(kind), chunks=True, compression="gzip")
        if "theta" not in changes:
            group["theta"] = np.arange(VIEWS) * 15.0
            group["theta"].attrs["units"] = "degrees"
    return path


@pytest.mark.parametrize("kind", ["u2", "u4", "f4", "f8"])
def test_data_exchange(tmp_path, kind):
    path = exchange(tmp_path / "scan.h5", kind)
    m = io.open(path, rows=slice(None))
    y = torch.from_numpy(scan()[0]).permute(1, 0, 2)[:, None].float()
    assert m.build is Radon and m.y.shape == (ROWS, 1, VIEWS, BINS) and (m.y - y).abs().max() < 0.02
    op = m.operator()
    assert torch.allclose(op.angles, torch.arange(VIEWS).double() * math.pi / VIEWS) and op.detector_count == BINS
    assert torch.as_tensor(m.noise_std).shape == m.y.shape and m.provenance["rows"] == "0:3:1 of 3"
    assert "-log" in m.provenance["corrections"][0] and m.provenance["format"] == "HDF5 data exchange"
    middle = io.open(path)
    assert torch.equal(middle.y, m.y[1:2]) and torch.equal(io.open(path, rows=-1).y, m.y[2:])
    with pytest.warns(UserWarning, match="logged: line integrals up to .* are these counts"):
        logged = io.open(path, rows=0, logged=True)
    assert logged.noise_std is None and logged.y.max() > 1000
    few = io.open(path, views=slice(1, None, 3), clockwise=True)
    assert torch.equal(few.y, middle.y[:, :, 1::3]) and torch.equal(
        torch.as_tensor(few.noise_std), torch.as_tensor(middle.noise_std)[:, :, 1::3]
    )
    assert torch.allclose(few.operator().angles, -torch.arange(VIEWS).double()[1::3] * math.pi / VIEWS)
    with pytest.raises(ValueError, match="views: slice.* leaves none of 12"):
        io.open(path, views=slice(12, None))
    with pytest.raises(ValueError, match="angles: expected 12 numbers, got slice.*views= takes some"):
        io.open(path, angles=slice(0, 6))
    for rows in (3, -4, slice(3, 9), slice(2, 0, -1), "all", True):
        with pytest.raises(ValueError, match=r"scan\.h5: rows: "):
            io.open(path, rows=rows)


def test_data_exchange_that_lacks_something(tmp_path):
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("white", {"data_white": None}, "flat field; logged=True"),
        ("theta", {"theta": None}, "no exchange/theta; angles="),
        ("flat", {"data": np.ones((4, 5))}, "3 axes"),
        ("sizes", {"data_white": np.ones((2, ROWS, BINS + 1))}, "white: expected"),
        ("angles", {"theta": np.arange(5.0)}, "expected 12 finite numbers"),
    )
    for name, changes, word in cases:
        with pytest.raises(ValueError, match=rf"{name}\.h5: .*{word}"):
            io.open(exchange(tmp_path / f"{name}.h5", **changes))
    m = io.open(tmp_path / "theta.h5", angles=torch.arange(VIEWS) * 0.1)
    assert m.operator().angles[1] == pytest.approx(0.1)


def test_rows_are_read_in_slabs(tmp_path, monkeypatch):
    path = exchange(tmp_path / "scan.h5")
    whole = io.open(path, rows=slice(0, 3, 2))
    monkeypatch.setattr("pnp.io.projections._SLAB", 100)
    assert len(list(slabs(VIEWS, BINS * 2))) == 6
    assert torch.equal(io.open(path, rows=slice(0, 3, 2)).y, whole.y)


def test_nxtomo_with_a_drifting_beam(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'pnp-imaging[io]'")
    y, _, white, dark = scan()
    beam = (white.mean(0) - 200) * np.linspace(1, 0.6, VIEWS)[:, None, None]
    frames = np.concatenate((0 * dark[:1], beam[:1], beam * np.exp(-y), beam[-1:], 0 * dark[:1], 9 * dark[:1])) + 200
    key = [2, 1, *[0] * VIEWS, 1, 2, 3]
    turned = np.array([0, 0, *np.arange(VIEWS) * 30.0, 330, 330, 0])
    with h5py.File(tmp_path / "scan.nxs", "w") as file:
        group = file.create_group("entry1/tomo_entry")
        group["instrument/detector/data"] = frames.astype("f4")
        group["instrument/detector/image_key"] = np.array(key, "i1")
        group["sample/rotation_angle"] = turned
        group["sample/rotation_angle"].attrs["units"] = "degree"
    m = io.open(tmp_path / "scan.nxs", rows=2)
    assert m.provenance["format"] == "NXtomo" and m.y.shape == (1, 1, VIEWS, BINS)
    # flat fields lie half a view before the first and after the last projection
    assert (m.y[0, 0] - torch.from_numpy(y[:, 2]).float()).abs().max() < 0.04
    assert m.operator().angles[-1] == pytest.approx(math.radians(330))


def tiffs(folder: Path, kind: str = "u2") -> Path:
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install 'pnp-imaging[ct]'")
    _, counts, white, dark = (v.astype(kind) for v in scan())
    folder.mkdir()
    for i, frame in enumerate(counts):
        tifffile.imwrite(folder / f"proj_{i}.tif", frame, photometric="minisblack")  # 10 comes after 9
    for i in range(2):
        tifffile.imwrite(folder / f"flat_{i}.tif", white[i], photometric="minisblack")
        tifffile.imwrite(folder / f"dark_{i}.tif", dark[i], photometric="minisblack")
    return folder


@pytest.mark.parametrize("kind", ["u2", "u4", "f4"])
def test_a_folder_of_projections(tmp_path, kind):
    folder = tiffs(tmp_path / "scan", kind)
    angles = np.arange(VIEWS) * math.pi / VIEWS
    with pytest.raises(ValueError, match=r"scan: holds no text file of angles; angles="):
        io.open(folder)
    m = io.open(folder, angles=angles)
    assert m.build is Radon and m.y.shape == (1, 1, VIEWS, BINS)
    assert (m.y[0, 0] - torch.from_numpy(scan()[0][:, 1]).float()).abs().max() < 0.02
    (folder / "angles.txt").write_text("\n".join(str(15.0 * i) for i in range(VIEWS)))
    said = io.open(folder, rows=slice(None))
    assert said.y.shape[0] == ROWS and torch.allclose(said.operator().angles, torch.from_numpy(angles))
    (folder / "scan.ini").write_text("[X]\nDistanceSourceDetector=500\nDistanceSourceOrigin=400\nPixelSize=0.05\n")
    fan = io.open(folder)
    assert fan.build is FanBeam and fan.arguments["detector_distance"] == 100.0
    assert fan.arguments["pixel_size"] == pytest.approx(0.04)


def test_a_stack_of_projections(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install 'pnp-imaging[ct]'")
    _, counts, white, dark = (v.astype("u2") for v in scan())
    for name, frames in (("scan", counts), ("w", white), ("d", dark)):
        tifffile.imwrite(tmp_path / f"{name}.tif", frames, photometric="minisblack")
    angles = torch.arange(VIEWS) * 0.2
    m = io.open(tmp_path / "scan.tif", rows=0, angles=angles, white=tmp_path / "w.tif", dark=tmp_path / "d.tif")
    assert (m.y[0, 0] - torch.from_numpy(scan()[0][:, 0]).float()).abs().max() < 0.02
    for options, word in (({}, "angles: a stack"), ({"angles": angles}, "flat field"), ({"angles": [0.0]}, "angles")):
        with pytest.raises(ValueError, match=rf"scan\.tif: .*{word}"):
            io.open(tmp_path / "scan.tif", **options)


def test_flat_fields_before_and_after(tmp_path):
    folder = tiffs(tmp_path / "scan")
    tifffile = pytest.importorskip("tifffile")
    half = (scan()[2] - 200) / 2 + 200
    for i in range(2):
        (folder / f"flat_{i}.tif").unlink()
        tifffile.imwrite(folder / f"flat_pre_{i}.tif", scan()[2][i].astype("u2"), photometric="minisblack")
        tifffile.imwrite(folder / f"flat_post_{i}.tif", half[i].astype("u2"), photometric="minisblack")
    m = io.open(folder, angles=np.arange(VIEWS) * 0.1)
    y = torch.from_numpy(scan()[0][:, 1]).float()
    assert (m.y[0, 0, 0] - y[0]).abs().max() < 0.02 and (m.y[0, 0, -1] - y[-1] + math.log(2)).abs().max() < 0.02


def test_a_folder_of_2detect(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="needs tifffile: pip install 'pnp-imaging[ct]'")
    rng = np.random.default_rng(1)
    y = 1 + 0.5 * np.sin(np.arange(13)[:, None] * 2 * np.pi / 12 + np.arange(10) / 3)
    white = 3000.0 + 500 * rng.random(20)
    counts = white * np.exp(-y.repeat(2, 1)) * np.linspace(1, 0.8, 13)[:, None] + 50 + rng.normal(0, 3, (13, 20))
    folder = tmp_path / "slice00017" / "mode2"
    folder.mkdir(parents=True)
    for name, values in (("sinogram", counts), ("dark", np.full((1, 20), 50)), ("flat1", white[None] + 50),
                         ("flat2", 0.8 * white[None] + 50)):  # fmt: skip
        tifffile.imwrite(folder / f"{name}.tif", values.astype("u2"), photometric="minisblack")
    m = io.open(folder)
    assert m.provenance["format"] == "2DeteCT" and m.y.shape == (1, 1, 12, 10)  # the last view repeats the first one
    assert (m.y[0, 0] - torch.from_numpy(y[:12]).float()).abs().max() < 0.02
    op = m.operator()
    assert isinstance(op, FanBeam) and op.source_distance == 431.019989
    assert op.detector_spacing == pytest.approx(0.1496) and op.offset == pytest.approx(-0.1496)
    assert torch.allclose(op.angles, torch.arange(12).double() * math.pi / 6)
    (folder / "scan_settings.csv").write_text(
        "Name;Type;Value;Unit\nSOD;float;100.0;mm\nSDD;float;150.0;mm\nDetPixSize;float;0.1;mm\n"
        "StartAngle;float;0.000;degree\nLastAngle;float;180.000;degree\n"
    )
    assert torch.equal(io.open(folder, clockwise=True).arguments["angles"], -io.open(folder).arguments["angles"])
    short = io.open(folder, joined=1, every=3)
    assert short.y.shape == (1, 1, 5, 20) and short.arguments["detector_distance"] == 50.0
    assert short.operator().angles[-1] == pytest.approx(math.pi)
    (folder / "scan_settings.csv").write_text("SOD;float;lots;mm\n")
    with pytest.raises(ValueError, match="mode2: sod: expected a number"):
        io.open(folder)


def challenge(path: Path, **changes) -> Path:
    from scipy.io import savemat

    parameters = {"distanceSourceOrigin": 410.66, "distanceSourceDetector": 553.74, "pixelSizePost": 0.2,
                  "angles": np.arange(6) * 0.5, "scanner": "a scanner"}  # fmt: skip
    scan = {"type": "2d", "sinogram": np.arange(48.0).reshape(6, 8), "parameters": {**parameters, **changes}}
    savemat(path, {"CtDataLimited": scan}, do_compression=True)
    return path


def test_the_helsinki_challenge(tmp_path):
    m = io.open(challenge(tmp_path / "a.mat"), image_shape=16)
    op = m.operator()
    assert m.provenance["scanner"] == "a scanner" and m.y.shape == (1, 1, 6, 8) and op.in_shape == (1, 16, 16)
    assert isinstance(op, FanBeam) and op.detector_distance == pytest.approx(143.08)
    assert torch.allclose(op.angles, torch.deg2rad(torch.arange(6).double() / 2))
    turned = io.open(tmp_path / "a.mat", views=slice(2, 5), clockwise=True)
    assert torch.equal(turned.y, m.y[:, :, 2:5]) and torch.equal(turned.arguments["angles"], -op.angles[2:5])
    for name, changes, word in (
        ("near", {"distanceSourceDetector": 3.0}, "distanceSourceDetector"),
        ("none", {"pixelSizePost": "wide"}, "pixelSizePost"),
        ("few", {"angles": np.arange(3)}, "angles"),
    ):
        with pytest.raises(ValueError, match=rf"{name}\.mat: .*{word}"):
            io.open(challenge(tmp_path / f"{name}.mat", **changes))


@pytest.mark.parametrize("squeezed", [False, True])
def test_mat_files_are_read_as_scipy_reads_them(tmp_path, squeezed):
    from scipy.io import loadmat, savemat

    from pnp.io.matlab import read_mat

    given = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([[1, 2]], "i2"), "c": "text ä", "d": {"e": {"f": 7.5}},
             "g": np.ones((2, 2, 2), "f4")}  # fmt: skip
    savemat(tmp_path / "a.mat", given, do_compression=squeezed)
    ours, theirs = read_mat(tmp_path / "a.mat"), loadmat(tmp_path / "a.mat")
    for name in "abg":
        assert np.array_equal(ours[name], theirs[name])
    assert ours["c"] == "text ä" and ours["d"]["e"]["f"].item() == 7.5
    assert read_mat(tmp_path / "a.mat", ("b",)).keys() == {"b"}


def test_a_slice_of_a_scanner(tmp_path):
    pytest.importorskip("pydicom", reason="needs pydicom: pip install 'pnp-imaging[io]'")
    from benchmarks.fuzz import whole

    (tmp_path / "a.dcm").write_bytes(whole("dcm")[0])
    (tmp_path / "colour.dcm").write_bytes(whole("dcm")[1])
    m = io.open(tmp_path / "a.dcm")
    assert m.y.shape == (1, 1, 24, 20) and torch.equal(m.operator().A(m.y), m.y)
    assert m.provenance["format"] == "DICOM" and m.operator().field == "natural"  # the file names no modality
    assert io.open(tmp_path / "colour.dcm").y.shape == (1, 3, 24, 20)
    import pydicom

    file = pydicom.dcmread(tmp_path / "a.dcm")
    for modality, field in (("CT", "ct"), ("MR", "mri")):
        file.Modality = modality
        file.save_as(tmp_path / "b.dcm")
        assert io.open(tmp_path / "b.dcm").operator().field == field
    assert io.open(tmp_path / "a.dcm").noise_std is None and len(repr(m)) < 300
    np.savez(tmp_path / "scan.npz", y=np.ones((8, 8), "f4"), mask=np.ones((8, 8), "f4"))
    with pytest.raises(ValueError, match="no known format"):  # not a series: there are other data in the folder
        io.open(tmp_path)
