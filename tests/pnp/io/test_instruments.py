"""Files as instruments and their software vary them: byte orders, axes, units, flags, names without an ending."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from operators import MRI, Radon
from pnp import io
from pnp.io import read_images
from pnp.io.images import image_files
from pnp.radio.beam_fit import Beam, beam_image

from .test_images import write_dicom

RNG = np.random.default_rng(5)
opened: Any = io.open


@pytest.mark.parametrize("kind", ["<f4", ">f4", ">f8", ">u2", "f2", "longdouble"])
def test_npz_of_any_numbers(kind, tmp_path):
    y = np.round(RNG.random((3, 8, 12)) * 100).astype(kind)
    np.savez(tmp_path / "a.npz", y=y, angles=np.linspace(0, 3, 8).astype(">f8"), size=9, comment="of the scan")
    m = opened(tmp_path / "a.npz")
    assert torch.equal(m.y[:, 0], torch.from_numpy(y.astype("f4"))) and isinstance(m.operator(), Radon)
    assert m.operator()(torch.zeros(3, 1, 9, 9)).shape == m.y.shape


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"angles": np.zeros(7)}, r"y: expected a shape that fits angles, \(7,\)"),
        ({"size": [8, 8, 8]}, "size: expected one or two whole numbers"),
        ({"size": 8.5}, "size: expected one or two whole numbers"),
        ({"noise_std": -1.0}, "noise_std: expected numbers >= 0"),
        ({"noise_std": np.nan}, "noise_std: expected numbers >= 0"),
        ({"noise_std": np.ones(8)}, "y: expected a shape that fits noise_std"),
        ({"y": np.ones(())}, "y: expected two or three axes"),
        ({"y": np.array(["a"])}, "y: expected an array of numbers"),
        ({"y": np.zeros((0, 12))}, "y: .*holds no data"),
    ],
)
def test_npz_that_does_not_fit(changes, word, tmp_path):
    np.savez(tmp_path / "a.npz", **{"y": np.ones((8, 12)), "angles": np.zeros(8), "size": 8, **changes})
    with pytest.raises(ValueError, match=rf"a\.npz: {word}"):
        opened(tmp_path / "a.npz")


def test_noise_of_each_value_and_the_users_folder(tmp_path, monkeypatch):
    std = RNG.random((8, 12))
    np.savez(tmp_path / "a.npz", y=np.ones((8, 12)), mask=np.ones((8, 12), bool), noise_std=std)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert torch.equal(opened("~/a.npz").noise_std[0, 0], torch.from_numpy(std).float())
    with pytest.raises(FileNotFoundError, match="no file"):
        opened("")


@pytest.mark.parametrize("form", [str, np.bytes_, lambda text: np.array([text.encode()])])
def test_attributes_of_hdf5_in_any_form_and_single_fields(form, tmp_path):
    h5py = pytest.importorskip("h5py")
    y = RNG.random((6, 3, 10))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["exchange/data"] = (100 + 900 * np.exp(-y)).astype(">f4")
        file["exchange/data"].attrs["axes"] = form("theta:y:x")
        file["exchange/data_white"], file["exchange/data_dark"] = np.full((3, 10), 1000), np.full((3, 10), 100)
        file["exchange/theta"] = [0, 1, 2, 3, 4, 5]
        file["exchange/theta"].attrs["units"] = form("degrees")
    m = opened(tmp_path / "a.h5", rows=1)
    assert np.allclose(m.y[0, 0], y[:, 1], atol=1e-6) and m.arguments["angles"][5] == pytest.approx(math.radians(5))


@pytest.mark.parametrize("kind", ["u2", "i4", "u4", "f4"])
def test_tiff_of_lzw_keeps_its_numbers(kind, tmp_path):
    tifffile, image = pytest.importorskip("tifffile"), pytest.importorskip("PIL.Image")
    a = np.full((2, 4, 5), 3e9 if kind == "u4" else 3e4).astype(kind)
    a[0, 0] = 1
    pages = [image.fromarray(p.view("i4") if kind == "u4" else p) for p in a]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    if kind == "u4":
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
            for page in file.pages:
                page.tags["SampleFormat"].overwrite((1,))
    with pytest.warns(UserWarning, match="are these counts"):
        counts = opened(tmp_path / "a.tif", angles=[0.0, 1.0], logged=True, rows=slice(None)).y[:, 0].transpose(0, 1)
    scale = 65535 if kind == "u2" else 1
    assert np.array_equal(counts, a.astype("f4"))
    assert np.array_equal(torch.cat(read_images(tmp_path / "a.tif")), a.astype("f4") / np.float32(scale))


@pytest.mark.parametrize("name", ["p_{}.tif", "tilt_{}_ü.tif", "5² ({}).TIF", "2024-01-02_{}.tif", "scan-{}.tif"])
def test_projections_go_by_the_numbers_in_their_names(name, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    first = 95 if "scan-" in name else -5 if "p_" in name or "tilt" in name else 0
    for k in range(12):
        tifffile.imwrite(tmp_path / name.format(first + k), np.full((3, 8), k, ">f4"))
    text = "\ufeff# degrees\r\n" + ",\r\n".join(f"{k}" for k in range(12))
    (tmp_path / "angles.txt").write_text(text, encoding="utf-8", newline="")
    m = opened(tmp_path, logged=True)
    assert m.y[0, 0, :, 0].tolist() == [*range(12)] and m.arguments["angles"][6] == pytest.approx(math.radians(6))


def test_dicom_without_an_ending_and_with_empty_entries(tmp_path):
    pytest.importorskip("pydicom")
    for name, place in (("IM000001", 2.0), ("1.2.840.3", 1.0)):
        write_dicom(tmp_path / name, np.full((5, 6), int(place)), SeriesInstanceUID="1.2", PixelSpacing=None,
                    ImagePositionPatient=[0, 0, place], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])  # fmt: skip
    assert opened(tmp_path / "IM000001").y[0, 0, 0, 0] == 2 and read_images(tmp_path / "IM000001")[0][0, 0, 0] == 2
    (tmp_path / "read me.txt").write_text("of the scanner")
    m = opened(tmp_path)
    assert m.y[:, 0, 0, 0].tolist() == [1, 2] and m.provenance["format"] == "DICOM series"
    (tmp_path / "IM000003").write_bytes(b"x" * 200)
    assert len(opened(tmp_path).y) == 2 and image_files(tmp_path) == []
    with pytest.raises(ValueError, match="IM000003: it is in no known format"):
        opened(tmp_path / "IM000003")


@pytest.mark.parametrize(("unit", "side"), [("mm", 2.0), ("micron", 0.002), ("meter", 2000.0), ("unknown", 2.0)])
def test_units_of_nifti(unit, side, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    image = nibabel.Nifti1Image(np.ones((4, 5, 2), ">i2"), np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    assert opened(tmp_path / "a.nii").provenance["pixel / mm"] == pytest.approx((side,) * 3, rel=1e-6)


def test_slices_of_other_masks_keep_their_own(tmp_path):
    h5py = pytest.importorskip("h5py")
    y = (RNG.normal(size=(3, 1, 12, 10)) + 1j).astype("c8")
    y[0, ..., ::2], y[1, ..., 1::2], y[2] = 0, 0, 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"] = y
    m = opened(tmp_path / "a.h5")
    assert isinstance(m.operator(), MRI) and torch.equal(
        m.arguments["mask"][:2, 0], torch.from_numpy(y[:2, 0] != 0).float()
    )
    x = torch.randn(3, 1, 12, 10, dtype=torch.complex64)
    assert (m.operator()(x)[:2] * (m.y[:2] == 0)).abs().max() == 0 and m.arguments["mask"][2].all()
    for kspace, mask, word in ((np.abs(y), None, "is real, expected complex"), (y, np.ones(9), "mask .* does not fit")):
        with h5py.File(tmp_path / "b.h5", "w") as file:
            file["kspace"] = kspace
            if mask is not None:
                file["mask"] = mask
        with pytest.raises(ValueError, match=rf"b\.h5: .*{word}"):
            opened(tmp_path / "b.h5")


SIDE, H, W = 2 / 3600, 15, 16
TURNS: list[tuple[dict[str, Any], Any, float]] = [
    ({}, lambda a: a, 0),
    ({"CDELT1": SIDE}, lambda a: a[:, ::-1], 0),
    ({"CDELT2": -SIDE}, lambda a: a[::-1], 0),
    ({"CDELT1": None, "CDELT2": None, "CD1_1": SIDE, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": SIDE},
     lambda a: a[:, ::-1], 0),
    ({"CDELT1": SIDE, "PC1_1": -1.0}, lambda a: a, 0),
    ({"CROTA2": 180.0}, lambda a: a[::-1, ::-1], 0),
    ({"CROTA2": 30.0}, lambda a: a, -30),
    ({"CTYPE1": "DEC--SIN", "CTYPE2": "RA---SIN", "CDELT1": SIDE, "CDELT2": -SIDE, "CRVAL1": 2.0, "CRVAL2": 150.0},
     lambda a: a.T, 0),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "turn", "angle"), TURNS)
def test_radio_images_lie_with_north_up_and_east_to_the_left(changes, turn, angle, tmp_path):
    """astropy says where on the sky each pixel of the file lies; the answer's pixels lie around its centre."""
    fits, wcs = pytest.importorskip("astropy.io.fits"), pytest.importorskip("astropy.wcs")
    head = {"BUNIT": "Jy/beam", "BMAJ": 4 * SIDE, "BMIN": 2 * SIDE, "BPA": 20.0, "CTYPE1": "RA---SIN", "CDELT1": -SIDE,
            "CTYPE2": "DEC--SIN", "CDELT2": SIDE, "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 4.0, "CRPIX2": 3.0,
            "CTYPE3": "STOKES", "CRVAL3": 1.0, "CTYPE4": "FREQ", "CRVAL4": 1.4e9, **changes}  # fmt: skip
    header = fits.Header([(k, v) for k, v in head.items() if v is not None])
    image = RNG.random((H, W)).astype(">f4")
    fits.writeto(tmp_path / "a.fits", image[None, None], header)
    m = opened(tmp_path / "a.fits")
    assert np.array_equal(m.y[0, 0], turn(image)) and m.provenance["frequency"] == 1.4e9
    beam = beam_image(Beam(8.0, 4.0, 20.0 - m.provenance.get("turned / degrees", 0.0)), (9, 9), 2.0).float()
    kernel = m.arguments["kernel"][0, 0] if m.arguments["kernel"].ndim == 4 else m.arguments["kernel"]
    middle = [n // 2 - 4 for n in kernel.shape]
    assert torch.allclose(kernel[middle[0] : middle[0] + 9, middle[1] : middle[1] + 9], beam, atol=1e-6)
    if angle:
        assert m.provenance["turned / degrees"] == pytest.approx(angle, abs=1e-6) and "centre" not in m.provenance
        return
    rows, columns = np.indices((H, W))
    found = [turn(v) for v in wcs.WCS(header, naxis=2).wcs_pix2world(columns, rows, 0)]
    ra, dec = found[::-1] if changes.get("CTYPE1") == "DEC--SIN" else found
    assert m.provenance["centre"] == pytest.approx(
        (ra[ra.shape[0] // 2, ra.shape[1] // 2], dec[dec.shape[0] // 2, dec.shape[1] // 2]), abs=1e-9
    )
    assert (np.diff(ra, axis=1) < 0).all() and (np.diff(dec, axis=0) > 0).all()


def test_a_turned_map_has_no_place(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    head = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.01, "CDELT2": 0.01, "CRVAL1": 10.0, "CRVAL2": 5.0}
    for turned, placed in ((0.0, True), (1.0, True), (20.0, False), (180.0, False)):
        header = fits.Header([*head.items(), ("CROTA2", turned)])
        fits.writeto(tmp_path / "kappa.fits", np.ones((8, 8)), header, overwrite=True)
        m = opened(tmp_path / "kappa.fits")
        assert ("centre" in m.provenance) == placed and m.provenance["pixel_scale"] == pytest.approx(0.6, rel=1e-6)


def test_images_behind_tables(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    fits.HDUList([fits.PrimaryHDU(), table, fits.ImageHDU(np.ones((4, 5)))]).writeto(tmp_path / "a.fits")
    assert read_images(tmp_path / "a.fits")[0].shape == (1, 4, 5)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "b.fits")
    with pytest.raises(ValueError, match="holds no image"):
        read_images(tmp_path / "b.fits")


UV = "\n".join(f"{u},{v},1.5,0.5,4" for u, v in ((1000, 2000), (-3000, 500)))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("\ufeffweight,u,v,re,im\n" + "\n".join(f"4,{u},{v},1.5,0.5" for u, v in ((1000, 2000), (-3000, 500))), None),
        (f"u;v;re;im;weight\n{UV.replace(',', ';').replace('.', ',')}", None),
        ("pair,u,v,re,im,weight\n" + "\n".join(f"DA41-DV0{k},{row}" for k, row in enumerate(UV.split("\n"))), None),
        (f"u,v,amp,phase,weight\n{UV}", "columns: say which are u, v"),
        (f"uvdist,flux,sigma,x,y\n{UV}", "columns: say which are u, v"),
        (f"u,v,re,im,weight\n{UV}\nword,2,3,4,5", "columns: u: expected numbers, got 'word'"),
        (f"u,v,re,im,weight\n{UV}\n1,2", "has 2 cells, expected 5"),
    ],
)
def test_tables_of_other_programs(text, word, tmp_path):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    if word is not None:
        with pytest.raises(ValueError, match=rf"a\.csv: .*{word}"):
            opened(tmp_path / "a.csv", unit="lambda", image_shape=16)
        return
    m = opened(tmp_path / "a.csv", unit="lambda", image_shape=16)
    assert m.y.flatten().tolist() == [1.5 + 0.5j] * 2 and m.noise_std.flatten().tolist() == [0.5, 0.5]
    assert m.arguments["uv"].tolist() == [[1000, -3000], [2000, 500]]


def _catalogue(path: Path, unit: str | None, scale: float) -> Path:
    fits = pytest.importorskip("astropy.io.fits")
    g = np.random.default_rng(2)
    columns = {"ra": scale * g.uniform(150, 151, 400), "dec": scale * g.uniform(2, 3, 400)}
    found = [fits.Column(n, "D", unit=unit, array=v) for n, v in columns.items()]
    found += [fits.Column(n, "E", array=g.normal(0, 0.3, 400)) for n in ("e1", "e2")]
    found.append(fits.Column("name", "4A", array=["abcd"] * 400))
    fits.BinTableHDU.from_columns(found).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize(
    ("unit", "scale", "said"),
    [("deg", 1, None), ("rad", math.pi / 180, None), ("arcmin", 60, None), (None, 3600, "arcsec"), ("m", 60, "arcmin")],
)
def test_catalogues_have_the_unit_of_their_columns(unit, scale, said, tmp_path):
    m = opened(_catalogue(tmp_path / "a.fits", unit, scale), image_shape=8, unit=said)
    assert m.provenance["centre"] == pytest.approx((150.5, 2.5), abs=0.02)
    assert m.provenance["pixel_scale"] == pytest.approx(7.5, rel=0.05)


def test_catalogues_with_words_empty_cells_and_flags(tmp_path):
    with pytest.raises(ValueError, match=r"a\.fits: unit: expected one of deg"):
        opened(_catalogue(tmp_path / "a.fits", "hourangle", 1 / 15))
    g = np.random.default_rng(0)
    rows = [[f'"NGC, {k}"', *(f"{v:.5f}" for v in (*g.uniform(0, 1, 2), *g.normal(0, 0.3, 2)))] for k in range(99)]
    rows[3][4] = ""
    text = "\n".join(["name,ra,dec,e1,e2", *(",".join(row) for row in rows)])
    (tmp_path / "a.csv").write_text(text)
    assert opened(tmp_path / "a.csv").provenance["galaxies"] == 98
    rows[3][4] = "-99"
    (tmp_path / "b.csv").write_text("\n".join(["name,ra,dec,e1,e2", *(",".join(row) for row in rows)]))
    with pytest.warns(UserWarning, match="ellipticities up to 99.*flags"):
        opened(tmp_path / "b.csv")


def test_uvfits_of_several_sources_and_with_autocorrelations(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    from .visibility_files import write_uvfits

    write_uvfits(tmp_path / "a.uvfits")
    whole = opened(tmp_path / "a.uvfits")
    with fits.open(tmp_path / "a.uvfits") as file:
        groups, header = file[0].data, file[0].header
        parameters = [np.array(groups.field(k)) for k in range(len(groups.parnames))]
        values = np.array(groups.data)
    parameters[3][0], values[0, ..., 0] = 257.0 * 3, 1e6  # antenna 3 with itself
    sources = 1 + np.arange(len(values), dtype="f4") % 2
    data = fits.GroupData(values, bitpix=-32, parnames=[*groups.parnames, "SOURCE"], pardata=[*parameters, sources])
    unit = fits.GroupsHDU(data)
    for k, v in header.items():
        if k[:5] in ("CTYPE", "CRVAL", "CDELT", "CRPIX"):
            unit.header[k] = v
    fits.HDUList([unit]).writeto(tmp_path / "b.uvfits")
    with pytest.raises(ValueError, match=r"b\.uvfits: source: holds sources 1, 2; say which"):
        opened(tmp_path / "b.uvfits")
    parts = [opened(tmp_path / "b.uvfits", source=k).y[0, 0] for k in (1, 2)]
    assert torch.equal(parts[1].view(-1, 2), whole.y[0, 0].view(-1, 2)[1::2])
    assert torch.equal(parts[0].view(-1, 2), whole.y[0, 0].view(-1, 2)[2::2])
    for file, number, word in (("b", 7, "no baselines of two antennas of source 7"), ("a", 1, "does not tell")):
        with pytest.raises(ValueError, match=word):
            opened(tmp_path / f"{file}.uvfits", source=number)


def test_uvfits_of_scaled_integers_and_of_several_windows(tmp_path):
    """Integers as instruments write them, byte by byte; windows whose frequencies no table tells are refused."""
    fits = pytest.importorskip("astropy.io.fits")
    from .visibility_files import write_uvfits

    write_uvfits(tmp_path / "a.uvfits")
    whole = opened(tmp_path / "a.uvfits")
    with fits.open(tmp_path / "a.uvfits") as file:
        groups, header = file[0].data, file[0].header.copy()
        names = list(groups.parnames)
        parameters = [np.array(groups.field(k), dtype="f8") for k in range(len(names))]
        values = np.array(groups.data, dtype="f8")
    scales = [float(np.abs(p).max() / 2e9) or 1.0 for p in parameters]
    rows = [*(np.round(p / s) for p, s in zip(parameters, scales)), *np.round(values.reshape(len(values), -1) / 1e-6).T]
    header["BITPIX"], header["BSCALE"], header["BZERO"] = 32, 1e-6, 0.0
    for k, scale in enumerate(scales, 1):
        header[f"PSCAL{k}"], header[f"PZERO{k}"] = scale, 0.0
    raw = np.stack(rows, 1).astype(">i4").tobytes()
    (tmp_path / "b.uvfits").write_bytes(header.tostring().encode() + raw + b"\0" * (-len(raw) % 2880))
    m = opened(tmp_path / "b.uvfits")
    assert (m.y - whole.y).abs().max() < 2e-6 and torch.equal(m.noise_std, whole.noise_std)
    assert torch.allclose(m.arguments["uv"], whole.arguments["uv"], rtol=1e-5, atol=1e-3)

    two = fits.GroupData(np.repeat(values, 2, 3).astype("f4"), bitpix=-32, parnames=names, pardata=parameters)
    unit = fits.GroupsHDU(two)
    for k, v in header.items():
        if k[:5] in ("CTYPE", "CRVAL", "CDELT", "CRPIX"):
            unit.header[k] = v
    for offsets, word in (([], "2 spectral windows, but no table"), ([[0, 0], [5, 5]], "2 sets of frequencies"),
                          ([[0, 2e8]], None)):  # fmt: skip
        column = fits.Column("IF FREQ", "2D", array=np.array(offsets, "f8").reshape(-1, 2))
        table = [fits.BinTableHDU.from_columns([column], name="AIPS FQ")] if offsets else []
        fits.HDUList([unit, *table]).writeto(tmp_path / "c.uvfits", overwrite=True)
        if word is None:
            found = opened(tmp_path / "c.uvfits").columns["frequency"][:4]
            assert found.tolist() == [1.0e9, 1.1e9, 1.2e9, 1.3e9]
            continue
        with pytest.raises(ValueError, match=word):
            opened(tmp_path / "c.uvfits")
